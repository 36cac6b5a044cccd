/**
 * Which service a name means to whom: hosts that several namespaces have, listener names that several services claim,
 * addresses at which workloads of services stand. One directory for each data plane, since they serve different ports.
 */
import { isWildcard } from '@aeraki/api'
import type { Mesh, MeshChange } from '../mesh/mesh.ts'
import { isVisible, type Service, type ServiceKey } from '../mesh/model.ts'
import { inboundPort } from '../translate/service.ts'
import type { ServedPorts } from '../translate/served-ports.ts'
import { endpointPlaces, listenerNames } from './changes.ts'

export interface Directory {
  readonly ports: ServedPorts
  /** The mesh has changed; before anything is asked. */
  apply(change: MeshChange): void
  /** Of the services with this host, the one that clients of the namespace mean: their own, else the first. */
  serviceFor(host: string, namespace: string): Service | undefined
  /** By host. */
  visibleTo(namespace: string): readonly Service[]
  /** The service behind a listener name: the first of those that claim it and that the namespace sees. */
  listenerOwner(name: string, namespace: string): Service | undefined
  /** The service whose workload stands at this address and serves this port of its own. */
  workloadOwner(address: string, port: number): Service | undefined
  /** That workloads at this address serve. */
  inboundPorts(address: string): readonly number[]
  /** Listener names that services of different hosts claim; the first has it. */
  contested(): readonly { readonly listener: string; readonly services: readonly Service[] }[]
}

export function createDirectory(mesh: Mesh, ports: ServedPorts): Directory {
  const listeners = new Owners()
  const workloads = new Owners()
  /** By keys, for services change inside all the time. */
  const visibleByNamespace = new Map<string, readonly ServiceKey[]>()

  function serviceFor(host: string, namespace: string): Service | undefined {
    const visible = mesh.servicesOfHost(host).filter(({ exportTo }) => isVisible(exportTo, namespace))
    return visible.find((service) => service.namespace === namespace) ?? visible[0]
  }

  function workloadOwner(address: string, port: number): Service | undefined {
    return servicesOf(workloads.get(`${address} ${port}`)).find(
      (service) => inboundPort(service, address, port, ports) !== undefined,
    )
  }

  function servicesOf(keys: readonly string[]): Service[] {
    return keys.flatMap((key) => mesh.service(key) ?? [])
  }

  return {
    ports,
    serviceFor,
    workloadOwner,
    apply(change) {
      for (const { before, after, parts } of change.services) {
        if (parts.has('shape')) {
          visibleByNamespace.clear()
          if (before !== undefined) for (const name of listenerNames(before, ports)) listeners.remove(name, before.key)
          if (after !== undefined) for (const name of listenerNames(after, ports)) listeners.add(name, after.key)
        }
        if (parts.has('shape') || parts.has('endpoints')) {
          if (before !== undefined)
            for (const place of endpointPlaces(before, ports)) workloads.remove(place, before.key)
          if (after !== undefined) for (const place of endpointPlaces(after, ports)) workloads.add(place, after.key)
        }
      }
    },
    visibleTo(namespace) {
      const known = visibleByNamespace.get(namespace)
      if (known !== undefined) return servicesOf(known)
      const visible = [...mesh.services()]
        // A wildcard has no address: nobody can call it, and no route leads there.
        .filter((service) => !isWildcard(service.host) && serviceFor(service.host, namespace) === service)
        .toSorted((a, b) => (a.host < b.host ? -1 : 1))
      visibleByNamespace.set(
        namespace,
        visible.map(({ key }) => key),
      )
      return visible
    },
    listenerOwner: (name, namespace) =>
      servicesOf(listeners.get(name)).find((service) => serviceFor(service.host, namespace) === service),
    inboundPorts(address) {
      if (address === '') return []
      return workloads
        .portsAt(address)
        .filter((port) => workloadOwner(address, port) !== undefined)
        .toSorted((a, b) => a - b)
    },
    contested() {
      return [...listeners.shared()]
        .map(([listener, keys]) => ({ listener, services: servicesOf(keys) }))
        .filter(({ services }) => new Set(services.map(({ host }) => host)).size > 1)
    },
  }
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
