/** Clusters: `outbound|port|subset|host` with Istio's defaults, and `inbound|port||` in front of the local app. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type Cluster,
  Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema,
  Cluster_CommonLbConfigSchema,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import {
  type OutlierDetection,
  OutlierDetectionSchema,
} from '@aeraki/xds/gen/envoy/config/cluster/v3/outlier_detection_pb.ts'
import type { ClusterLoadAssignment } from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import type { LoadBalancer, Outlier, PortTrafficPolicy } from '../mesh/model.ts'
import { adsSource, duration, socketAddress } from './common.ts'
import { isLocalityWeighted, localityMode } from './locality.ts'
import { inboundCluster, inboundPassthrough } from './names.ts'

const connectTimeoutMs = 10_000
const unlimited = 4_294_967_295

export interface OutboundCluster {
  readonly name: string
  readonly policy: PortTrafficPolicy
  /** Inline for host names, which the proxy resolves; undefined: endpoints come over EDS by the cluster's name. */
  readonly assignment: ClusterLoadAssignment | undefined
}

export function buildOutboundCluster({ name, policy, assignment }: OutboundCluster): Cluster {
  const pool = policy.connectionPool
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: {
      case: 'type',
      value: assignment === undefined ? Cluster_DiscoveryType.EDS : Cluster_DiscoveryType.STRICT_DNS,
    },
    ...(assignment === undefined
      ? { edsClusterConfig: { edsConfig: adsSource(), serviceName: name } }
      : { loadAssignment: assignment }),
    connectTimeout: duration(pool?.connectTimeoutMs ?? connectTimeoutMs),
    ...loadBalancing(policy.loadBalancer),
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: pool?.maxConnections ?? unlimited,
          maxPendingRequests: pool?.maxPendingRequests ?? unlimited,
          maxRequests: pool?.maxRequests ?? unlimited,
          maxRetries: pool?.maxRetries ?? unlimited,
        },
      ],
    },
    ...(policy.outlier === undefined ? {} : { outlierDetection: outlierDetection(policy.outlier) }),
    commonLbConfig: create(Cluster_CommonLbConfigSchema, {
      healthyPanicThreshold: { value: policy.outlier?.minHealthPercent ?? 0 },
      ...(isLocalityWeighted(localityMode(policy))
        ? {
            localityConfigSpecifier: {
              case: 'localityWeightedLbConfig',
              value: create(Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema),
            },
          }
        : {}),
    }),
  })
}

type LoadBalancingFields = Pick<MessageInitShape<typeof ClusterSchema>, 'lbPolicy' | 'lbConfig'>

function loadBalancing(loadBalancer: LoadBalancer | undefined): LoadBalancingFields {
  switch (loadBalancer?.policy) {
    case 'round-robin':
      return { lbPolicy: Cluster_LbPolicy.ROUND_ROBIN }
    case 'random':
      return { lbPolicy: Cluster_LbPolicy.RANDOM }
    case 'ring-hash':
      return {
        lbPolicy: Cluster_LbPolicy.RING_HASH,
        lbConfig: {
          case: 'ringHashLbConfig',
          value: { minimumRingSize: BigInt(loadBalancer.minimumRingSize ?? 1024) },
        },
      }
    case 'maglev':
      return {
        lbPolicy: Cluster_LbPolicy.MAGLEV,
        ...(loadBalancer.maglevTableSize === undefined
          ? {}
          : { lbConfig: { case: 'maglevLbConfig', value: { tableSize: BigInt(loadBalancer.maglevTableSize) } } }),
      }
    default:
      return { lbPolicy: Cluster_LbPolicy.LEAST_REQUEST }
  }
}

/** What is not said stays Envoy's default, save that success rates never eject (Istio's choice). */
function outlierDetection(outlier: Outlier): OutlierDetection {
  const message = create(OutlierDetectionSchema, {
    enforcingSuccessRate: 0,
    splitExternalLocalOriginErrors: outlier.splitLocalOriginErrors,
  })
  // A count of 0 switches this kind of ejection off.
  if (outlier.consecutive5xx !== undefined) {
    message.consecutive5xx = outlier.consecutive5xx
    message.enforcingConsecutive5xx = enforcing(outlier.consecutive5xx)
  }
  if (outlier.consecutiveGatewayFailure !== undefined) {
    message.consecutiveGatewayFailure = outlier.consecutiveGatewayFailure
    message.enforcingConsecutiveGatewayFailure = enforcing(outlier.consecutiveGatewayFailure)
  }
  if (outlier.consecutiveLocalOriginFailure !== undefined) {
    message.consecutiveLocalOriginFailure = outlier.consecutiveLocalOriginFailure
    message.enforcingConsecutiveLocalOriginFailure = enforcing(outlier.consecutiveLocalOriginFailure)
  }
  if (outlier.intervalMs !== undefined) message.interval = duration(outlier.intervalMs)
  if (outlier.baseEjectionMs !== undefined) message.baseEjectionTime = duration(outlier.baseEjectionMs)
  if (outlier.maxEjectionPercent !== undefined) message.maxEjectionPercent = outlier.maxEjectionPercent
  return message
}

function enforcing(count: number): number {
  return count > 0 ? 100 : 0
}

export interface AppAddress {
  readonly host: string
  readonly port: number
}

export function buildInboundCluster(port: number, app: AppAddress): Cluster {
  const name = inboundCluster(port)
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(connectTimeoutMs),
    lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: unlimited,
          maxPendingRequests: unlimited,
          maxRequests: unlimited,
          maxRetries: unlimited,
        },
      ],
    },
    commonLbConfig: create(Cluster_CommonLbConfigSchema, { healthyPanicThreshold: { value: 0 } }),
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: [
            { hostIdentifier: { case: 'endpoint', value: { address: socketAddress(app.host, app.port) } } },
          ],
        },
      ],
    },
  })
}

/** Of connections that were redirected: to where they were meant to go. */
export function buildPassthroughCluster(name: string): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    connectTimeout: duration(connectTimeoutMs),
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    // From this address iptables redirect nothing: it would come back for ever.
    ...(name === inboundPassthrough
      ? {
          upstreamBindConfig: {
            sourceAddress: { address: '127.0.0.6', portSpecifier: { case: 'portValue', value: 0 } },
          },
        }
      : {}),
  })
}
