/** xDS messages as a control plane would make them, for tests. */
import type { DescMessage, JsonValue, MessageShape } from '@bufbuild/protobuf'
import { anyPack, type Any } from '@bufbuild/protobuf/wkt'
import { ClusterSchema, type Cluster } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import {
  ClusterLoadAssignmentSchema,
  type ClusterLoadAssignment,
} from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema, type Listener } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema, type RouteConfiguration } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { messageFromJson } from '../../src/config/registry.ts'

export function json<Desc extends DescMessage>(schema: Desc, value: JsonValue): MessageShape<Desc> {
  return messageFromJson(schema, value)
}

export function listener(name: string, options: ListenerOptions): Listener {
  return json(ListenerSchema, {
    name,
    address: { socket_address: { address: options.host ?? '127.0.0.1', port_value: options.port } },
    traffic_direction: options.direction ?? 'OUTBOUND',
    ...(options.substitute === undefined
      ? {}
      : { metadata: { filter_metadata: { aeraki: { substitute: options.substitute } } } }),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.meta_protocol_proxy',
            typed_config: {
              '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
              stat_prefix: name,
              protocol: { name: 'dubbo', codec: { name: 'aeraki.meta_protocol.codec.dubbo' } },
              ...(options.rds === undefined
                ? { route_config: { name, routes: [{ name: 'all', route: { cluster: options.cluster ?? '' } }] } }
                : { rds: { config_source: { ads: {}, resource_api_version: 'V3' }, route_config_name: options.rds } }),
              meta_protocol_filters: [{ name: 'aeraki.meta_protocol.filters.router' }],
            },
          },
        ],
      },
    ],
  })
}

export interface ListenerOptions {
  readonly port: number
  readonly host?: string
  readonly direction?: 'INBOUND' | 'OUTBOUND'
  readonly substitute?: string
  /** Either a route table's name, or the one cluster of an inline one. */
  readonly rds?: string
  readonly cluster?: string
}

export function edsCluster(name: string, service?: string): Cluster {
  return json(ClusterSchema, {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {} }, ...(service === undefined ? {} : { service_name: service }) },
  })
}

export function staticCluster(name: string, ...addresses: readonly string[]): Cluster {
  return json(ClusterSchema, {
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: addresses.map(endpoint) }] },
  })
}

export function endpoints(name: string, ...addresses: readonly string[]): ClusterLoadAssignment {
  return json(ClusterLoadAssignmentSchema, {
    cluster_name: name,
    endpoints: [{ lb_endpoints: addresses.map(endpoint) }],
  })
}

function endpoint(address: string): JsonValue {
  const [host = '', port = ''] = address.split(':')
  return { endpoint: { address: { socket_address: { address: host, port_value: Number(port) } } } }
}

/** One route without a condition to each of the clusters, of which the first is what counts. */
export function routes(name: string, ...clusters: readonly string[]): RouteConfiguration {
  return json(RouteConfigurationSchema, {
    name,
    virtual_hosts: [
      {
        name: 'dummy',
        domains: ['*'],
        routes: clusters.map((cluster) => ({ name: cluster, match: { prefix: '/' }, route: { cluster } })),
      },
    ],
  })
}

export function pack(message: Listener | Cluster | ClusterLoadAssignment | RouteConfiguration): Any {
  switch (message.$typeName) {
    case 'envoy.config.listener.v3.Listener':
      return anyPack(ListenerSchema, message)
    case 'envoy.config.cluster.v3.Cluster':
      return anyPack(ClusterSchema, message)
    case 'envoy.config.endpoint.v3.ClusterLoadAssignment':
      return anyPack(ClusterLoadAssignmentSchema, message)
    default:
      return anyPack(RouteConfigurationSchema, message)
  }
}
