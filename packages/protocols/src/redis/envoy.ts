/**
 * Redis on a stock Envoy: `redis_proxy` in the place of `tcp_proxy` on the client's side, and what its upstream
 * connections need on the cluster. RedisService says how clients are served, RedisDestination how servers are reached.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/redis_proxy_filter
 *
 * Inbound a port stays plain TCP. A filter there would stand between servers: it knows neither PSYNC nor the commands by
 * which a cluster is discovered, and it would answer the AUTH of the client's own sidecar instead of the server.
 */
import type { ObjectOf } from '@aeraki/api'
import { RedisProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/redis_proxy/v3/redis_proxy_pb.ts'
import type { EnvoyPort, EnvoyProtocol, EnvoyTranslation } from '../envoy/contract.ts'
import { json, typeUrlOf } from '../envoy/message.ts'
import { downstreamAuth } from './envoy-auth.ts'
import { clusterPatches, clusterTypes } from './envoy-cluster.ts'
import { faults } from './envoy-faults.ts'
import { nobody, prefixRoutes } from './envoy-routes.ts'
import { settings } from './envoy-settings.ts'
import { onlyFor } from './envoy-policy.ts'

export const redisEnvoy: EnvoyProtocol = {
  name: 'redis',
  policyKinds: ['RedisService', 'RedisDestination'],
  clusterTypes,
  translate(port: EnvoyPort): EnvoyTranslation | undefined {
    if (port.direction === 'inbound') return {}
    reportForeignRoutes(port)
    const service = onlyFor(port, port.policies('RedisService'), ({ spec }) => spec.host, 'spec.host')
    const destination = onlyFor(port, port.policies('RedisDestination'), ({ spec }) => [spec.host], 'spec.host')
    return {
      terminal: {
        name: 'envoy.filters.network.redis_proxy',
        typeUrl: typeUrlOf(RedisProxySchema),
        config: json(RedisProxySchema, { statPrefix: port.cluster, ...filterFields(port, service) }),
      },
      clusters: clusterPatches(port, destination),
    }
  },
}

function filterFields(port: EnvoyPort, service: ObjectOf<'RedisService'> | undefined) {
  const fields = { settings: settings(port, service) }
  if (service === undefined) return { ...fields, prefixRoutes: prefixRoutes(port, undefined) }
  const auth = downstreamAuth(port, service)
  // Whoever asked for a password must not be served without one: every command is refused until it is there.
  if (auth === 'missing') return { ...fields, prefixRoutes: nobody }
  return {
    ...fields,
    ...auth,
    prefixRoutes: prefixRoutes(port, service),
    faults: faults(service.spec.faults ?? []),
  }
}

/** Redis has no attributes: conditions of a MetaRouter can't be checked. */
function reportForeignRoutes(port: EnvoyPort): void {
  const [route] = port.routes ?? []
  if (route === undefined) return
  port.report(route.origin, {
    severity: 'warning',
    code: 'ENVOY_UNSUPPORTED',
    field: 'spec',
    message: `Redis is routed by the prefixes of keys: the ${route.origin.kind} has no effect on ${port.host}`,
    remedy: 'write a RedisService',
  })
}
