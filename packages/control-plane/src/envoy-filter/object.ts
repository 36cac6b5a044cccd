/**
 * What a protocol makes of a port, as the EnvoyFilters that Istio merges into the configuration of its sidecars.
 *
 *   aeraki-outbound-<host>-<address>-<port>   listener <address>_<port>, one for each address of the service
 *   aeraki-outbound-<host>-<port>             the clusters alone, of a service without an address
 *   aeraki-inbound-<host>-<port>              listener virtualInbound, the filter chains of the workloads' own port
 *   aeraki-config-<host>-<port>               configurations that filters of the first fetch, where routes are delivered so
 *
 * Names and labels are Aeraki's of old, so that one control plane can take over from the other.
 */
import { createHash } from 'node:crypto'
import type { JsonObject } from '@bufbuild/protobuf'
import type { EnvoyConfigPatch, Specs } from '@aeraki/api'
import type { ClusterPatch } from '@aeraki/protocols/envoy'
import { filterValue, type ListenerFilter, type ListenerFilters } from './delivery.ts'

/** An object that is written to a cluster. Everything in it is in a fixed order: equal objects have equal bytes. */
export type GeneratedObject = Generated<'EnvoyFilter'> | Generated<'VirtualService'>

export type GeneratedEnvoyFilter = Generated<'EnvoyFilter'>

interface Generated<K extends 'EnvoyFilter' | 'VirtualService'> {
  readonly apiVersion: 'networking.istio.io/v1alpha3'
  readonly kind: K
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
  }
  readonly spec: Specs[K]
}

/** Whose objects are ours to change and to delete. */
export const ownerLabel = { manager: 'Aeraki' } as const

const tcpProxy = 'envoy.filters.network.tcp_proxy'
const longestName = 253

type Listener = NonNullable<NonNullable<EnvoyConfigPatch['match']>['listener']>

export interface OutboundFilter {
  readonly namespace: string
  readonly host: string
  readonly address: string
  readonly port: number
  readonly filters: ListenerFilters
  /** The first of a port's filters has the patches of its clusters: each is patched once. */
  readonly clusters: readonly ClusterPatch[]
  /** The name of the filter that another EnvoyFilter has put in the place of tcp_proxy. */
  readonly inPlaceOf?: string
}

export function outboundFilter(input: OutboundFilter): GeneratedEnvoyFilter {
  const { namespace, host, address, port, filters, clusters, inPlaceOf } = input
  const listener = { name: `${address}_${port}` }
  return envoyFilter(objectName('aeraki-outbound', host, address, String(port)), namespace, undefined, [
    ...filterPatches(filters, listener, {}, inPlaceOf),
    ...clusters.map(clusterPatch),
  ])
}

/** The patches of a port's clusters, where there is no listener to patch. Undefined: there are none. */
export function clusterFilter(
  namespace: string,
  host: string,
  port: number,
  clusters: readonly ClusterPatch[],
): GeneratedEnvoyFilter | undefined {
  if (clusters.length === 0) return undefined
  return envoyFilter(
    objectName('aeraki-outbound', host, String(port)),
    namespace,
    undefined,
    clusters.map(clusterPatch),
  )
}

export interface InboundFilter {
  readonly namespace: string
  readonly host: string
  readonly port: number
  readonly workloadSelector: Readonly<Record<string, string>>
  /** By the port that workloads listen on: a filter chain is matched by it. */
  readonly chains: ReadonlyMap<number, ListenerFilters>
}

export function inboundFilter({
  namespace,
  host,
  port,
  workloadSelector,
  chains,
}: InboundFilter): GeneratedEnvoyFilter {
  const name = objectName('aeraki-inbound', host, String(port))
  const patches = [...chains].flatMap(([destinationPort, filters]) =>
    filterPatches(filters, { name: 'virtualInbound' }, { destinationPort }),
  )
  return envoyFilter(name, namespace, workloadSelector, patches)
}

/** Apart from the filters that ask for it, which stay as they are when it changes. */
export function extensionConfigFilter(
  name: string,
  namespace: string,
  workloadSelector: Readonly<Record<string, string>> | undefined,
  config: JsonObject,
): GeneratedEnvoyFilter {
  return envoyFilter(name, namespace, workloadSelector, [
    { applyTo: 'EXTENSION_CONFIG', patch: { operation: 'ADD', value: config } },
  ])
}

export function envoyFilter(
  name: string,
  namespace: string,
  workloadSelector: Readonly<Record<string, string>> | undefined,
  configPatches: EnvoyConfigPatch[],
): GeneratedEnvoyFilter {
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name, namespace, labels: ownerLabel },
    spec: {
      ...(workloadSelector === undefined ? {} : { workloadSelector: { labels: sorted(workloadSelector) } }),
      configPatches,
    },
  }
}

/** Insertions first: what they stand before is gone after a replacement. */
export function filterPatches(
  { before = [], terminal }: ListenerFilters,
  listener: Listener,
  chain: { readonly destinationPort?: number } = {},
  inPlaceOf = tcpProxy,
): EnvoyConfigPatch[] {
  const patch = (operation: 'INSERT_BEFORE' | 'REPLACE', value: ListenerFilter): EnvoyConfigPatch => ({
    applyTo: 'NETWORK_FILTER',
    match: { listener: { ...listener, filterChain: { ...chain, filter: { name: inPlaceOf } } } },
    patch: { operation, value },
  })
  return [
    // Those of a filter that is replaced by another one of ours stand there already.
    ...(inPlaceOf === tcpProxy ? before.map((filter) => patch('INSERT_BEFORE', filterValue(filter))) : []),
    ...(terminal === undefined ? [] : [patch('REPLACE', terminal)]),
  ]
}

function clusterPatch(patch: ClusterPatch): EnvoyConfigPatch {
  const match = patch.operation === 'add' ? {} : { match: { cluster: { name: patch.cluster } } }
  const value = patch.operation === 'remove' ? {} : { value: patch.value }
  return {
    applyTo: 'CLUSTER',
    ...match,
    patch: {
      operation: patch.operation === 'merge' ? 'MERGE' : patch.operation === 'add' ? 'ADD' : 'REMOVE',
      ...value,
    },
  }
}

/** A valid name of an object: a DNS subdomain. What has to be cut is told apart by a hash. */
export function objectName(...parts: readonly string[]): string {
  const whole = parts
    .join('-')
    .toLowerCase()
    .replaceAll('*', 'wildcard')
    .replaceAll(/[^a-z0-9.-]/g, '-')
  if (whole.length <= longestName) return whole
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 10)
  return `${whole.slice(0, longestName - hash.length - 1).replace(/[^a-z0-9]+$/, '')}-${hash}`
}

function sorted(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Unique for an object, and the order in which objects are printed. */
export function sortKeyOf({ kind, metadata: { namespace, name } }: GeneratedObject): string {
  return `${kind}/${namespace}/${name}`
}
