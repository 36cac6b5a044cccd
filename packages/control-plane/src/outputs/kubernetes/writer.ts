/**
 * Makes the cluster have what the control plane wants, and nothing of its own besides. What stands there is followed by
 * the label that marks everything of ours; a difference is written by server-side apply.
 *
 * What it does not do:
 *  - write what stands there already: equal content is not sent;
 *  - delete before it was told the whole of what is wanted, or what another manager wrote under our label;
 *  - overwrite an object that somebody else made under a name that we want;
 *  - anything at all while this process does not lead.
 */
import { isDeepStrictEqual } from 'node:util'
import { AerakiError } from '@aeraki/api/errors'
import {
  apiVersionOf,
  isManagedBy,
  type KubernetesClient,
  type KubernetesObject,
  mapReceiver,
  objectKey,
  pathOf,
  type Reflector,
  type ReflectorTiming,
  type Resource,
  type ResourceQuery,
  startReflector,
  statusOf,
} from '@aeraki/kubernetes'
import { getLogger } from '@logtape/logtape'
import { ownerLabel } from '../../envoy-filter/object.ts'
import { createWorkQueue } from './work-queue.ts'

const log = getLogger(['aeraki', 'control-plane', 'writer'])

/** What is written, and the version of its content. Of equal versions, one is written. */
export interface Wanted {
  readonly object: WantedObject
  readonly version: string
}

export interface WantedObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
  }
  readonly spec: object
}

export interface ClusterWriter {
  /** The whole of what is wanted. To be called once, when all sources are read: nothing is written or deleted before. */
  want(objects: readonly Wanted[]): void
  /** After that: what is wanted otherwise, and what no more. */
  change(changes: { readonly changed: readonly Wanted[]; readonly removed: readonly WantedObject[] }): void
  /** This process leads from now on: looks at everything again. */
  lead(): void
  /** What could not be written, and why, by id. */
  readonly failures: ReadonlyMap<string, string>
  readonly counters: Readonly<WriterCounters>
  readonly reflectors: readonly Reflector[]
  /** Resolves when there is nothing left to do but wait. */
  idle(): Promise<void>
  close(): Promise<void>
}

export interface WriterCounters {
  /** Requests that made or changed an object. */
  applied: number
  deleted: number
  /** Writes of content that was written before, as somebody had changed it. */
  repaired: number
  /** The object had changed meanwhile: looked at again. */
  conflicts: number
  failed: number
}

export interface WriterOptions {
  readonly client: KubernetesClient
  /** Asked right before each request. */
  readonly leads: () => boolean
  readonly namespaces: Pick<ReadonlySet<string>, 'has'>
  readonly timing?: Partial<ReflectorTiming>
  /** Default: EnvoyFilters and VirtualServices of the control plane. */
  readonly subject?: WriterSubject
}

/** What a writer writes, and as whom. */
export interface WriterSubject {
  readonly resources: readonly ResourceQuery[]
  readonly fieldManager: string
  /** Of all that may be ours, and so may be deleted where this manager has written it. */
  readonly labelSelector: string
  /** `object`: it is as we want it, and has nothing else in its spec. `fields`: others may set fields that we do not. */
  readonly owns: 'object' | 'fields'
}

/** As the incumbent names it. */
export const fieldManager = 'Aeraki'

const generatedObjects: WriterSubject = {
  resources: [
    { group: 'networking.istio.io', kind: 'EnvoyFilter', versions: ['v1alpha3'] },
    { group: 'networking.istio.io', kind: 'VirtualService', versions: ['v1', 'v1beta1', 'v1alpha3'] },
  ],
  fieldManager,
  labelSelector: `manager=${ownerLabel.manager}`,
  owns: 'object',
}

/** Few enough for a slow API server, and to stay below its limits for one client. */
const concurrency = 8
/** Somebody who changes our objects again and again is answered ever more slowly. */
const firstRepairMs = 1000
const slowestRepairMs = 300_000

/** What we have written last, and what stood there then. */
interface Settled {
  /** Of the content. */
  readonly version: string
  readonly uid: string | undefined
  readonly generation: number | undefined
  /** How often it was written again because somebody had changed it. */
  readonly repairs: number
  /** Not to be repaired before; milliseconds of `performance.now()`. */
  readonly repairAfter: number
}

/** Follows what stands in the cluster at once; writes when it is told what is wanted. */
export function createClusterWriter(options: WriterOptions): ClusterWriter {
  const { client, subject = generatedObjects } = options
  const manager = subject.fieldManager
  const observed = new Map<string, KubernetesObject>()
  const settled = new Map<string, Settled>()
  const failures = new Map<string, string>()
  const counters: WriterCounters = { applied: 0, deleted: 0, repaired: 0, conflicts: 0, failed: 0 }
  const repairs = new Map<string, NodeJS.Timeout>()
  let wanted: Map<string, Wanted> | undefined

  const reflectors = subject.resources.map((resource) =>
    startReflector({
      client,
      resource,
      labelSelector: subject.labelSelector,
      timing: options.timing ?? {},
      receiver: observing(resource.kind),
    }),
  )

  function observing(kind: string) {
    const own = new Map<string, KubernetesObject>()
    return mapReceiver(
      own,
      (object) => object,
      (key) => {
        const id = `${kind}/${key}`
        const object = own.get(key)
        if (object === undefined) {
          observed.delete(id)
          settled.delete(id)
        } else observed.set(id, object)
        queue.add(id)
      },
    )
  }

  const queue = createWorkQueue({
    concurrency,
    work,
    onFailure(id, error) {
      if (statusOf(error) === 409) {
        counters.conflicts += 1
        return
      }
      counters.failed += 1
      const reason = error instanceof Error ? error.message : String(error)
      if (failures.get(id) !== reason)
        log.warn('{id} could not be written and is tried again: {reason}', { id, reason })
      failures.set(id, reason)
    },
  })

  async function work(id: string): Promise<void> {
    if (wanted === undefined || !options.leads()) return
    const desired = wanted.get(id)
    if (desired !== undefined) await write(id, desired)
    else await remove(id)
    failures.delete(id)
  }

  async function write(id: string, { object: desired, version }: Wanted): Promise<void> {
    const { namespace, name } = desired.metadata
    const seen = observed.get(id)
    const last = settled.get(id)
    const drifted = last?.version === version
    if (drifted && stands(seen, desired, last)) return
    if (seen !== undefined && says(seen, desired, subject.owns)) {
      settled.set(id, { repairs: 0, repairAfter: 0, ...last, ...identity(seen), version })
      return
    }
    if (drifted && putsOff(id, last.repairAfter)) return
    const resource = resourceOf(desired.kind)
    if (!options.namespaces.has(namespace)) throw missingNamespace(namespace)
    const path = pathOf(resource, namespace, name)
    if (seen === undefined) await refuseForeign(path)
    if (!options.leads()) return
    let result = await client.request<KubernetesObject>({
      method: 'PATCH',
      path,
      query: { fieldManager: manager, force: true },
      contentType: 'application/apply-patch+yaml',
      body: { ...desired, apiVersion: apiVersionOf(resource) },
    })
    if (subject.owns === 'object' && !says(result, desired)) result = await replace(path, desired, result, resource)
    counters.applied += 1
    if (drifted) counters.repaired += 1
    const repairCount = drifted ? last.repairs + 1 : 0
    const pause = repairCount === 0 ? 0 : Math.min(slowestRepairMs, firstRepairMs * 2 ** repairCount)
    settled.set(id, { ...identity(result), version, repairs: repairCount, repairAfter: performance.now() + pause })
    log.debug('Wrote {id}', { id })
  }

  /** Apply leaves alone what other managers have added; these objects are wholly ours. */
  async function replace(
    path: string,
    desired: WantedObject,
    current: KubernetesObject,
    resource: Resource,
  ): Promise<KubernetesObject> {
    const metadata = { ...desired.metadata, resourceVersion: current.metadata.resourceVersion }
    const body = { ...desired, apiVersion: apiVersionOf(resource), metadata }
    return await client.request<KubernetesObject>({ method: 'PUT', path, query: { fieldManager: manager }, body })
  }

  async function remove(id: string): Promise<void> {
    const seen = observed.get(id)
    if (seen === undefined) return
    if (!isManagedBy(seen, manager)) {
      log.debug('{id} has our label, but we did not write it: it is left alone', { id })
      return
    }
    const { uid, resourceVersion, namespace, name } = seen.metadata
    const path = pathOf(resourceOf(seen.kind), namespace, name)
    try {
      // Exactly the object that was looked at.
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } }
      await client.request({ method: 'DELETE', path, body })
      counters.deleted += 1
      log.debug('Deleted {id}', { id })
    } catch (error) {
      if (statusOf(error) !== 404) throw error
    }
    settled.delete(id)
  }

  async function refuseForeign(path: string): Promise<void> {
    let there: KubernetesObject
    try {
      there = await client.request<KubernetesObject>({ path })
    } catch (error) {
      if (statusOf(error) === 404) return
      throw error
    }
    if (isManagedBy(there, manager)) return
    throw new AerakiError(
      'KUBERNETES_NAME_TAKEN',
      `${there.kind} ${objectKey(there)} is somebody else's: it is not overwritten. Rename or remove it.`,
    )
  }

  function resourceOf(kind: string): Resource {
    const resource = reflectors.find(({ name }) => name === kind)?.resource
    if (resource !== undefined) return resource
    throw new AerakiError('KUBERNETES_KIND_MISSING', `the cluster has no ${kind}. Install Istio's CRDs.`)
  }

  function putsOff(id: string, until: number): boolean {
    const pause = until - performance.now()
    if (pause <= 0) return false
    if (!repairs.has(id)) {
      const later = (): void => {
        repairs.delete(id)
        queue.add(id)
      }
      repairs.set(id, setTimeout(later, pause))
    }
    return true
  }

  function lookAtAll(): void {
    for (const id of new Set([...(wanted?.keys() ?? []), ...observed.keys()])) queue.add(id)
  }

  return {
    want(objects) {
      wanted = new Map(objects.map((each) => [idOf(each.object), each]))
      lookAtAll()
    },
    change({ changed, removed }) {
      for (const each of changed) {
        wanted?.set(idOf(each.object), each)
        queue.add(idOf(each.object))
      }
      for (const object of removed) {
        wanted?.delete(idOf(object))
        queue.add(idOf(object))
      }
    },
    lead: lookAtAll,
    failures,
    counters,
    reflectors,
    idle: () => queue.idle(),
    async close() {
      for (const timer of repairs.values()) clearTimeout(timer)
      await Promise.all([queue.close(), ...reflectors.map((reflector) => reflector.close())])
    },
  }
}

/** True where the object is as our last write left it, or an older version of it, which the watch has still to overtake. */
function stands(seen: KubernetesObject | undefined, desired: WantedObject, last: Settled): boolean {
  if (seen === undefined) return true
  const { uid, generation = 0, labels } = seen.metadata
  const { generation: ours = 0 } = last
  if (uid !== last.uid || generation > ours) return false
  return generation < ours || includes(labels, desired.metadata.labels)
}

function identity({ metadata }: KubernetesObject): Pick<Settled, 'uid' | 'generation'> {
  return { uid: metadata.uid, generation: metadata.generation }
}

/** The same spec, as far as it is ours, and at least our labels. */
function says(object: KubernetesObject, desired: WantedObject, owns: WriterSubject['owns'] = 'object'): boolean {
  const { spec = {} } = object as { spec?: Readonly<Record<string, unknown>> }
  const ours = owns === 'object' ? spec : Object.fromEntries(Object.keys(desired.spec).map((key) => [key, spec[key]]))
  return includes(object.metadata.labels, desired.metadata.labels) && isDeepStrictEqual(ours, desired.spec)
}

/** Its place in the cluster. */
function idOf({ kind, metadata: { namespace, name } }: WantedObject): string {
  return `${kind}/${namespace}/${name}`
}

type Labels = Readonly<Record<string, string>>

function includes(all: Labels = {}, some: Labels = {}): boolean {
  return Object.entries(some).every(([key, value]) => all[key] === value)
}

function missingNamespace(namespace: string): AerakiError {
  return new AerakiError('KUBERNETES_NAMESPACE_MISSING', `there is no namespace ${namespace}, or it is about to go`)
}
