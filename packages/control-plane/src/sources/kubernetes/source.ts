/**
 * The cluster as a source: Istio's kinds, ours, and Kubernetes' own services, followed object by object. Each object is an
 * origin of its own. What the API server does not tell for a while (it is down, a watch broke, a right was taken away)
 * stays as it was last told.
 */
import { allKinds, defaultClusterDomain, type Kind, type LoadedObject } from '@aeraki/api'
import {
  core,
  type KubernetesClient,
  type KubernetesObject,
  mapReceiver,
  objectKey,
  type Receiver,
  type Reflector,
  type ReflectorOptions,
  type ReflectorTiming,
  type Resource,
  type ResourceQuery,
  startReflector,
} from '@aeraki/kubernetes'
import { ownerLabel } from '../../envoy-filter/object.ts'
import type { OriginUpdate, Source, SourceListener } from '../source.ts'
import { loadObject } from './load.ts'
import { createSecrets } from './secrets.ts'
import { createServices } from './services.ts'

export interface KubernetesSourceOptions {
  readonly client: KubernetesClient
  /** Of the hosts of Kubernetes services. Default `cluster.local`. */
  readonly domain?: string | undefined
  /** How long it must be quiet before changes are told. Default 20 ms; never put off for more than 10 times that. */
  readonly debounceMs?: number
  readonly timing?: Partial<ReflectorTiming>
}

export interface KubernetesSource extends Source {
  /** All that is followed has been read once, and told. */
  readonly synced: boolean
  /** As they are in the cluster, broken ones too; `key`: see objectKey. */
  objectOf(kind: Kind, key: string): KubernetesObject | undefined
  objectsOf(kind: Kind): Iterable<KubernetesObject>
  /** That are there and not about to go. */
  readonly namespaces: ReadonlySet<string>
  readonly reflectors: readonly Reflector[]
}

type FollowOptions = Pick<ReflectorOptions, 'metadataOnly' | 'optional'>

const ownGroups = ['metaprotocol.aeraki.io', 'redis.aeraki.io', 'dubbo.aeraki.io']
/** EnvoyFilters are for Istio; Secrets are read by name. */
const followed = allKinds().filter(({ kind }) => kind !== 'EnvoyFilter' && kind !== 'Secret')
/** Passwords that are not here yet would make services without passwords; a right that is missing must not hold up all. */
const secretsPatienceMs = 10_000

export function createKubernetesSource(options: KubernetesSourceOptions): KubernetesSource {
  const { client, domain = defaultClusterDomain, debounceMs = 20, timing = {} } = options
  const raw = new Map<Kind, Map<string, KubernetesObject>>(followed.map(({ kind }) => [kind, new Map()]))
  const namespaces = new Set<string>()
  const reflectors: Reflector[] = []
  const dirty = new Set<string>()
  /** What each origin was told as; an object that comes again with the same content is no change. */
  const told = new Map<string, string>()
  const services = createServices({ domain, touch: (key) => touch(`Service/${key}`) })
  const secrets = createSecrets({ client, timing, touch: (key) => touch(`Secret/${key}`) })
  let listener: SourceListener | undefined
  let timer: NodeJS.Timeout | undefined
  let waitingSince = 0
  let synced = false
  let closed = false

  function touch(origin: string): void {
    dirty.add(origin)
    if (!synced || closed) return
    const now = Date.now()
    if (timer === undefined) waitingSince = now
    else if (now - waitingSince > debounceMs * 10) return
    clearTimeout(timer)
    timer = setTimeout(flush, debounceMs)
  }

  function flush(): void {
    timer = undefined
    const updates = [...dirty].flatMap((origin) => updateOf(origin) ?? [])
    dirty.clear()
    // Its own reflectors touch again when the Secrets have come.
    secrets.need(neededSecrets())
    if (updates.length > 0) listener?.(updates)
  }

  function updateOf(origin: string): OriginUpdate | undefined {
    const slash = origin.indexOf('/')
    const kind = origin.slice(0, slash)
    const key = origin.slice(slash + 1)
    if (kind === 'Service') return updateOfService(origin, key)
    const object = kind === 'Secret' ? secrets.get(key) : raw.get(kind as Kind)?.get(key)
    if (object === undefined || isOutput(object)) return gone(origin)
    const signature = signatureOf(object)
    if (told.get(origin) === signature) return undefined
    told.set(origin, signature)
    return { origin, state: 'present', ...loadObject(object) }
  }

  function updateOfService(origin: string, key: string): OriginUpdate | undefined {
    const entry: LoadedObject | undefined = services.entryOf(key)
    if (entry === undefined) return gone(origin)
    const signature = JSON.stringify([entry.spec, entry.metadata.labels, entry.metadata.annotations])
    if (told.get(origin) === signature) return undefined
    told.set(origin, signature)
    return { origin, state: 'present', objects: [entry], diagnostics: [] }
  }

  function gone(origin: string): OriginUpdate | undefined {
    return told.delete(origin) ? { origin, state: 'removed', objects: [], diagnostics: [] } : undefined
  }

  function neededSecrets(): Set<string> {
    const found = new Set<string>()
    for (const kind of ['RedisService', 'RedisDestination'] as const) {
      for (const { metadata, spec } of raw.get(kind)?.values() ?? []) {
        const name = secretNameOf(spec)
        if (name !== undefined) found.add(`${metadata.namespace ?? ''}/${name}`)
      }
    }
    return found
  }

  function follow(resource: Resource | ResourceQuery, receiver: Receiver, how: FollowOptions = {}): void {
    reflectors.push(startReflector({ client, resource, receiver, timing, ...how }))
  }

  async function start(to: SourceListener): Promise<void> {
    listener = to
    for (const definition of followed) {
      const { kind } = definition
      const objects = raw.get(kind) ?? new Map<string, KubernetesObject>()
      follow(
        definition,
        mapReceiver(objects, slim, (key) => touch(`${kind}/${key}`)),
      )
    }
    follow(core.services, services.services)
    follow(core.endpointSlices, services.slices)
    follow(core.pods, services.pods, { metadataOnly: true })
    // Without them endpoints have what their pods and slices say of their place.
    follow(core.nodes, services.nodes, { metadataOnly: true, optional: true })
    follow(core.namespaces, namespaceReceiver(namespaces), { metadataOnly: true })
    await Promise.all(reflectors.map(({ firstSync }) => firstSync))
    secrets.need(neededSecrets())
    await secrets.settled(secretsPatienceMs)
    if (closed) return
    synced = true
    flush()
  }

  return {
    start,
    async close() {
      closed = true
      clearTimeout(timer)
      await Promise.all([...reflectors.map((reflector) => reflector.close()), secrets.close()])
    },
    get synced() {
      return synced
    },
    objectOf: (kind, key) => raw.get(kind)?.get(key),
    objectsOf: (kind) => raw.get(kind)?.values() ?? [],
    namespaces,
    get reflectors() {
      return [...reflectors, ...secrets.reflectors()]
    },
  }
}

/** Without what nobody reads here: of ten thousand objects it is the larger half. */
function slim(object: KubernetesObject): KubernetesObject {
  const isOwn = ownGroups.some((group) => object.apiVersion.startsWith(`${group}/`))
  const annotations = without(object.metadata.annotations ?? {}, 'kubectl.kubernetes.io/last-applied-configuration')
  const metadata = { ...without(object.metadata, 'managedFields'), annotations }
  return { ...(isOwn ? object : without(object, 'status')), metadata }
}

function without<T extends object>(value: T, key: keyof T): T {
  const copy: Partial<T> = { ...value }
  delete copy[key]
  return copy as T
}

/** Our own output is no configuration. */
function isOutput({ metadata }: KubernetesObject): boolean {
  return metadata.labels?.['manager'] === ownerLabel.manager
}

/** Equal for objects that say the same; a change of the status alone is none. */
function signatureOf(object: KubernetesObject): string {
  const { apiVersion, metadata } = object
  const { uid, generation, labels, annotations } = metadata
  // Of what has no generation (a Secret) the whole counts.
  const content = generation ?? without(without(object, 'status'), 'metadata')
  return JSON.stringify([apiVersion, uid, content, labels, annotations])
}

interface WithSecret {
  readonly settings?: { readonly auth?: { readonly secret?: { readonly name?: unknown } } }
  readonly trafficPolicy?: {
    readonly connectionPool?: { readonly redis?: { readonly auth?: { readonly secret?: { readonly name?: unknown } } } }
  }
}

function secretNameOf(spec: unknown): string | undefined {
  const { settings, trafficPolicy } = (spec ?? {}) as WithSecret
  const name = settings?.auth?.secret?.name ?? trafficPolicy?.connectionPool?.redis?.auth?.secret?.name
  return typeof name === 'string' && name !== '' ? name : undefined
}

function namespaceReceiver(namespaces: Set<string>): Receiver {
  const take = (object: KubernetesObject): void => {
    const key = objectKey(object)
    if (object.metadata.deletionTimestamp === undefined) namespaces.add(key)
    else namespaces.delete(key)
  }
  return {
    replaced(objects) {
      namespaces.clear()
      for (const object of objects) take(object)
    },
    changed: take,
    deleted: (object) => void namespaces.delete(objectKey(object)),
  }
}
