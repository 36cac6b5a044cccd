/** A service -> Istio ServiceEntries, as dubbo2istio writes them. */
import type { Instance, ServiceModel } from '../model.ts'
import { entryName } from '../names.ts'

/** As it is written to a file or the Kubernetes API. Keys stand in a fixed order: equal services give equal bytes. */
export interface ServiceEntryObject {
  readonly apiVersion: 'networking.istio.io/v1'
  readonly kind: 'ServiceEntry'
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly hosts: readonly string[]
    readonly location: 'MESH_INTERNAL'
    readonly resolution: 'STATIC'
    readonly ports: readonly { readonly number: number; readonly name: string; readonly protocol: string }[]
    readonly endpoints: readonly Endpoint[]
  }
}

interface Endpoint {
  readonly address: string
  readonly ports: Readonly<Record<string, number>>
  readonly labels: Readonly<Record<string, string>>
  readonly locality?: string
  readonly weight?: number
  readonly serviceAccount?: string
}

/** Istio refuses an entry with more endpoints. */
export const mostEndpoints = 4096

/** What tells our entries from those of others. */
export const managedBy = { manager: 'aeraki' } as const

/**
 * One entry, or several of the same host where it has too many endpoints for one: Istio and Aeraki put the endpoints of
 * a host's entries together. An endpoint stays in its part while the number of parts stays.
 */
export function toServiceEntries(service: ServiceModel): ServiceEntryObject[] {
  const parts = split(service.instances)
  return parts.map((instances, index) => toEntry(service, instances, index))
}

function toEntry(service: ServiceModel, instances: readonly Instance[], part: number): ServiceEntryObject {
  const { host, namespace, registries, workloadSelector } = service
  const name = service.entryName ?? entryName(host)
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: {
      name: part === 0 ? name : `${name}-part-${part + 1}`,
      namespace,
      labels: {
        ...managedBy,
        registry: registries
          .join('.')
          .slice(0, 63)
          .replace(/[^a-z0-9]+$/, ''),
      },
      annotations: {
        interface: service.interface,
        ...(workloadSelector === undefined ? {} : { workloadSelector }),
      },
    },
    spec: {
      hosts: [host],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: service.ports.map(({ number, name: port, protocol }) => ({ number, name: port, protocol })),
      endpoints: instances.map(toEndpoint),
    },
  }
}

function toEndpoint({ address, ports, labels, locality, weight, serviceAccount }: Instance): Endpoint {
  return {
    address,
    ports,
    labels,
    ...(locality === '' ? {} : { locality }),
    ...(weight === undefined ? {} : { weight }),
    ...(serviceAccount === '' ? {} : { serviceAccount }),
  }
}

/** A power of two of parts, by the hash of address and ports. */
function split(instances: readonly Instance[]): Instance[][] {
  for (let count = 1; ; count *= 2) {
    const parts: Instance[][] = Array.from({ length: count }, () => [])
    for (const instance of instances) {
      const part = count === 1 ? 0 : hash(instance.address + Object.values(instance.ports).join()) % count
      parts[part]?.push(instance)
    }
    if (parts.every((part) => part.length <= mostEndpoints) || count > instances.length) return parts
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return (value ^ (value >>> 15)) >>> 0
}
