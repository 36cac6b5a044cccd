/**
 * One service -> its xDS resources, for clients that the same rules apply to. Each resource is made when it is first
 * asked for and shared by all who ask; nothing outlives the service it was made from.
 */
import { selects } from '@aeraki/api'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import type { Resource } from '@aeraki/xds'
import type { Endpoint, PortTrafficPolicy, Service, ServicePort, Subset } from '../mesh/model.ts'
import { rulesFor, selectionId, type SelectionContext, selectPolicy } from '../mesh/selection.ts'
import { buildOutboundCluster } from './cluster.ts'
import { loadAssignment } from './endpoints.ts'
import { hashAttribute } from './hash.ts'
import { buildInboundListener, buildOutboundListener } from './listener.ts'
import { type Client, clientKey, localityMode } from './locality.ts'
import { inboundListener, outboundCluster, outboundListener, routeName } from './names.ts'
import { toResource } from './resource.ts'
import { buildRoutes } from './routes.ts'
import { codecPorts, type ServedPorts } from './served-ports.ts'
import { effectivePolicy } from './traffic-policy.ts'

/** A service as clients of some namespaces see it. Undefined answers: there is no such resource. */
export interface ServiceResources {
  listener(address: string, port: number): Resource | undefined
  cluster(port: number, subset: string, client: Client): Resource | undefined
  endpoints(port: number, subset: string, client: Client): Resource | undefined
  routes(port: number): Resource | undefined
  /** Of the service as a whole. */
  policy(port: number): PortTrafficPolicy
  /** Of the subsets that these clients see; `''` first, the service as a whole. */
  readonly subsets: readonly string[]
}

export interface Translation {
  for(context: SelectionContext): ServiceResources
  /** In front of a workload of this service, at its own address. */
  inbound(address: string, port: number): Resource | undefined
}

export function translate(service: Service): Translation {
  const bySelection = new Map<string, ServiceResources>()
  const byNamespace = new Map<string, ServiceResources>()
  const inbound = new Map<string, Resource>()

  return {
    for(context) {
      const known = byNamespace.get(context.namespace)
      if (known !== undefined) return known
      const id = selectionId(service, context)
      const resources = bySelection.get(id) ?? translateFor(service, context)
      bySelection.set(id, resources)
      byNamespace.set(context.namespace, resources)
      return resources
    },
    inbound(address, port) {
      const name = inboundListener(address, port)
      const known = inbound.get(name)
      if (known !== undefined) return known
      const protocol = inboundPort(service, address, port, codecPorts)?.protocol
      if (protocol === undefined) return undefined
      const resource = toResource(ListenerSchema, name, buildInboundListener({ address, port, protocol }))
      inbound.set(name, resource)
      return resource
    },
  }
}

/** The service port, one of `served`, that a workload at this address serves on this port of its own. */
export function inboundPort(
  service: Service,
  address: string,
  port: number,
  served: ServedPorts,
): ServicePort | undefined {
  const numbers = served(service)
  return service.ports.find(
    ({ number }) =>
      numbers.includes(number) &&
      service.endpoints.some((endpoint) => endpoint.address === address && endpoint.ports.get(number) === port),
  )
}

function translateFor(service: Service, context: SelectionContext): ServiceResources {
  const { host } = service
  const rules = selectPolicy(service, host, context)
  const subsets = new Map<string, Subset | undefined>([['', undefined]])
  for (const subset of rules.subsets) subsets.set(subset.name, subset)
  const made = new Map<string, Resource>()

  function once(key: string, make: () => Resource): Resource {
    const known = made.get(key)
    if (known !== undefined) return known
    const resource = make()
    made.set(key, resource)
    return resource
  }

  function portOf(number: number): ServicePort | undefined {
    return service.ports.find((port) => port.number === number && port.protocol !== undefined)
  }

  function policy(port: number): PortTrafficPolicy {
    return effectivePolicy(rules.policy, undefined, port)
  }

  function target(
    port: number,
    subset: string,
  ): { policy: PortTrafficPolicy; endpoints: readonly Endpoint[] } | undefined {
    if (!subsets.has(subset) || !service.ports.some(({ number }) => number === port)) return undefined
    const chosen = subsets.get(subset)
    return {
      policy: effectivePolicy(rules.policy, chosen?.policy, port),
      endpoints:
        chosen === undefined
          ? service.endpoints
          : service.endpoints.filter(({ labels }) => selects(chosen.labels, labels)),
    }
  }

  function assignment(port: number, subset: string, client: Client) {
    const found = target(port, subset)
    if (found === undefined) return undefined
    const setting = localityMode(found.policy)
    const cluster = outboundCluster(port, subset, host)
    return {
      key: `${cluster}|${clientKey(setting, client)}`,
      make: () => loadAssignment({ cluster, port, endpoints: found.endpoints, setting, client }),
    }
  }

  return {
    subsets: [...subsets.keys()],
    policy,
    listener(address, port) {
      const at = service.addresses.find((candidate) => candidate.address === address)
      const protocol = portOf(port)?.protocol
      if (at === undefined || protocol === undefined) return undefined
      const idleTimeoutMs = policy(port).connectionPool?.idleTimeoutMs
      const name = outboundListener(address, port)
      return once(`listener ${name}`, () =>
        toResource(ListenerSchema, name, buildOutboundListener({ host, port, protocol, address: at, idleTimeoutMs })),
      )
    },
    cluster(port, subset, client) {
      const found = target(port, subset)
      const inline = service.resolution === 'dns' ? assignment(port, subset, client) : undefined
      if (found === undefined) return undefined
      const name = outboundCluster(port, subset, host)
      return once(`cluster ${inline?.key ?? name}`, () =>
        toResource(
          ClusterSchema,
          name,
          buildOutboundCluster({ name, policy: found.policy, assignment: inline?.make() }),
        ),
      )
    },
    endpoints(port, subset, client) {
      if (service.resolution === 'dns') return undefined
      const found = assignment(port, subset, client)
      if (found === undefined) return undefined
      return once(`endpoints ${found.key}`, () =>
        toResource(ClusterLoadAssignmentSchema, outboundCluster(port, subset, host), found.make()),
      )
    },
    routes(port) {
      const protocol = portOf(port)?.protocol
      if (protocol === undefined) return undefined
      const name = routeName(host, port)
      return once(`routes ${name}`, () =>
        toResource(
          RouteConfigurationSchema,
          name,
          buildRoutes({
            host,
            port,
            rules: rulesFor(service, protocol.name, port, context),
            hashAttribute: (destination) => hashAttribute(service, destination, port, context),
          }),
        ),
      )
    },
  }
}
