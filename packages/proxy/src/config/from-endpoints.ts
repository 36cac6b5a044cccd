/** `envoy.config.endpoint.v3.ClusterLoadAssignment`. */
import { HealthStatus } from '@aeraki/xds/gen-lean/envoy/config/core/v3/health_check_pb.ts'
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from '@aeraki/xds/gen-lean/envoy/config/endpoint/v3/endpoint_components_pb.ts'
import type { ClusterLoadAssignment } from '@aeraki/xds/gen-lean/envoy/config/endpoint/v3/endpoint_pb.ts'
import { socketAddress } from './from-common.ts'
import type { EndpointConfig, EndpointsConfig, LocalityEndpoints } from './model.ts'
import type { Place } from './refusal.ts'

/** Envoy's limit. */
const maxPriority = 128

/** @param hosts `hostname`: addresses may be DNS names, still to be resolved. Throws `ResourceError`. */
export function endpointsFromXds(
  message: ClusterLoadAssignment,
  place: Place,
  hosts: 'ip' | 'hostname' = 'ip',
): EndpointsConfig {
  if (message.clusterName === '') throw place.at('cluster_name').invalid('is empty')
  const at = place.at('endpoints')
  return {
    name: message.clusterName,
    localities: message.endpoints.map((locality, i) => localityFromXds(locality, at.at(i), hosts)),
  }
}

function localityFromXds(message: LocalityLbEndpoints, place: Place, hosts: 'ip' | 'hostname'): LocalityEndpoints {
  if (message.priority > maxPriority) {
    throw place
      .at('priority')
      .invalid(`${message.priority} is above ${maxPriority}; number priorities from 0, without gaps`)
  }
  if (message.lbConfig.case === 'ledsClusterLocalityConfig') {
    throw place.at('leds_cluster_locality_config').unsupported('give lb_endpoints')
  }
  const list =
    message.lbConfig.case === 'loadBalancerEndpoints' ? message.lbConfig.value.lbEndpoints : message.lbEndpoints
  const at = place.at('lb_endpoints')
  return {
    region: message.locality?.region ?? '',
    zone: message.locality?.zone ?? '',
    subZone: message.locality?.subZone ?? '',
    priority: message.priority,
    weight: message.loadBalancingWeight,
    endpoints: list.map((endpoint, i) => endpointFromXds(endpoint, at.at(i), hosts)),
  }
}

function endpointFromXds(message: LbEndpoint, place: Place, hosts: 'ip' | 'hostname'): EndpointConfig {
  if (message.hostIdentifier.case !== 'endpoint') {
    throw place.unsupported(`${message.hostIdentifier.case ?? 'no endpoint'}; give an endpoint with its address`)
  }
  const address = socketAddress(message.hostIdentifier.value.address, place.at('endpoint').at('address'), hosts)
  const weight = message.loadBalancingWeight ?? 1
  if (weight === 0) throw place.at('load_balancing_weight').invalid('0; give 1 or more, or leave the endpoint out')
  return { address, weight, health: health(message.healthStatus) }
}

function health(status: HealthStatus): EndpointConfig['health'] {
  switch (status) {
    case HealthStatus.UNKNOWN:
    case HealthStatus.HEALTHY:
      return 'healthy'
    case HealthStatus.DEGRADED:
      return 'degraded'
    case HealthStatus.DRAINING:
      return 'draining'
    case HealthStatus.UNHEALTHY:
    case HealthStatus.TIMEOUT:
      return 'unhealthy'
    default:
      return 'healthy'
  }
}
