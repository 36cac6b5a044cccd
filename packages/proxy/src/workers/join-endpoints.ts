import { endpointKey } from '../cluster/endpoint.ts'
import type { EndpointConfig, EndpointsConfig, LocalityEndpoints } from '../config/model.ts'
import type { EndpointSnapshot } from '../runtime.ts'
import type { EndpointNumbers } from './messages.ts'

/** One cluster's endpoints as configured, with what all workers report of them; ejected is what any has ejected. */
export function joinEndpoints(
  assignment: EndpointsConfig | undefined,
  workers: readonly (readonly EndpointNumbers[])[],
): readonly EndpointSnapshot[] {
  const joined = new Map<string, EndpointSnapshot>()
  for (const locality of assignment?.localities ?? []) {
    for (const endpoint of locality.endpoints) {
      const snapshot = unused(endpoint, locality)
      joined.set(snapshot.address, snapshot)
    }
  }
  for (const numbers of workers.flat()) {
    const known = joined.get(numbers.address)
    // One that has left meanwhile is no endpoint any more.
    if (known !== undefined) joined.set(numbers.address, withNumbers(known, numbers))
  }
  return [...joined.values()]
}

function unused({ address, weight, health }: EndpointConfig, locality: LocalityEndpoints): EndpointSnapshot {
  const { priority, region, zone, subZone } = locality
  return {
    address: endpointKey(address),
    priority,
    region,
    zone,
    subZone,
    weight: Math.max(1, weight),
    health,
    connections: 0,
    activeRequests: 0,
    totalRequests: 0,
    failedRequests: 0,
  }
}

function withNumbers(endpoint: EndpointSnapshot, numbers: EndpointNumbers): EndpointSnapshot {
  return {
    ...endpoint,
    health: numbers.ejected ? 'ejected' : endpoint.health,
    connections: endpoint.connections + numbers.connections,
    activeRequests: endpoint.activeRequests + numbers.activeRequests,
    totalRequests: endpoint.totalRequests + numbers.totalRequests,
    failedRequests: endpoint.failedRequests + numbers.failedRequests,
  }
}
