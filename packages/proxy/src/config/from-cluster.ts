/** `envoy.config.cluster.v3.Cluster`. Defaults are Envoy's. */
import { enumToJson } from '@bufbuild/protobuf'
import { RoutingPriority } from '@aeraki/xds/gen-lean/envoy/config/core/v3/base_pb.ts'
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  Cluster_LbPolicySchema,
  type Cluster,
} from '@aeraki/xds/gen-lean/envoy/config/cluster/v3/cluster_pb.ts'
import type { OutlierDetection as OutlierMessage } from '@aeraki/xds/gen-lean/envoy/config/cluster/v3/outlier_detection_pb.ts'
import { milliseconds } from './from-common.ts'
import { endpointsFromXds } from './from-endpoints.ts'
import type { ClusterConfig, ClusterLimits, EndpointsConfig, LoadBalancingPolicy, OutlierDetection } from './model.ts'
import type { Place } from './refusal.ts'

/** A cluster, and where its endpoints come from beside the model: names in DNS that somebody has to resolve. */
export interface ConvertedCluster {
  readonly config: ClusterConfig
  readonly dns: DnsEndpoints | undefined
}

export interface DnsEndpoints {
  /** Addresses are host names or IP addresses; the name is what `ClusterConfig.endpoints.name` says. */
  readonly assignment: EndpointsConfig
  readonly refreshMs: number
  readonly family: 'any' | 'v4' | 'v6'
  /** `first`: LOGICAL_DNS, which uses one address at a time. */
  readonly take: 'all' | 'first'
}

/** Throws `ResourceError`. */
export function clusterFromXds(message: Cluster, place: Place): ConvertedCluster {
  if (message.name === '') throw place.at('name').invalid('is empty')
  refuseTls(message, place)
  if (message.healthChecks.length > 0) place.at('health_checks').note('no effect; use outlier_detection')
  if (message.lbSubsetConfig !== undefined)
    place.at('lb_subset_config').note('no effect; use a cluster for each subset')
  const common: Omit<ClusterConfig, 'endpoints'> = {
    name: message.name,
    policy: policy(message.lbPolicy, place.at('lb_policy')),
    connectTimeoutMs:
      message.connectTimeout === undefined
        ? 5000
        : positive(milliseconds(message.connectTimeout, place.at('connect_timeout')), place.at('connect_timeout')),
    limits: limits(message),
    outlier: message.outlierDetection && outlier(message.outlierDetection, place.at('outlier_detection')),
    overprovisioningFactor: message.loadAssignment?.policy?.overprovisioningFactor ?? 140,
    panicThreshold:
      message.commonLbConfig?.healthyPanicThreshold?.value ?? (message.commonLbConfig?.healthyPanicThreshold ? 0 : 50),
  }
  return withEndpoints(message, common, place)
}

function withEndpoints(message: Cluster, common: Omit<ClusterConfig, 'endpoints'>, place: Place): ConvertedCluster {
  const discovery = message.clusterDiscoveryType
  if (discovery.case === 'clusterType') {
    throw place.at('cluster_type').unsupported(`"${discovery.value.name}"; use EDS, STATIC or STRICT_DNS`)
  }
  const type = discovery.value ?? Cluster_DiscoveryType.STATIC
  switch (type) {
    case Cluster_DiscoveryType.STATIC: {
      const assignment = staticAssignment(message, place, 'ip', message.name)
      return { config: { ...common, endpoints: { kind: 'static', assignment } }, dns: undefined }
    }
    case Cluster_DiscoveryType.EDS: {
      const source = message.edsClusterConfig?.edsConfig
      const at = place.at('eds_cluster_config').at('eds_config')
      if (source === undefined) throw at.invalid('is missing; give ads {}')
      if (source.configSourceSpecifier.case !== 'ads') {
        throw at.unsupported(`${source.configSourceSpecifier.case ?? 'an empty config source'}; give ads {}`)
      }
      const service = message.edsClusterConfig?.serviceName
      const name = service === undefined || service === '' ? message.name : service
      return { config: { ...common, endpoints: { kind: 'eds', name } }, dns: undefined }
    }
    case Cluster_DiscoveryType.STRICT_DNS:
    case Cluster_DiscoveryType.LOGICAL_DNS: {
      // A name of its own, that no EDS resource can have: the resolver answers for it instead of the control plane.
      const name = `dns!${message.name}`
      const refresh = message.dnsRefreshRate && milliseconds(message.dnsRefreshRate, place.at('dns_refresh_rate'))
      return {
        config: { ...common, endpoints: { kind: 'eds', name } },
        dns: {
          assignment: staticAssignment(message, place, 'hostname', name),
          refreshMs: Math.max(refresh ?? 5000, 100),
          family: family(message.dnsLookupFamily),
          take: type === Cluster_DiscoveryType.LOGICAL_DNS ? 'first' : 'all',
        },
      }
    }
    case Cluster_DiscoveryType.ORIGINAL_DST:
      throw place.at('type').unsupported('ORIGINAL_DST; use EDS, STATIC or STRICT_DNS')
    default:
      throw place.at('type').unsupported(`${String(type)}; use EDS, STATIC or STRICT_DNS`)
  }
}

/** A cluster without `load_assignment` has no endpoints: Istio's BlackHoleCluster. */
function staticAssignment(message: Cluster, place: Place, hosts: 'ip' | 'hostname', name: string): EndpointsConfig {
  if (message.loadAssignment === undefined) return { name, localities: [] }
  const assignment = message.loadAssignment
  const named = assignment.clusterName === '' ? { ...assignment, clusterName: name } : assignment
  return { ...endpointsFromXds(named, place.at('load_assignment'), hosts), name }
}

/** Plain text where somebody asked for TLS would be worse than no traffic. */
function refuseTls(message: Cluster, place: Place): void {
  const socket = message.transportSocket
  if (socket !== undefined && !/raw_buffer/.test(socket.name)) {
    throw place.at('transport_socket').unsupported(`"${socket.name}"; this proxy connects in plain text, leave it out`)
  }
  message.transportSocketMatches.forEach((match, i) => {
    if (match.transportSocket !== undefined && !/raw_buffer/.test(match.transportSocket.name)) {
      const at = place.at('transport_socket_matches').at(i)
      throw at.unsupported(`"${match.transportSocket.name}"; this proxy connects in plain text, leave it out`)
    }
  })
}

function policy(value: Cluster_LbPolicy, place: Place): LoadBalancingPolicy {
  switch (value) {
    case Cluster_LbPolicy.ROUND_ROBIN:
      return 'round-robin'
    case Cluster_LbPolicy.LEAST_REQUEST:
      return 'least-request'
    case Cluster_LbPolicy.RANDOM:
      return 'random'
    case Cluster_LbPolicy.RING_HASH:
      return 'ring-hash'
    case Cluster_LbPolicy.MAGLEV:
      return 'maglev'
    default:
      throw place.unsupported(
        `${JSON.stringify(enumToJson(Cluster_LbPolicySchema, value))}; use ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH or MAGLEV`,
      )
  }
}

function limits(message: Cluster): ClusterLimits {
  const found = message.circuitBreakers?.thresholds.find((each) => each.priority === RoutingPriority.DEFAULT)
  return {
    maxConnections: found?.maxConnections ?? 1024,
    maxPendingRequests: found?.maxPendingRequests ?? 1024,
    maxRequests: found?.maxRequests ?? 1024,
  }
}

function outlier(message: OutlierMessage, place: Place): OutlierDetection {
  const enforced5xx = message.enforcingConsecutive5xx ?? 100
  // Envoy counts gateway failures always and ejects for them only when told to.
  const enforcedGateway = message.enforcingConsecutiveGatewayFailure ?? 0
  const ms = (value: OutlierMessage['interval'], field: string, fallback: number) =>
    value === undefined ? fallback : positive(milliseconds(value, place.at(field)), place.at(field))
  const baseEjectionMs = ms(message.baseEjectionTime, 'base_ejection_time', 30_000)
  return {
    consecutive5xx: enforced5xx === 0 ? 0 : (message.consecutive5xx ?? 5),
    consecutiveGatewayFailure: enforcedGateway === 0 ? 0 : (message.consecutiveGatewayFailure ?? 5),
    intervalMs: ms(message.interval, 'interval', 10_000),
    baseEjectionMs,
    maxEjectionMs: Math.max(baseEjectionMs, ms(message.maxEjectionTime, 'max_ejection_time', 300_000)),
    maxEjectionPercent: Math.min(100, message.maxEjectionPercent ?? 10),
  }
}

function family(value: Cluster_DnsLookupFamily): DnsEndpoints['family'] {
  if (value === Cluster_DnsLookupFamily.V4_ONLY) return 'v4'
  return value === Cluster_DnsLookupFamily.V6_ONLY ? 'v6' : 'any'
}

function positive(value: number, place: Place): number {
  if (value <= 0) throw place.invalid('0; give a duration above zero')
  return value
}
