import type { EndpointSnapshot } from '../runtime.ts'

/** One cluster's endpoints as all workers see them: numbers are sums; ejected is what any of them has ejected. */
export function joinEndpoints(workers: readonly (readonly EndpointSnapshot[])[]): readonly EndpointSnapshot[] {
  const joined = new Map<string, EndpointSnapshot>()
  for (const endpoint of workers.flat()) {
    const known = joined.get(endpoint.address)
    joined.set(endpoint.address, known === undefined ? endpoint : join(known, endpoint))
  }
  return [...joined.values()]
}

function join(a: EndpointSnapshot, b: EndpointSnapshot): EndpointSnapshot {
  return {
    ...a,
    health: b.health === 'ejected' ? b.health : a.health,
    connections: a.connections + b.connections,
    activeRequests: a.activeRequests + b.activeRequests,
    totalRequests: a.totalRequests + b.totalRequests,
    failedRequests: a.failedRequests + b.failedRequests,
  }
}
