/**
 * What Gateways expose: for a server whose port is named after a protocol of ours, the service of the oldest MetaRouter that
 * names the gateway and has a destination with the server's port number, or with none. A listener of a layer-4 port has one route table,
 * so of several MetaRouters for one port the oldest has it.
 */
import { canonicalHost, type ObjectOf, protocolOfPort } from '@aeraki/api'
import type { Mesh } from './mesh.ts'
import type { Service, ServicePort } from './model.ts'

type Gateway = ObjectOf<'Gateway'>
export type GatewayServer = NonNullable<Gateway['spec']['servers']>[number]

export interface Exposure {
  readonly router: ObjectOf<'MetaRouter'>
  readonly service: Service
  readonly port: ServicePort
}

export function isOurServer({ port }: GatewayServer): boolean {
  return protocolOfPort({ name: port.name }) !== undefined
}

/** Oldest first; the first is served. `isOurs`: whether the data plane at the gateway can serve this port of a service. */
export function exposuresOf(
  mesh: Mesh,
  gateway: Gateway,
  server: GatewayServer,
  isOurs: (port: ServicePort) => boolean,
  facts = new Set<string>(),
): Exposure[] {
  const { namespace, name } = gateway.metadata
  const { number } = server.port
  return mesh.inputs.routersOfGateway(namespace, name).flatMap((router) => {
    const leadsTo = (router.spec.routes ?? []).some(({ route }) =>
      route.some(({ destination: { port } }) => port === undefined || port.number === number),
    )
    const host = canonicalHost(router.spec.hosts[0] ?? '')
    facts.add(`host:${host}`)
    facts.add(`routing:${host}`)
    const [service] = mesh.servicesOfHost(host)
    if (!leadsTo || service === undefined) return []
    facts.add(`built:${service.key}`)
    const ours = service.ports.filter(isOurs)
    // The name of the routes has the service's own port.
    const port = ours.find((each) => each.number === number) ?? (ours.length === 1 ? ours[0] : undefined)
    return port === undefined ? [] : [{ router, service, port }]
  })
}
