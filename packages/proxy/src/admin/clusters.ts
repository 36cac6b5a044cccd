/** `/clusters`: Envoy's `name::address::stat::value` lines, or its JSON. */
import type { ClusterSnapshot, EndpointSnapshot } from '../runtime.ts'
import { jsonPage, textPage, type AdminContext, type Page } from './context.ts'

export function clustersPage(context: AdminContext, query: URLSearchParams): Page {
  const { clusters } = context.runtime.snapshot()
  const dynamic = (name: string): boolean => context.resources.get('cluster', name)?.accepted?.source !== 'static'
  if (query.get('format') === 'json') {
    return jsonPage({ cluster_statuses: clusters.map((cluster) => clusterJson(cluster, dynamic(cluster.config.name))) })
  }
  return textPage(clusters.flatMap((cluster) => clusterLines(cluster, dynamic(cluster.config.name))).join('\n'))
}

function clusterLines({ config, endpoints }: ClusterSnapshot, dynamic: boolean): readonly string[] {
  const line = (stat: string, value: string | number | boolean): string => `${config.name}::${stat}::${value}`
  return [
    line('default_priority::max_connections', config.limits.maxConnections),
    line('default_priority::max_pending_requests', config.limits.maxPendingRequests),
    line('default_priority::max_requests', config.limits.maxRequests),
    line('added_via_api', dynamic),
    ...endpoints.flatMap((endpoint) =>
      Object.entries(stats(endpoint)).map(([stat, value]) => line(`${endpoint.address}::${stat}`, value)),
    ),
  ]
}

function stats(endpoint: EndpointSnapshot): Readonly<Record<string, string | number>> {
  return {
    cx_active: endpoint.connections,
    rq_active: endpoint.activeRequests,
    rq_error: endpoint.failedRequests,
    rq_success: endpoint.totalRequests - endpoint.failedRequests - endpoint.activeRequests,
    rq_total: endpoint.totalRequests,
    health_flags: healthFlags(endpoint),
    weight: endpoint.weight,
    region: endpoint.region,
    zone: endpoint.zone,
    sub_zone: endpoint.subZone,
    priority: endpoint.priority,
  }
}

function healthFlags({ health }: EndpointSnapshot): string {
  if (health === 'ejected') return '/failed_outlier_check'
  if (health === 'unhealthy') return '/failed_eds_health'
  if (health === 'degraded') return '/degraded_eds_health'
  return health === 'draining' ? '/eds_status_draining' : 'healthy'
}

function clusterJson({ config, endpoints }: ClusterSnapshot, dynamic: boolean): unknown {
  return {
    name: config.name,
    added_via_api: dynamic,
    circuit_breakers: {
      thresholds: [
        {
          max_connections: config.limits.maxConnections,
          max_pending_requests: config.limits.maxPendingRequests,
          max_requests: config.limits.maxRequests,
        },
      ],
    },
    host_statuses: endpoints.map((endpoint) => {
      const [, host = endpoint.address, port = '0'] = /^\[?(.*?)\]?:(\d+)$/.exec(endpoint.address) ?? []
      const { cx_active, rq_active, rq_error, rq_success, rq_total } = stats(endpoint)
      return {
        address: { socket_address: { address: host, port_value: Number(port) } },
        stats: Object.entries({ cx_active, rq_active, rq_error, rq_success, rq_total }).map(([name, value]) => ({
          name,
          value: String(value),
          type: name.endsWith('_active') ? 'GAUGE' : 'COUNTER',
        })),
        health_status: {
          eds_health_status: endpoint.health === 'ejected' ? 'HEALTHY' : endpoint.health.toUpperCase(),
          ...(endpoint.health === 'ejected' ? { failed_outlier_check: true } : {}),
        },
        weight: endpoint.weight,
        priority: endpoint.priority,
        locality: { region: endpoint.region, zone: endpoint.zone, sub_zone: endpoint.subZone },
      }
    }),
  }
}
