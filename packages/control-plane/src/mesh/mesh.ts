/**
 * The mesh model: takes what changed in the store, builds again exactly the services that this touches, and says which
 * resources may have changed. Everything is synchronous; between two calls of `apply` it does not change.
 */
import { isDeepStrictEqual } from 'node:util'
import { defaultClusterDomain, type Diagnostic, isKind, type LoadedObject, type ObjectOf } from '@aeraki/api'
import type { VipAllocator } from '../vip/allocator.ts'
import { createDependencies } from './dependencies.ts'
import { diagnosticOf, type Report } from './findings.ts'
import { createMeshInputs, type MeshInputs } from './inputs.ts'
import type { Service, ServiceKey } from './model.ts'
import { buildService, type BuiltService } from './service.ts'

export interface Mesh {
  apply(changes: readonly ObjectChange[]): MeshChange
  /** As if all of it had just come: for a reader that comes late. */
  everything(): MeshChange
  services(): Iterable<Service>
  service(key: ServiceKey): Service | undefined
  /** In the order of their namespaces. */
  servicesOfHost(host: string): readonly Service[]
  /** The oldest ServiceEntry that speaks of it. */
  entryOf(key: ServiceKey): ObjectOf<'ServiceEntry'> | undefined
  /** What it is made from, for those who make more of it. Who reads it notes the fact and looks for it in `MeshChange`. */
  readonly inputs: Pick<
    MeshInputs,
    'routerFor' | 'routersOfGateway' | 'gateways' | 'policiesOf' | 'objectOf' | 'fullName'
  >
  /** What is to be said of objects that are valid in themselves. */
  reports(): Report[]
  /** With the place where the object stands now. */
  diagnosticOf(report: Report): Diagnostic[]
  /** How many services were built since the start. */
  readonly recomputed: number
}

export interface ObjectChange {
  /** `moved`: equal in content; it only stands elsewhere. */
  readonly kind: 'put' | 'moved' | 'remove'
  readonly object: LoadedObject
}

export interface MeshChange {
  readonly services: readonly ServiceChange[]
  /** Everything that changed in what services, and what is made of them, are built from; see inputs.ts. */
  readonly facts: ReadonlySet<string>
}

/** A service that is not what it was. Parts that are equal are not named. */
export interface ServiceChange {
  readonly before: Service | undefined
  readonly after: Service | undefined
  readonly parts: ReadonlySet<ServicePart>
}

/** `shape`: addresses, ports, resolution, visibility; `policies`: DestinationRules; `routing`: routes. */
export type ServicePart = 'shape' | 'endpoints' | 'policies' | 'routing'

const allParts: ReadonlySet<ServicePart> = new Set(['shape', 'endpoints', 'policies', 'routing'])

export function createMesh(vips: VipAllocator, rootNamespace: string, clusterDomain = defaultClusterDomain): Mesh {
  const inputs = createMeshInputs(clusterDomain)
  const built = new Map<ServiceKey, BuiltService>()
  const byHost = new Map<string, Service[]>()
  const dependencies = createDependencies<ServiceKey>()
  let recomputed = 0

  function rebuild(key: ServiceKey): ServiceChange | undefined {
    const before = built.get(key)?.service
    const result = buildService(key, { inputs, vips, rootNamespace })
    recomputed += 1
    const parts = changedParts(before, result?.service)
    if (result === undefined) {
      built.delete(key)
      dependencies.forget(key)
    } else {
      // A service that is equal stays the same object: whoever holds it need not be told.
      built.set(key, before !== undefined && parts.size === 0 ? { ...result, service: before } : result)
      dependencies.record(key, result.facts)
    }
    if (parts.size === 0) return undefined
    const after = result?.service
    const service = after ?? before
    if (service !== undefined) indexHost(service, after)
    return { before, after, parts }
  }

  function indexHost({ host, key }: Service, current: Service | undefined): void {
    const others = (byHost.get(host) ?? []).filter((service) => service.key !== key)
    const services = current === undefined ? others : [...others, current]
    if (services.length === 0) byHost.delete(host)
    else
      byHost.set(
        host,
        services.toSorted((a, b) => (a.namespace < b.namespace ? -1 : 1)),
      )
  }

  return {
    apply(changes) {
      const dirty = new Set<ServiceKey>()
      const facts = new Set<string>()
      for (const { kind, object } of changes) {
        const before = inputs.objectOf(object.kind, object.metadata.namespace, object.metadata.name)
        for (const address of givenAddresses(before)) vips.unreserve(address)
        if (kind !== 'remove') for (const address of givenAddresses(object)) vips.reserve(address)
        const touched = kind === 'remove' ? inputs.remove(object) : inputs.put(object)
        if (kind === 'moved') continue
        for (const key of touched.services) dirty.add(key)
        for (const fact of touched.facts) facts.add(fact)
      }
      for (const fact of facts) for (const reader of dependencies.readersOf(fact)) dirty.add(reader)
      // In a stable order: which of two services gets an address that both hash to depends on it.
      const services: ServiceChange[] = []
      for (const key of [...dirty].toSorted()) {
        const change = rebuild(key)
        if (change !== undefined) services.push(change)
      }
      for (const { before } of services) {
        if (before !== undefined && !byHost.has(before.host)) for (const vip of vipKeys(before)) vips.release(vip)
      }
      return { services, facts }
    },
    everything: () => ({
      services: [...built.values()].map(({ service }) => ({ before: undefined, after: service, parts: allParts })),
      facts: new Set(inputs.gateways().map(({ metadata: { namespace, name } }) => `gateway:${namespace}/${name}`)),
    }),
    inputs,
    services: () => [...built.values()].map(({ service }) => service),
    service: (key) => built.get(key)?.service,
    servicesOfHost: (host) => byHost.get(host) ?? [],
    entryOf: (key) => inputs.entriesOf(key)[0],
    reports: () => [...inputs.reports(), ...[...built.values()].flatMap(({ reports }) => reports)],
    diagnosticOf({ about, finding }) {
      const object = inputs.objectOf(about.kind, about.namespace, about.name)
      return object === undefined ? [] : [diagnosticOf(object, finding)]
    },
    get recomputed() {
      return recomputed
    },
  }
}

/** Addresses that the configuration names are not ours to give away. */
function givenAddresses(object: LoadedObject | undefined): readonly string[] {
  return object !== undefined && isKind(object, 'ServiceEntry') ? (object.spec.addresses ?? []) : []
}

function vipKeys(service: Service): string[] {
  return [service.host, ...service.addresses.map(({ address }) => `${service.host}#${address}`)]
}

function changedParts(before: Service | undefined, after: Service | undefined): Set<ServicePart> {
  if (before === undefined && after === undefined) return new Set()
  if (before === undefined || after === undefined) return new Set(allParts)
  const parts = new Set<ServicePart>()
  if (!isDeepStrictEqual(shapeOf(before), shapeOf(after))) parts.add('shape')
  if (!isDeepStrictEqual(before.endpoints, after.endpoints)) parts.add('endpoints')
  if (!isDeepStrictEqual(before.rules.destinations, after.rules.destinations)) parts.add('policies')
  if (!isDeepStrictEqual(before.rules.routing, after.rules.routing)) parts.add('routing')
  return parts
}

function shapeOf({ exportTo, annotations, workloadSelector, resolution, addresses, ports }: Service) {
  return { exportTo, annotations, workloadSelector, resolution, addresses, ports }
}
