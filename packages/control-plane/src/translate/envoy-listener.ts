/**
 * Listeners for a stock Envoy, in the shape that Istio gives them, so that EnvoyFilters find what they look for: a
 * `VIP_PORT` for each address of a service, and `virtualInbound` with a filter chain for each port of the workload. All of
 * it is plain TCP; what becomes of it is the patches' business.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { TrafficDirection } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import {
  type FilterChainSchema,
  type ListenerFilter,
  ListenerFilterSchema,
} from '@aeraki/xds/gen/envoy/config/listener/v3/listener_components_pb.ts'
import { type Listener, ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { TcpProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import { messageOf } from '../envoy-patch/json.ts'
import { virtualInbound, virtualOutbound } from '../envoy-patch/match.ts'
import type { ServiceAddress } from '../mesh/model.ts'
import { duration, socketAddress } from './common.ts'
import { inboundCluster, inboundPassthrough, outboundCluster, outboundListener, passthrough } from './names.ts'

const tcpProxy = 'envoy.filters.network.tcp_proxy'

/** Where iptables redirect connections to, in Istio's numbers. */
const outboundPort = 15_001
const inboundPort = 15_006

export interface EnvoyOutboundListener {
  readonly host: string
  readonly port: number
  readonly address: ServiceAddress
  /** Connections come from `virtualOutbound`; loopback addresses are never redirected, and are bound in any case. */
  readonly intercepted: boolean
  /** Undefined: Envoy's default, an hour. */
  readonly idleTimeoutMs: number | undefined
}

/** Without interception it binds an address that this machine has: the substitute where the address is none of its own. */
export function buildEnvoyOutbound(options: EnvoyOutboundListener): Listener {
  const { host, port, address, intercepted, idleTimeoutMs } = options
  const redirected = intercepted && address.substitute !== undefined
  const bound = redirected ? address.address : (address.substitute ?? address.address)
  return create(ListenerSchema, {
    name: outboundListener(address.address, port),
    address: socketAddress(bound, port),
    trafficDirection: TrafficDirection.OUTBOUND,
    // Two Envoys of one machine would share the address, and each answer some of the other's clients.
    ...(redirected ? { bindToPort: false } : { enableReusePort: false }),
    filterChains: [{ filters: [tcp(outboundCluster(port, '', host), idleTimeoutMs)] }],
  })
}

/** Takes redirected connections, and those to nobody we know lets pass. */
export function buildVirtualOutbound(): Listener {
  return create(ListenerSchema, {
    name: virtualOutbound,
    address: socketAddress('0.0.0.0', outboundPort),
    trafficDirection: TrafficDirection.OUTBOUND,
    useOriginalDst: true,
    filterChains: [{ name: 'virtualOutbound-catchall-tcp', filters: [tcp(passthrough)] }],
  })
}

/**
 * In front of one port of a workload, at its own address. It is patched under its Istio name, and called otherwise on the
 * wire: with a listener for each port, a port that comes or goes leaves the connections of the others alone.
 */
export function buildEnvoyInbound(address: string, port: number): Listener {
  return create(ListenerSchema, {
    name: virtualInbound,
    address: socketAddress(address, port),
    trafficDirection: TrafficDirection.INBOUND,
    filterChains: [inboundChain(port)],
  })
}

/** In front of all ports, for redirected connections; those to other ports pass. */
export function buildVirtualInbound(ports: readonly number[]): Listener {
  return create(ListenerSchema, {
    name: virtualInbound,
    address: socketAddress('0.0.0.0', inboundPort),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: [originalDestination()],
    filterChains: [...ports.map(inboundChain), { name: virtualInbound, filters: [tcp(inboundPassthrough)] }],
  })
}

function inboundChain(port: number): MessageInitShape<typeof FilterChainSchema> {
  return {
    name: `0.0.0.0_${port}`,
    filterChainMatch: { destinationPort: port },
    filters: [tcp(inboundCluster(port))],
  }
}

function tcp(cluster: string, idleTimeoutMs?: number) {
  const message = create(TcpProxySchema, {
    statPrefix: cluster,
    clusterSpecifier: { case: 'cluster', value: cluster },
    ...(idleTimeoutMs === undefined ? {} : { idleTimeout: duration(idleTimeoutMs) }),
  })
  return { name: tcpProxy, configType: { case: 'typedConfig' as const, value: anyPack(TcpProxySchema, message) } }
}

function originalDestination(): ListenerFilter {
  const type = 'type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst'
  return messageOf(ListenerFilterSchema, {
    name: 'envoy.filters.listener.original_dst',
    typed_config: { '@type': type },
  })
}
