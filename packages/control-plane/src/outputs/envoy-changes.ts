/** Adds to the names of resources that may have changed those that only stock Envoys have. Too many are allowed. */
import { type Change, typeUrls } from '@aeraki/xds'
import { virtualInbound, virtualOutbound } from '../envoy-patch/match.ts'
import { isFor, type Patch } from '../envoy-patch/patch.ts'
import { clusterNameOf, listenerNameOf } from '../envoy-patch/patch-set.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Service } from '../mesh/model.ts'
import { inboundCluster, inboundListener, inboundPassthrough, passthrough } from '../translate/names.ts'
import { allPorts } from '../translate/served-ports.ts'
import { allClusterNames, endpointPlaces, listenerNames } from './changes.ts'

export interface EnvoyChange {
  /** Services of which Aeraki may make other patches or routes than before; as they were and as they are. */
  readonly services: Iterable<Service>
  /** Of EnvoyFilters that came, went or changed. */
  readonly patches: readonly Patch[]
  /** Types of the routes that filters fetch, as far as any were asked for. */
  readonly routeTypes: Iterable<string>
}

export function addEnvoyChange(base: Change, { services, patches, routeTypes }: EnvoyChange, mesh: Mesh): Change {
  const names = new Map([...base].map(([typeUrl, values]) => [typeUrl, new Set(values)]))
  const add = (typeUrl: string, values: Iterable<string>): void => {
    const known = names.get(typeUrl) ?? new Set()
    for (const value of values) known.add(value)
    if (known.size > 0) names.set(typeUrl, known)
  }
  // The listener of redirected connections has the ports of all workloads at one address, so it may be another one too.
  if (base.get(typeUrls.listener) !== undefined) add(typeUrls.listener, [virtualInbound])
  const types = [typeUrls.cluster, typeUrls.extensionConfig, ...routeTypes]
  for (const service of services) {
    add(typeUrls.listener, [...listenersOf(service), virtualInbound])
    // Routes and configurations of filters are called like the cluster where requests go without any rule.
    for (const typeUrl of types) add(typeUrl, clustersOf(service))
  }
  for (const patch of patches) addPatch(patch, mesh, add)
  return names
}

function addPatch(patch: Patch, mesh: Mesh, add: (typeUrl: string, names: Iterable<string>) => void): void {
  if (isFor(patch, 'EXTENSION_CONFIG')) {
    add(typeUrls.extensionConfig, nameOf(patch))
  } else if (isFor(patch, 'CLUSTER')) {
    const name = clusterNameOf(patch)
    if (patch.operation === 'ADD') add(typeUrls.cluster, nameOf(patch))
    else if (name !== '') add(typeUrls.cluster, [name])
    else add(typeUrls.cluster, [passthrough, inboundPassthrough, ...[...mesh.services()].flatMap(clustersOf)])
  } else {
    const name = listenerNameOf(patch)
    if (isFor(patch, 'LISTENER') && patch.operation === 'ADD') add(typeUrls.listener, nameOf(patch))
    else if (name !== '' && name !== virtualInbound) add(typeUrls.listener, [name])
    else add(typeUrls.listener, [virtualOutbound, virtualInbound, ...[...mesh.services()].flatMap(listenersOf)])
  }
}

function nameOf({ value }: Patch): string[] {
  return value === undefined || !('name' in value) ? [] : [value.name]
}

function listenersOf(service: Service): string[] {
  const places = [...endpointPlaces(service, allPorts)].map((place) => place.split(' '))
  return [
    ...listenerNames(service, allPorts),
    ...places.map(([address = '', port]) => inboundListener(address, Number(port))),
  ]
}

function clustersOf(service: Service): string[] {
  const ports = [...endpointPlaces(service, allPorts)].map((place) => Number(place.split(' ')[1]))
  return [...allClusterNames(service), ...ports.map(inboundCluster)]
}
