/**
 * Ports `tcp-metaprotocol-<application>` on the Envoy of Aeraki's own image, which has the MetaProtocol Proxy as a filter in
 * C++ (up to 1.4). A stock Envoy does not have it and refuses listeners with it.
 *
 * Clients fetch their routes over RDS from the cluster `aeraki-xds` of the bootstrap: no change of a rule touches a
 * listener. Workloads have one route, and the rate limits. The application protocol and its codec stand in the deprecated
 * fields, which every version of the proxy reads: an old one refuses fields that it does not know.
 */
import type { JsonObject } from '@bufbuild/protobuf'
import type { EnvoyPort, EnvoyProtocol, EnvoyTranslation } from '../envoy/contract.ts'
import { filterName, routerName } from './names.ts'
import { rateLimitFilters } from './rate-limit.ts'

/** In the bootstrap of every proxy. */
const xdsCluster = 'aeraki-xds'
const filters = 'type.googleapis.com/aeraki.meta_protocol_proxy.filters'

export const metaprotocolEnvoy: EnvoyProtocol = {
  name: 'metaprotocol',
  policyKinds: [],
  translate(port: EnvoyPort): EnvoyTranslation | undefined {
    const { cluster, application, idleTimeoutMs } = port
    if (application === undefined) return undefined
    return {
      terminal: {
        name: filterName,
        typeUrl: 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
        config: {
          statPrefix: cluster,
          applicationProtocol: application.name,
          ...(port.direction === 'outbound' ? { rds: rds(port) } : { routeConfig: onlyRoute(cluster) }),
          codec: { name: application.codec },
          metaProtocolFilters: [
            ...(port.direction === 'inbound' && port.router !== undefined ? rateLimitFilters(port.router.spec) : []),
            {
              name: 'aeraki.meta_protocol.filters.metadata_exchange',
              config: { '@type': `${filters}.metadata_exchange.v1alpha.MetadataExchange` },
            },
            {
              name: 'aeraki.meta_protocol.filters.istio_stats',
              config: { '@type': `${filters}.istio_stats.v1alpha.IstioStats`, destinationService: port.host },
            },
            { name: routerName, config: { '@type': `${filters}.router.v1alpha.Router` } },
          ],
          ...(idleTimeoutMs === undefined ? {} : { idleTimeout: `${idleTimeoutMs / 1000}s` }),
        },
      },
    }
  },
}

function rds({ host, number }: EnvoyPort): JsonObject {
  return {
    configSource: {
      apiConfigSource: {
        apiType: 'GRPC',
        transportApiVersion: 'V3',
        grpcServices: [{ envoyGrpc: { clusterName: xdsCluster } }],
      },
      resourceApiVersion: 'V3',
    },
    routeConfigName: `${host}_${number}`,
  }
}

function onlyRoute(cluster: string): JsonObject {
  return { name: cluster, routes: [{ name: 'default', route: { cluster } }] }
}
