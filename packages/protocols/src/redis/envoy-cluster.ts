/**
 * How Envoy reaches the servers of a host, as patches of the cluster that Istio makes for it.
 *
 * Mode PROXY: the cluster stays Istio's, with its endpoints and its mTLS; what a RedisDestination says is merged into it.
 * Without a load balancer of a DestinationRule, Maglev: several servers behind one host are shards, and a key must always
 * lead to the same one.
 *
 * Mode CLUSTER: Envoy asks the servers for their slots, which is another kind of cluster. A merge can't make one of
 * Istio's: it leaves `eds_cluster_config` where it is, and Envoy refuses that in any cluster but one of type EDS. So the
 * cluster is removed and added anew, with the TLS of the DestinationRule, or with Istio's automatic one where every known
 * server has a sidecar: nodes that only Redis knows have no labels to go by, so there is one way for all of them.
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/other_protocols/redis
 */
import { type ObjectOf, parseDuration, type TcpSettings } from '@aeraki/api'
import { createRegistry, type MessageInitShape } from '@bufbuild/protobuf'
import {
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { RedisClusterConfigSchema } from '@aeraki/xds/gen/envoy/extensions/clusters/redis/v3/redis_cluster_pb.ts'
import { RedisProtocolOptionsSchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/redis_proxy/v3/redis_proxy_pb.ts'
import { UpstreamTlsContextSchema } from '@aeraki/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import type { ClusterPatch, EnvoyPort } from '../envoy/contract.ts'
import { any, durationOf, json } from '../envoy/message.ts'
import { upstreamTls } from '../envoy/upstream-tls.ts'
import { upstreamAuth } from './envoy-auth.ts'
import { refOf } from './envoy-policy.ts'

type Cluster = Exclude<MessageInitShape<typeof ClusterSchema>, { $typeName: string }>

/** Istio's, where nothing is said. */
const connectTimeoutMs = 10_000

/** Every type that stands in an Any of these clusters. */
export const clusterTypes = [RedisProtocolOptionsSchema, RedisClusterConfigSchema, UpstreamTlsContextSchema]

const nested = createRegistry(...clusterTypes)

export function clusterPatches(port: EnvoyPort, destination: ObjectOf<'RedisDestination'> | undefined): ClusterPatch[] {
  const pool = destination?.spec.trafficPolicy?.connectionPool
  const common = { ...connection(port, destination), ...protocolOptions(port, destination) }
  if (pool?.redis?.mode === 'CLUSTER') {
    const value = json(ClusterSchema, redisCluster(port, pool.redis.discoveryEndpoints ?? [], common), nested)
    return [
      { operation: 'remove', cluster: port.cluster },
      { operation: 'add', value },
    ]
  }
  const value = json(ClusterSchema, { ...common, ...sharding(port) }, nested)
  return Object.keys(value).length === 0 ? [] : [{ operation: 'merge', cluster: port.cluster, value }]
}

function sharding({ upstream }: EnvoyPort): Cluster {
  return upstream.hasLoadBalancer ? {} : { lbPolicy: Cluster_LbPolicy.MAGLEV }
}

function protocolOptions(port: EnvoyPort, destination: ObjectOf<'RedisDestination'> | undefined): Cluster {
  const auth = destination === undefined ? undefined : upstreamAuth(port, destination)
  if (auth === undefined) return {}
  return {
    typedExtensionProtocolOptions: { 'envoy.filters.network.redis_proxy': any(RedisProtocolOptionsSchema, auth) },
  }
}

function connection(port: EnvoyPort, destination: ObjectOf<'RedisDestination'> | undefined): Cluster {
  const tcp = destination?.spec.trafficPolicy?.connectionPool?.tcp
  if (destination === undefined || tcp === undefined) return {}
  reportIneffective(port, destination, tcp)
  const { connectTimeout, tcpKeepalive } = tcp
  return {
    ...(connectTimeout === undefined ? {} : { connectTimeout: durationOf(parseDuration(connectTimeout)) }),
    ...(tcpKeepalive === undefined
      ? {}
      : {
          upstreamConnectionOptions: {
            tcpKeepalive: {
              ...(tcpKeepalive.probes === undefined ? {} : { keepaliveProbes: tcpKeepalive.probes }),
              ...(tcpKeepalive.time === undefined ? {} : { keepaliveTime: seconds(tcpKeepalive.time) }),
              ...(tcpKeepalive.interval === undefined ? {} : { keepaliveInterval: seconds(tcpKeepalive.interval) }),
            },
          },
        }),
  }
}

/** At least one: 0 would be the operating system's default. */
function seconds(duration: string): number {
  return Math.max(1, Math.round(parseDuration(duration) / 1000))
}

/** redis_proxy keeps one connection to each server from each of its threads, for good. */
function reportIneffective(port: EnvoyPort, destination: ObjectOf<'RedisDestination'>, tcp: TcpSettings): void {
  for (const field of ['maxConnections', 'maxConnectionDuration', 'idleTimeout'] as const) {
    if (tcp[field] === undefined) continue
    port.report(refOf(destination), {
      severity: 'warning',
      code: 'ENVOY_UNSUPPORTED',
      field: `spec.trafficPolicy.connectionPool.tcp.${field}`,
      value: tcp[field],
      message: `has no effect: Envoy's redis_proxy keeps one connection per server and thread to ${port.host}, for good`,
      remedy: 'remove it',
    })
  }
}

/**
 * Envoy must not wait for the slots of such a cluster before it begins. It would fetch the certificates of the mesh only
 * after them, and can't ask for them without certificates; and one Redis Cluster that is down would keep every Envoy of the
 * mesh from starting, whoever calls it.
 */
function redisCluster(port: EnvoyPort, seeds: readonly string[], common: Cluster): Cluster {
  return {
    name: port.cluster,
    connectTimeout: durationOf(connectTimeoutMs),
    ...common,
    clusterDiscoveryType: {
      case: 'clusterType',
      value: { name: 'envoy.clusters.redis', typedConfig: any(RedisClusterConfigSchema, {}) },
    },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
    waitForWarmOnInit: false,
    loadAssignment: {
      clusterName: port.cluster,
      endpoints: [
        {
          lbEndpoints: seedsOf(port, seeds).map(({ address, port: portValue }) => ({
            hostIdentifier: {
              case: 'endpoint',
              value: {
                address: {
                  address: {
                    case: 'socketAddress',
                    value: { address, portSpecifier: { case: 'portValue', value: portValue } },
                  },
                },
              },
            },
          })),
        },
      ],
    },
    ...upstreamTls(port),
  }
}

interface Seed {
  readonly address: string
  readonly port: number
}

/** Those that are named, else the workloads that are known, else the host by its name. */
function seedsOf({ host, number, upstream }: EnvoyPort, named: readonly string[]): readonly Seed[] {
  if (named.length > 0) return named.map((text) => seedOf(text, number))
  return upstream.endpoints.length > 0 ? upstream.endpoints : [{ address: host, port: number }]
}

/** `host`, `host:port`, `[::1]` or `[::1]:port`; that it is one of them has been checked. */
function seedOf(text: string, defaultPort: number): Seed {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? []
  return { address: bracketed ?? plain, port: port === undefined ? defaultPort : Number(port) }
}
