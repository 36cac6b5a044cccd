/**
 * The mesh as a ResourceProvider for the ADS server. A node sees the services that are exported to its namespace, as
 * clients of that namespace should use them, endpoints by the node's locality, and inbound listeners for those endpoints
 * that stand at its own address. Resources are serialised once and shared by all nodes with the same view.
 */
import { isWildcard } from '@aeraki/api'
import type { Change, NodeView, Resource, ResourceProvider } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import type { Node } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import type { Mesh, MeshChange } from '../mesh/mesh.ts'
import { isVisible, type Service } from '../mesh/model.ts'
import { buildInboundCluster } from '../translate/cluster.ts'
import { inboundCluster, inboundListener, parseCluster, parseRouteName } from '../translate/names.ts'
import { toResource } from '../translate/resource.ts'
import { inboundPort, type ServiceResources, translate, type Translation } from '../translate/service.ts'
import { clusterNames, collectChange, endpointPlaces, listenerNames, routeNames } from './changes.ts'
import { appFor, identify, type NodeIdentity } from './node.ts'
import { typeUrls } from '@aeraki/xds'

export interface AdsOutput extends ResourceProvider {
  /** The mesh has changed: drops what is outdated and tells the server. */
  publish(change: MeshChange): void
  /** Listener names that services of different hosts claim; the first has it. */
  contested(): readonly { readonly listener: string; readonly services: readonly Service[] }[]
}

export function createAdsOutput(mesh: Mesh, rootNamespace: string): AdsOutput {
  const translations = new WeakMap<Service, Translation>()
  const listeners = new Owners()
  const workloads = new Owners()
  const subscribers = new Set<(change: Change) => void>()
  const visibleByNamespace = new Map<string, readonly Service[]>()

  function translationOf(service: Service): Translation {
    const known = translations.get(service)
    if (known !== undefined) return known
    const translation = translate(service)
    translations.set(service, translation)
    return translation
  }

  function resourcesOf(service: Service, namespace: string): ServiceResources {
    return translationOf(service).for({ namespace, rootNamespace })
  }

  /** Of the services with this host, the one that clients of the namespace mean: their own, else the first. */
  function serviceFor(host: string, namespace: string): Service | undefined {
    const visible = mesh.servicesOfHost(host).filter(({ exportTo }) => isVisible(exportTo, namespace))
    return visible.find((service) => service.namespace === namespace) ?? visible[0]
  }

  function visibleTo(namespace: string): readonly Service[] {
    const known = visibleByNamespace.get(namespace)
    if (known !== undefined) return known
    const visible = [...mesh.services()]
      // A wildcard has no address: nobody can call it, and no route leads there.
      .filter((service) => !isWildcard(service.host) && serviceFor(service.host, namespace) === service)
      .toSorted((a, b) => (a.host < b.host ? -1 : 1))
    visibleByNamespace.set(namespace, visible)
    return visible
  }

  /** The service behind a listener name: the first of those that claim it and that the namespace sees. */
  function listenerOwner(name: string, namespace: string): Service | undefined {
    return servicesOf(listeners.get(name)).find((service) => serviceFor(service.host, namespace) === service)
  }

  function workloadOwner(address: string, port: number): Service | undefined {
    return servicesOf(workloads.get(`${address} ${port}`)).find(
      (service) => inboundPort(service, address, port) !== undefined,
    )
  }

  function servicesOf(keys: readonly string[]): Service[] {
    return keys.flatMap((key) => mesh.service(key) ?? [])
  }

  function connect(node: Node): NodeView {
    const identity = identify(node)
    const inboundClusters = new Map<number, Resource>()

    return {
      names(typeUrl) {
        switch (typeUrl) {
          case typeUrls.listener:
            return [...inboundPorts(identity).map((port) => inboundListener(identity.ip, port)), ...outboundListeners()]
          case typeUrls.cluster:
            return [...inboundPorts(identity).map(inboundCluster), ...outboundClusters()]
          case typeUrls.endpoints:
            return outboundClusters().filter((name) => get(typeUrl, name) !== undefined)
          case typeUrls.routes:
            return visibleTo(identity.namespace).flatMap((service) => routeNames(service))
          default:
            return []
        }
      },
      get,
      close() {
        inboundClusters.clear()
      },
    }

    function get(typeUrl: string, name: string): Resource | undefined {
      const { namespace } = identity
      switch (typeUrl) {
        case typeUrls.listener: {
          const [address, port] = splitPort(name)
          if (address.startsWith('inbound_')) return inbound(address.slice('inbound_'.length), port)
          const owner = listenerOwner(name, namespace)
          return owner === undefined ? undefined : resourcesOf(owner, namespace).listener(address, port)
        }
        case typeUrls.cluster:
        case typeUrls.endpoints: {
          const parsed = parseCluster(name)
          if (parsed?.direction === 'inbound')
            return typeUrl === typeUrls.cluster ? inboundClusterAt(parsed.port) : undefined
          const resources = parsed === undefined ? undefined : resourcesOfHost(parsed.host)
          if (parsed === undefined || resources === undefined) return undefined
          return typeUrl === typeUrls.cluster
            ? resources.cluster(parsed.port, parsed.subset, identity)
            : resources.endpoints(parsed.port, parsed.subset, identity)
        }
        case typeUrls.routes: {
          const parsed = parseRouteName(name)
          return parsed === undefined ? undefined : resourcesOfHost(parsed.host)?.routes(parsed.port)
        }
        default:
          return undefined
      }
    }

    function resourcesOfHost(host: string): ServiceResources | undefined {
      const service = serviceFor(host, identity.namespace)
      return service === undefined ? undefined : resourcesOf(service, identity.namespace)
    }

    function inbound(address: string, port: number): Resource | undefined {
      if (identity.ip === '' || address !== identity.ip) return undefined
      const owner = workloadOwner(address, port)
      return owner === undefined ? undefined : translationOf(owner).inbound(address, port)
    }

    function inboundClusterAt(port: number): Resource | undefined {
      if (identity.ip === '' || workloadOwner(identity.ip, port) === undefined) return undefined
      const known = inboundClusters.get(port)
      if (known !== undefined) return known
      const cluster = buildInboundCluster(port, appFor(identity, port))
      const resource = toResource(ClusterSchema, cluster.name, cluster)
      inboundClusters.set(port, resource)
      return resource
    }

    function outboundListeners(): string[] {
      return visibleTo(identity.namespace).flatMap((service) =>
        listenerNames(service).filter((name) => listenerOwner(name, identity.namespace) === service),
      )
    }

    function outboundClusters(): string[] {
      return visibleTo(identity.namespace).flatMap((service) => {
        const { subsets } = resourcesOf(service, identity.namespace)
        return clusterNames(service, subsets)
      })
    }
  }

  function inboundPorts({ ip }: NodeIdentity): number[] {
    if (ip === '') return []
    return workloads
      .portsAt(ip)
      .filter((port) => workloadOwner(ip, port) !== undefined)
      .toSorted((a, b) => a - b)
  }

  return {
    connect,
    onChange(subscriber) {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    publish(change) {
      for (const { before, after, parts } of change.services) {
        if (parts.has('shape')) {
          visibleByNamespace.clear()
          if (before !== undefined) for (const name of listenerNames(before)) listeners.remove(name, before.key)
          if (after !== undefined) for (const name of listenerNames(after)) listeners.add(name, after.key)
        } else {
          replaceVisible(before, after)
        }
        if (parts.has('shape') || parts.has('endpoints')) {
          if (before !== undefined) for (const place of endpointPlaces(before)) workloads.remove(place, before.key)
          if (after !== undefined) for (const place of endpointPlaces(after)) workloads.add(place, after.key)
        }
      }
      const names = collectChange(change, mesh)
      if (names.size > 0) for (const subscriber of subscribers) subscriber(names)
    },
    contested() {
      return [...listeners.shared()]
        .map(([listener, keys]) => ({ listener, services: servicesOf(keys) }))
        .filter(({ services }) => new Set(services.map(({ host }) => host)).size > 1)
    },
  }

  /** A service that changed inside keeps its place in the lists. */
  function replaceVisible(before: Service | undefined, after: Service | undefined): void {
    if (before === undefined || after === undefined) return
    for (const [namespace, services] of visibleByNamespace) {
      const at = services.indexOf(before)
      if (at !== -1) visibleByNamespace.set(namespace, services.with(at, after))
    }
  }
}

function splitPort(name: string): [string, number] {
  const at = name.lastIndexOf('_')
  return [name.slice(0, at), Number(name.slice(at + 1))]
}

/** Which services claim a name. Those asked for come in the order of their keys: first come does not count. */
class Owners {
  readonly #byName = new Map<string, Set<string>>()
  /** For names of the form `<address> <port>`. */
  readonly #portsByAddress = new Map<string, Set<number>>()

  get(name: string): readonly string[] {
    const keys = this.#byName.get(name)
    return keys === undefined ? [] : keys.size === 1 ? [...keys] : [...keys].toSorted()
  }

  add(name: string, key: string): void {
    const keys = this.#byName.get(name)
    if (keys === undefined) this.#byName.set(name, new Set([key]))
    else keys.add(key)
    const [address, port] = name.split(' ')
    if (address === undefined || port === undefined || (keys?.size ?? 0) > 1) return
    const ports = this.#portsByAddress.get(address) ?? new Set<number>()
    ports.add(Number(port))
    this.#portsByAddress.set(address, ports)
  }

  remove(name: string, key: string): void {
    const keys = this.#byName.get(name)
    if (keys === undefined || !keys.delete(key) || keys.size > 0) return
    this.#byName.delete(name)
    const [address, port] = name.split(' ')
    if (address === undefined || port === undefined) return
    const ports = this.#portsByAddress.get(address)
    ports?.delete(Number(port))
    if (ports?.size === 0) this.#portsByAddress.delete(address)
  }

  portsAt(address: string): number[] {
    return [...(this.#portsByAddress.get(address) ?? [])]
  }

  *shared(): Iterable<[string, readonly string[]]> {
    for (const [name, keys] of this.#byName) if (keys.size > 1) yield [name, [...keys].toSorted()]
  }
}
