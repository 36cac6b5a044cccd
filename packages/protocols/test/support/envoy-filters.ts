/** Translations as the filters of a listener, for a real Envoy to judge. */
import type { FilterJson } from '@aeraki/testing'
import type { EnvoyTranslation, NetworkFilter } from '../../src/envoy/contract.ts'

/** As istiod hands it on: a TypedStruct. */
export function filterJson({ name, typeUrl, config }: NetworkFilter): FilterJson {
  return {
    name,
    typed_config: { '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct', type_url: typeUrl, value: config },
  }
}

export function tcpProxy(cluster: string): FilterJson {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: cluster,
      cluster,
    },
  }
}

/** The whole chain of a port, with `tcp_proxy` to its cluster where the translation leaves it. */
export function chainOf({ before = [], terminal }: EnvoyTranslation, cluster: string): FilterJson[] {
  return [...before.map(filterJson), terminal === undefined ? tcpProxy(cluster) : filterJson(terminal)]
}
