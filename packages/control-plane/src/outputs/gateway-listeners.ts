/**
 * The listeners of a MetaProtocol Proxy that is a gateway (its node id begins with `router~`): one for each server of each
 * Gateway that selects it, with the routes of the service that is exposed there. Servers with TLS are not served: these
 * proxies end no TLS.
 */
import { type ObjectOf, selects } from '@aeraki/api'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import type { Resource } from '@aeraki/xds'
import { exposuresOf, type GatewayServer, isOurServer } from '../mesh/exposure.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { isVisible } from '../mesh/model.ts'
import { buildOutboundListener } from '../translate/listener.ts'
import { outboundListener } from '../translate/names.ts'
import { toResource } from '../translate/resource.ts'
import type { NodeIdentity } from './node.ts'

export interface GatewayListeners {
  names(): string[]
  get(name: string): Resource | undefined
}

export function createGatewayListeners(identity: NodeIdentity, mesh: Mesh): GatewayListeners {
  const serversOfNode = () =>
    serversOf(mesh).filter(({ gateway }) => selects(gateway.spec.selector ?? {}, identity.labels))

  /** Of several servers for one address and port, the first that exposes something is served. */
  function get(name: string): Resource | undefined {
    for (const { gateway, server } of serversOfNode()) {
      if (nameOf(server) !== name) continue
      const resource = listenerOf(gateway, server, identity.namespace, mesh)
      if (resource !== undefined) return resource
    }
    return undefined
  }

  return {
    names: () => [...new Set(serversOfNode().map(({ server }) => nameOf(server)))].filter((name) => get(name)),
    get,
  }
}

/** Of every gateway, whomever it selects. */
export function gatewayListenerNames(mesh: Mesh): Set<string> {
  return new Set(serversOf(mesh).map(({ server }) => nameOf(server)))
}

function serversOf(mesh: Mesh): { gateway: ObjectOf<'Gateway'>; server: GatewayServer }[] {
  return mesh.inputs
    .gateways()
    .flatMap((gateway) => (gateway.spec.servers ?? []).map((server) => ({ gateway, server })))
    .filter(({ server }) => isOurServer(server) && server.tls === undefined)
}

function listenerOf(
  gateway: ObjectOf<'Gateway'>,
  server: GatewayServer,
  namespace: string,
  mesh: Mesh,
): Resource | undefined {
  const exposures = exposuresOf(mesh, gateway, server, ({ protocol }) => protocol !== undefined)
  const exposed = exposures.find(({ service }) => isVisible(service.exportTo, namespace))
  const protocol = exposed?.port.protocol
  if (exposed === undefined || protocol === undefined) return undefined
  const { service, port } = exposed
  const listener = buildOutboundListener({
    host: service.host,
    port: port.number,
    protocol,
    address: { address: bindOf(server), substitute: undefined, allocated: false },
    listenPort: server.port.number,
    idleTimeoutMs: undefined,
  })
  return toResource(ListenerSchema, listener.name, listener)
}

function bindOf({ bind }: GatewayServer): string {
  return bind === undefined || bind === '' ? '0.0.0.0' : bind
}

function nameOf(server: GatewayServer): string {
  return outboundListener(bindOf(server), server.port.number)
}
