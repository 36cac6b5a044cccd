/** Small resources for the tests. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { AnySchema, type Any, durationFromMs } from '@bufbuild/protobuf/wkt'
import { ClusterSchema } from '../src/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { NodeSchema, type Node } from '../src/gen/envoy/config/core/v3/base_pb.ts'
import type { ConfigSourceSchema } from '../src/gen/envoy/config/core/v3/config_source_pb.ts'
import { ClusterLoadAssignmentSchema } from '../src/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '../src/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '../src/gen/envoy/config/route/v3/route_pb.ts'
import { RouterSchema } from '../src/gen/envoy/extensions/filters/http/router/v3/router_pb.ts'
import { HttpConnectionManagerSchema } from '../src/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import { TcpProxySchema } from '../src/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import { type Resource, resource, typeUrls } from '../src/index.ts'

/** ADS, and never tired of waiting for it. */
const ads: MessageInitShape<typeof ConfigSourceSchema> = {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: 2,
  initialFetchTimeout: durationFromMs(0),
}

export function node(id: string, userAgentName = 'test'): Node {
  return create(NodeSchema, { id, userAgentName, locality: {} })
}

/** An EDS cluster; another `timeoutMs` makes it another version. */
export function cluster(name: string, timeoutMs = 1000): Resource {
  const message = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: 3 },
    edsClusterConfig: { edsConfig: ads },
    connectTimeout: durationFromMs(timeoutMs),
  })
  return resource(name, typeUrls.cluster, ClusterSchema, message)
}

/** Valid protobuf that every client refuses: says EDS but not where to get it. */
export function badCluster(name: string): Resource {
  const message = create(ClusterSchema, { name, clusterDiscoveryType: { case: 'type', value: 3 } })
  return resource(name, typeUrls.cluster, ClusterSchema, message)
}

export function endpoints(clusterName: string, ...ports: readonly number[]): Resource {
  const message = create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: [
      {
        locality: { region: 'here' },
        loadBalancingWeight: 1,
        lbEndpoints: ports.map((port) => ({
          hostIdentifier: { case: 'endpoint' as const, value: { address: socketAddress(port) } },
        })),
      },
    ],
  })
  return resource(clusterName, typeUrls.endpoints, ClusterLoadAssignmentSchema, message)
}

export function routes(name: string, clusterName: string): Resource {
  const message = create(RouteConfigurationSchema, {
    name,
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '' } },
            action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: clusterName } } },
          },
        ],
      },
    ],
  })
  return resource(name, typeUrls.routes, RouteConfigurationSchema, message)
}

/** On a free port. */
export function httpListener(name: string, routeConfigName: string): Resource {
  const filter = httpConnectionManager(routeConfigName)
  return listener(name, 'envoy.filters.network.http_connection_manager', filter)
}

export function tcpListener(name: string, clusterName: string): Resource {
  const proxy = create(TcpProxySchema, { statPrefix: name, clusterSpecifier: { case: 'cluster', value: clusterName } })
  const filter = resource(name, 'type.googleapis.com/' + TcpProxySchema.typeName, TcpProxySchema, proxy).any
  return listener(name, 'envoy.filters.network.tcp_proxy', filter)
}

/** What gRPC clients ask for: not something to listen on, but where an RPC goes. */
export function apiListener(name: string, routeConfigName: string): Resource {
  const message = create(ListenerSchema, { name, apiListener: { apiListener: httpConnectionManager(routeConfigName) } })
  return resource(name, typeUrls.listener, ListenerSchema, message)
}

function listener(name: string, filterName: string, typedConfig: Any): Resource {
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(0),
    filterChains: [{ filters: [{ name: filterName, configType: { case: 'typedConfig', value: typedConfig } }] }],
  })
  return resource(name, typeUrls.listener, ListenerSchema, message)
}

function httpConnectionManager(routeConfigName: string): Any {
  const router = create(AnySchema, { typeUrl: 'type.googleapis.com/' + RouterSchema.typeName })
  const manager = create(HttpConnectionManagerSchema, {
    statPrefix: 'http',
    routeSpecifier: { case: 'rds', value: { configSource: ads, routeConfigName } },
    httpFilters: [{ name: 'envoy.filters.http.router', configType: { case: 'typedConfig', value: router } }],
  })
  const typeUrl = 'type.googleapis.com/' + HttpConnectionManagerSchema.typeName
  return resource('', typeUrl, HttpConnectionManagerSchema, manager).any
}

function socketAddress(port: number) {
  const portSpecifier = { case: 'portValue' as const, value: port }
  return { address: { case: 'socketAddress' as const, value: { address: '127.0.0.1', portSpecifier } } }
}

/** Of any type, with a name and a revision as its content. */
export function item(typeUrl: string, name: string, revision: string | number = 1): Resource {
  return resource(name, typeUrl, ClusterSchema, create(ClusterSchema, { name, altStatName: String(revision) }))
}
