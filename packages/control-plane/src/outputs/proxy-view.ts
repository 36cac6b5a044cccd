/**
 * What a MetaProtocol Proxy sees of the mesh: the services that are exported to its namespace, as clients of that namespace
 * should use them, endpoints by its locality, and inbound listeners for those endpoints that stand at its own address. A
 * gateway has the listeners of the Gateways that select it instead.
 */
import { type NodeView, type Resource, typeUrls } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Service } from '../mesh/model.ts'
import { buildInboundCluster } from '../translate/cluster.ts'
import { inboundCluster, inboundListener, parseCluster, parseListener, parseRouteName } from '../translate/names.ts'
import { toResource } from '../translate/resource.ts'
import type { ServiceResources, Translation } from '../translate/service.ts'
import { clusterNames, listenerNames, routeNames } from './changes.ts'
import type { Directory } from './directory.ts'
import { createGatewayListeners } from './gateway-listeners.ts'
import { appFor, type NodeIdentity } from './node.ts'

export interface Translations {
  of(service: Service): Translation
  /** As clients of the namespace see it. */
  for(service: Service, namespace: string): ServiceResources
}

export interface ProxyViewContext {
  readonly mesh: Mesh
  readonly directory: Directory
  readonly translations: Translations
}

export function createProxyView(identity: NodeIdentity, context: ProxyViewContext): NodeView {
  const { mesh, directory, translations } = context
  const { namespace, ip } = identity
  const gateway = identity.role === 'gateway' ? createGatewayListeners(identity, mesh) : undefined
  const inboundClusters = new Map<number, Resource>()

  function get(typeUrl: string, name: string): Resource | undefined {
    switch (typeUrl) {
      case typeUrls.listener: {
        if (gateway !== undefined) return gateway.get(name)
        const parsed = parseListener(name)
        if (parsed === undefined) return undefined
        if (parsed.direction === 'inbound') return inbound(parsed.address, parsed.port)
        const owner = directory.listenerOwner(name, namespace)
        return owner && translations.for(owner, namespace).listener(parsed.address, parsed.port)
      }
      case typeUrls.cluster:
      case typeUrls.endpoints: {
        const parsed = parseCluster(name)
        if (parsed?.direction === 'inbound')
          return typeUrl === typeUrls.cluster ? inboundClusterAt(parsed.port) : undefined
        const resources = parsed === undefined ? undefined : resourcesOf(parsed.host, parsed.port)
        if (parsed === undefined || resources === undefined) return undefined
        return typeUrl === typeUrls.cluster
          ? resources.cluster(parsed.port, parsed.subset, identity)
          : resources.endpoints(parsed.port, parsed.subset, identity)
      }
      case typeUrls.routes: {
        const parsed = parseRouteName(name)
        return parsed === undefined ? undefined : resourcesOf(parsed.host, parsed.port)?.routes(parsed.port)
      }
      default:
        return undefined
    }
  }

  function resourcesOf(host: string, port: number): ServiceResources | undefined {
    const service = directory.serviceFor(host, namespace)
    if (service === undefined || !directory.ports(service).includes(port)) return undefined
    return translations.for(service, namespace)
  }

  function inbound(address: string, port: number): Resource | undefined {
    if (ip === '' || address !== ip) return undefined
    const owner = directory.workloadOwner(address, port)
    return owner === undefined ? undefined : translations.of(owner).inbound(address, port)
  }

  function inboundClusterAt(port: number): Resource | undefined {
    if (ip === '' || directory.workloadOwner(ip, port) === undefined) return undefined
    const known = inboundClusters.get(port)
    if (known !== undefined) return known
    const cluster = buildInboundCluster(port, appFor(identity, port))
    const resource = toResource(ClusterSchema, cluster.name, cluster)
    inboundClusters.set(port, resource)
    return resource
  }

  function outboundListeners(): string[] {
    return directory
      .visibleTo(namespace)
      .flatMap((service) =>
        listenerNames(service, directory.ports).filter((name) => directory.listenerOwner(name, namespace) === service),
      )
  }

  function outboundClusters(): string[] {
    return directory
      .visibleTo(namespace)
      .flatMap((service) => clusterNames(service, translations.for(service, namespace).subsets, directory.ports))
  }

  return {
    names(typeUrl) {
      const inboundPorts = directory.inboundPorts(ip)
      switch (typeUrl) {
        case typeUrls.listener:
          if (gateway !== undefined) return gateway.names()
          return [...inboundPorts.map((port) => inboundListener(ip, port)), ...outboundListeners()]
        case typeUrls.cluster:
          return [...inboundPorts.map(inboundCluster), ...outboundClusters()]
        case typeUrls.endpoints:
          return outboundClusters().filter((name) => get(typeUrl, name) !== undefined)
        case typeUrls.routes:
          return directory.visibleTo(namespace).flatMap((service) => routeNames(service, directory.ports))
        default:
          return []
      }
    },
    get,
    close() {
      inboundClusters.clear()
    },
  }
}
