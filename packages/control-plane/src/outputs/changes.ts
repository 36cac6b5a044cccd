/** From what changed in the mesh to the names of resources that may have changed. Too many are allowed, too few not. */
import { isWildcard } from '@aeraki/api'
import type { Change } from '@aeraki/xds'
import type { Mesh, MeshChange, ServicePart } from '../mesh/mesh.ts'
import type { Service } from '../mesh/model.ts'
import { inboundCluster, inboundListener, outboundCluster, outboundListener, routeName } from '../translate/names.ts'
import { allPorts, type ServedPorts } from '../translate/served-ports.ts'
import { typeUrls } from '@aeraki/xds'

export function collectChange({ services }: MeshChange, mesh: Mesh): Change {
  const names = new Map<string, Set<string>>()
  const add = (typeUrl: string, values: Iterable<string>): void => {
    const set = names.get(typeUrl) ?? new Set()
    for (const value of values) set.add(value)
    if (set.size > 0) names.set(typeUrl, set)
  }
  for (const { before, after, parts } of services) {
    // A service that comes, goes or hides uncovers another one of its host, or covers it.
    const host = before?.host ?? after?.host ?? ''
    const others = parts.has('shape') ? mesh.servicesOfHost(host) : []
    for (const service of new Set([before, after, ...others])) {
      if (service !== undefined) addService(service, parts, add)
    }
  }
  return names
}

function addService(
  service: Service,
  parts: ReadonlySet<ServicePart>,
  add: (typeUrl: string, names: string[]) => void,
): void {
  const shape = parts.has('shape')
  const policies = parts.has('policies')
  const endpoints = parts.has('endpoints')
  if (shape || policies) add(typeUrls.listener, listenerNames(service, allPorts))
  if (shape || policies || (endpoints && service.resolution === 'dns')) add(typeUrls.cluster, allClusterNames(service))
  if (shape || policies || endpoints) add(typeUrls.endpoints, allClusterNames(service))
  if (shape || policies || parts.has('routing')) add(typeUrls.routes, routeNames(service, allPorts))
  if (shape || endpoints) {
    const places = [...endpointPlaces(service, allPorts)].map((place) => place.split(' '))
    add(
      typeUrls.listener,
      places.map(([address = '', port]) => inboundListener(address, Number(port))),
    )
    add(
      typeUrls.cluster,
      places.map(([, port]) => inboundCluster(Number(port))),
    )
  }
}

export function listenerNames(service: Service, ports: ServedPorts): string[] {
  if (isWildcard(service.host)) return []
  return ports(service).flatMap((port) => service.addresses.map(({ address }) => outboundListener(address, port)))
}

/** `<address> <port>` of every endpoint. */
export function endpointPlaces(service: Service, ports: ServedPorts): Set<string> {
  const numbers = ports(service)
  return new Set(
    service.endpoints.flatMap((endpoint) =>
      numbers.map((port) => `${endpoint.address} ${endpoint.ports.get(port) ?? port}`),
    ),
  )
}

/** Of all ports, with the subsets that clients of any namespace may see. */
export function allClusterNames(service: Service): string[] {
  const policies = service.rules.destinations.get(service.host)?.policies ?? []
  const subsets = new Set(['', ...policies.flatMap((policy) => policy.subsets.map(({ name }) => name))])
  return clusterNames(service, [...subsets], allPorts)
}

export function clusterNames(service: Service, subsets: readonly string[], ports: ServedPorts): string[] {
  return ports(service).flatMap((port) => subsets.map((subset) => outboundCluster(port, subset, service.host)))
}

export function routeNames(service: Service, ports: ServedPorts): string[] {
  return ports(service).map((port) => routeName(service.host, port))
}
