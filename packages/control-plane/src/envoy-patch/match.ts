/**
 * Which listener, filter chain, filter or cluster a patch is for. An empty match is for all. In the two virtual listeners,
 * which have a filter chain for each port, a port number is that of the chain.
 */
import type { Cluster } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import type { FilterChain } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { parseCluster } from '../translate/names.ts'
import type { Context, Patch } from './patch.ts'

/** Istio's names. */
export const virtualInbound = 'virtualInbound'
export const virtualOutbound = 'virtualOutbound'

export function isInContext({ context }: Patch, actual: Context): boolean {
  return context === 'ANY' || context === actual
}

/** A patch that adds something to no existing thing, and does not say where: outbound and at gateways alone. */
export function addsIn({ context }: Patch, actual: Context): boolean {
  return context === 'ANY' ? actual !== 'SIDECAR_INBOUND' : context === actual
}

export function matchesListener({ target, match }: Patch, listener: Listener): boolean {
  const { name = '', portNumber = 0 } = match.listener ?? {}
  if (name !== '' && name !== listener.name) return false
  if (portNumber === 0 || (target !== 'LISTENER' && isVirtual(listener))) return true
  const address = listener.address?.address
  return (
    address?.case === 'socketAddress' &&
    address.value.portSpecifier.case === 'portValue' &&
    address.value.portSpecifier.value === portNumber
  )
}

export function matchesChain({ match }: Patch, listener: Listener, chain: FilterChain): boolean {
  const { portNumber = 0, filterChain: wanted = {} } = match.listener ?? {}
  const has = chain.filterChainMatch
  if (isVirtual(listener) && portNumber !== 0 && has?.destinationPort !== portNumber) return false
  const { name = '', sni = '', transportProtocol = '', applicationProtocols = '', destinationPort = 0 } = wanted
  if (name !== '' && name !== chain.name) return false
  if (sni !== '' && has?.serverNames.includes(sni) !== true) return false
  if (transportProtocol !== '' && has?.transportProtocol !== transportProtocol) return false
  const protocols = applicationProtocols === '' ? [] : applicationProtocols.split(',').map((each) => each.trim())
  if (!protocols.every((protocol) => has?.applicationProtocols.includes(protocol))) return false
  return destinationPort === 0 || has?.destinationPort === destinationPort
}

/** Undefined: any filter, which most operations take for none. */
export function networkFilterOf({ match }: Patch): string | undefined {
  const name = match.listener?.filterChain?.filter?.name ?? ''
  return name === '' ? undefined : name
}

export function listenerFilterOf({ match }: Patch): string | undefined {
  const name = match.listener?.listenerFilter ?? ''
  return name === '' ? undefined : name
}

export function matchesCluster({ match }: Patch, { name }: Cluster): boolean {
  const wanted: Readonly<Record<string, unknown>> = match.cluster ?? {}
  const { name: exact = '', service = '', subset = '', portNumber = 0 } = wanted
  if (exact !== '') return exact === name
  if (service === '' && subset === '' && portNumber === 0) return true
  const parsed = parseCluster(name)
  if (parsed === undefined || (portNumber !== 0 && portNumber !== parsed.port)) return false
  if (parsed.direction === 'inbound') return service === '' && subset === ''
  return (service === '' || service === parsed.host) && (subset === '' || subset === parsed.subset)
}

function isVirtual({ name }: Listener): boolean {
  return name === virtualInbound || name === virtualOutbound
}
