/** Listeners with the MetaProtocol Proxy filter: outbound ones ask for their routes, inbound ones carry their only one. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { filterName, routerName } from '@aeraki/protocols/metaprotocol'
import { CodecSchema, MetaProtocolProxySchema } from '@aeraki/xds/gen/aeraki/meta_protocol_proxy_pb.ts'
import { RouterSchema } from '@aeraki/xds/gen/aeraki/router_pb.ts'
import { TrafficDirection } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { type Listener, ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import type { PortProtocol, ServiceAddress } from '../mesh/model.ts'
import { adsSource, duration, socketAddress } from './common.ts'
import { inboundCluster, inboundListener, outboundCluster, outboundListener, routeName } from './names.ts'
import { toAny } from './resource.ts'

export interface OutboundListener {
  readonly host: string
  /** Of the service; its routes are named after it. */
  readonly port: number
  readonly protocol: PortProtocol
  readonly address: ServiceAddress
  /** Where it is another one than the service's. */
  readonly listenPort?: number
  /** Undefined: silent connections stay. */
  readonly idleTimeoutMs: number | undefined
}

export function buildOutboundListener(wanted: OutboundListener): Listener {
  const { host, port, protocol, address, listenPort = port, idleTimeoutMs } = wanted
  return create(ListenerSchema, {
    name: outboundListener(address.address, listenPort),
    address: socketAddress(address.address, listenPort),
    trafficDirection: TrafficDirection.OUTBOUND,
    ...(address.substitute === undefined
      ? {}
      : { metadata: { filterMetadata: { aeraki: { substitute: address.substitute } } } }),
    filterChains: [
      filterChain(protocol, {
        statPrefix: outboundCluster(port, '', host),
        routeSpecifier: {
          case: 'rds',
          value: { configSource: adsSource(), routeConfigName: routeName(host, port) },
        },
        ...(idleTimeoutMs === undefined ? {} : { idleTimeout: duration(idleTimeoutMs) }),
      }),
    ],
  })
}

export interface InboundListener {
  readonly address: string
  readonly port: number
  readonly protocol: PortProtocol
}

export function buildInboundListener({ address, port, protocol }: InboundListener): Listener {
  const cluster = inboundCluster(port)
  return create(ListenerSchema, {
    name: inboundListener(address, port),
    address: socketAddress(address, port),
    trafficDirection: TrafficDirection.INBOUND,
    filterChains: [
      filterChain(protocol, {
        statPrefix: cluster,
        routeSpecifier: {
          case: 'routeConfig',
          value: {
            name: cluster,
            routes: [{ name: 'default', route: { clusterSpecifier: { case: 'cluster', value: cluster } } }],
          },
        },
      }),
    ],
  })
}

type FilterFields = Pick<
  MessageInitShape<typeof MetaProtocolProxySchema>,
  'statPrefix' | 'routeSpecifier' | 'idleTimeout'
>

function filterChain(protocol: PortProtocol, fields: FilterFields) {
  const codec = create(CodecSchema, { name: protocol.codec })
  const message = create(MetaProtocolProxySchema, {
    ...fields,
    // The deprecated pair is what proxies up to 1.4 read.
    applicationProtocol: protocol.name,
    codec,
    protocol: { name: protocol.name, codec, multiplexing: protocol.multiplexing },
    metaProtocolFilters: [{ name: routerName, config: toAny(RouterSchema, create(RouterSchema)) }],
  })
  return {
    filters: [
      {
        name: filterName,
        configType: { case: 'typedConfig' as const, value: toAny(MetaProtocolProxySchema, message) },
      },
    ],
  }
}
