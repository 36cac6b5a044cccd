/** Generated EnvoyFilters as the filter chains that they make of plain TCP listeners, for a real Envoy. */
import type { EnvoyConfigPatch } from '@aeraki/api'
import type { FilterJson } from '@aeraki/testing'
import { generateFrom } from '../../src/generate.ts'
import { loadResources, type LoadResult } from '@aeraki/api'

export interface GeneratedChain {
  /** `<listener>` of clients; `<namespace>/<EnvoyFilter> <listener>:<port>` of workloads; `<listener> in <namespace>` for some. */
  readonly name: string
  readonly filters: readonly FilterJson[]
}

export interface GeneratedChains {
  readonly chains: readonly GeneratedChain[]
  /** Every cluster that their filters name. */
  readonly clusters: readonly string[]
}

const tcpProxy = 'envoy.filters.network.tcp_proxy'

export function generatedChains(source: string | LoadResult): GeneratedChains {
  const { objects } = generateFrom(typeof source === 'string' ? loadResources(source, 'test.yaml') : source)
  const patches = objects.flatMap(({ object }) =>
    object.kind === 'EnvoyFilter'
      ? (object.spec.configPatches ?? [])
          .filter(({ applyTo }) => applyTo === 'NETWORK_FILTER')
          .map((patch) => ({ place: placeOf(object.metadata, patch), patch }))
      : [],
  )
  const byPlace = Map.groupBy(patches, ({ place }) => place)
  const chains = [...byPlace].map(([name, found]) => ({ name, filters: filtersOf(found.map(({ patch }) => patch)) }))
  const text = JSON.stringify(chains)
  return { chains, clusters: [...new Set(text.match(/(?:outbound|inbound)\|\d+\|[^|"]*\|[^"]*/g))] }
}

function placeOf({ namespace, name }: { namespace: string; name: string }, { match }: EnvoyConfigPatch): string {
  const { listener } = match ?? {}
  const port = listener?.filterChain?.destinationPort
  // The workloads of two services are not the same ones.
  if (port !== undefined) return `${namespace}/${name} ${listener?.name}:${port}`
  const usual = listener?.filterChain?.filter?.name === tcpProxy
  return `${listener?.name}${usual ? '' : ` in ${namespace}`}`
}

function filtersOf(patches: readonly EnvoyConfigPatch[]): FilterJson[] {
  const filters = patches.map(({ patch }) => patch?.value as unknown as FilterJson)
  if (patches.some(({ patch }) => patch?.operation === 'REPLACE')) return filters
  const typeUrl = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'
  return [...filters, { name: tcpProxy, typed_config: { '@type': typeUrl, stat_prefix: 'tcp', cluster: 'tcp' } }]
}
