/** Pieces of Envoy's configuration that both Envoy and our proxy read. */
import type { Endpoints, Work } from './contender.ts'

export const clusterNames = ['a', 'b'] as const

/** Limits far above what the load needs: queues are not what is compared. */
const many = 1_000_000

export function clusters({ backends }: Work): readonly object[] {
  return clusterNames.map((name, index) => cluster(name, backends[index] ?? []))
}

function cluster(name: string, endpoints: Endpoints): object {
  const lbEndpoints = endpoints.map(({ host, port }) => ({ endpoint: { address: address(host, port) } }))
  const thresholds = [{ max_connections: many, max_pending_requests: many, max_requests: many }]
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: lbEndpoints }] },
  }
}

export function address(host: string, port: number): object {
  return { socket_address: { address: host, port_value: port } }
}

/** The split: half of the requests to each cluster. */
export const weightedClusters = {
  clusters: clusterNames.map((name) => ({ name, weight: 50 })),
}

/** One listener with one filter. */
export function bootstrap(work: Work, filter: object, more: object): object {
  const listener = {
    name: 'bench',
    address: address('127.0.0.1', work.port),
    filter_chains: [{ filters: [filter] }],
  }
  return { ...more, static_resources: { listeners: [listener], clusters: clusters(work) } }
}
