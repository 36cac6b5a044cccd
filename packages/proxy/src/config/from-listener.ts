/**
 * `envoy.config.listener.v3.Listener` with one filter chain of one filter, the MetaProtocol Proxy.
 *
 * Where the listener's address is a VIP that no interface has, `metadata.filter_metadata["aeraki"].substitute` names a
 * loopback address to bind instead: `"127.240.1.2"`, or `"127.240.1.2:20881"` for another port.
 */
import { isIP } from 'node:net'
import { protocolByName, protocols } from '@aeraki/protocols'
import {
  MetaProtocolProxySchema,
  type MetaProtocolFilter,
  type MetaProtocolProxy,
} from '@aeraki/xds/gen-lean/aeraki/meta_protocol_proxy_pb.ts'
import { TrafficDirection } from '@aeraki/xds/gen-lean/envoy/config/core/v3/base_pb.ts'
import type { FilterChain } from '@aeraki/xds/gen-lean/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '@aeraki/xds/gen-lean/envoy/config/listener/v3/listener_pb.ts'
import { milliseconds, socketAddress } from './from-common.ts'
import { routeTableFromInline } from './from-routes.ts'
import type { Address, ListenerConfig, MetaProtocolConfig } from './model.ts'
import { oneOf, type Place } from './refusal.ts'
import { typeOf, unpackAs } from './typed-config.ts'

const codecPrefix = 'aeraki.meta_protocol.codec.'
const filterPrefix = 'aeraki.meta_protocol.filters.'
/** Filters that only observe: a proxy without them serves the same. */
const observers = ['metadata_exchange', 'istio_stats']

/** Throws `ResourceError`. */
export function listenerFromXds(message: Listener, place: Place): ListenerConfig {
  if (message.name === '') throw place.at('name').invalid('is empty')
  const address = socketAddress(message.address, place.at('address'))
  message.listenerFilters.forEach((filter, i) =>
    place.at('listener_filters').at(i).note(`${filter.name} has no effect`),
  )
  return {
    name: message.name,
    address,
    substitute: substitute(message, address, place),
    direction: direction(message.trafficDirection),
    ...(message.bindToPort === false ? { bindToPort: false } : {}),
    filter: filterOf(message, place),
  }
}

function filterOf(message: Listener, place: Place): MetaProtocolConfig {
  const [chain] = message.filterChains.length === 0 ? [message.defaultFilterChain] : message.filterChains
  const at = message.filterChains.length === 0 ? place.at('default_filter_chain') : place.at('filter_chains').at(0)
  if (chain === undefined) throw place.at('filter_chains').invalid('is empty; give one filter chain')
  if (message.filterChains.length > 1) {
    throw place
      .at('filter_chains')
      .unsupported(`${message.filterChains.length} filter chains; give a listener for each`)
  }
  if (chain.transportSocket !== undefined && !/raw_buffer/.test(chain.transportSocket.name)) {
    throw at
      .at('transport_socket')
      .unsupported(`"${chain.transportSocket.name}"; this proxy accepts plain text, leave it out`)
  }
  return metaProtocol(chain, at.at('filters'))
}

function metaProtocol(chain: FilterChain, place: Place): MetaProtocolConfig {
  const [filter] = chain.filters
  if (filter === undefined) throw place.invalid('is empty; give the MetaProtocolProxy filter')
  if (chain.filters.length > 1) {
    throw place.unsupported(
      `${oneOf(chain.filters.map(({ name }) => name)).replace(' or ', ' and ')}; give the MetaProtocolProxy filter alone`,
    )
  }
  const at = place.at(0).at('typed_config')
  if (filter.configType.case !== 'typedConfig') throw at.invalid(`of filter "${filter.name}" is missing`)
  const type = typeOf(filter.configType.value)
  if (type !== MetaProtocolProxySchema.typeName) {
    throw at.unsupported(`filter "${filter.name}" of type ${type}; this proxy has ${MetaProtocolProxySchema.typeName}`)
  }
  return metaProtocolFromXds(unpackAs(filter.configType.value, MetaProtocolProxySchema, at), at)
}

function metaProtocolFromXds(message: MetaProtocolProxy, place: Place): MetaProtocolConfig {
  if (message.statPrefix === '') throw place.at('stat_prefix').invalid('is empty; give a name for the statistics')
  if (message.tracing !== undefined) place.at('tracing').note('no effect')
  if (message.accessLog.length > 0) place.at('access_log').note('no effect')
  checkFilters(message.metaProtocolFilters, place.at('meta_protocol_filters'))
  return {
    statPrefix: message.statPrefix,
    protocol: protocolOf(message, place),
    routes: routesOf(message, place),
    idleTimeoutMs: message.idleTimeout === undefined ? 0 : milliseconds(message.idleTimeout, place.at('idle_timeout')),
  }
}

/** The codec decides what is spoken; the protocol's name is for statistics and may be the operator's own. */
function protocolOf(message: MetaProtocolProxy, place: Place): string {
  const codec = message.protocol?.codec ?? message.codec
  if (codec !== undefined && codec.name !== '') {
    const at = place.at(message.protocol?.codec === undefined ? 'codec' : 'protocol.codec').at('name')
    const name = codec.name.startsWith(codecPrefix) ? codec.name.slice(codecPrefix.length) : undefined
    if (name !== undefined && protocolByName(name) !== undefined) return name
    throw at.unsupported(
      `no codec "${codec.name}"; there are ${oneOf(protocols.map((each) => codecPrefix + each.name))}`,
    )
  }
  const named = message.protocol?.name ?? ''
  const name = named === '' ? message.applicationProtocol : named
  const at = named === '' ? place.at('application_protocol') : place.at('protocol.name')
  if (name === '') throw place.at('protocol').invalid('is missing; give protocol {name, codec {name}}')
  if (protocolByName(name) === undefined) {
    throw at.unsupported(`no protocol "${name}"; there are ${oneOf(protocols.map((each) => each.name))}`)
  }
  return name
}

function routesOf(message: MetaProtocolProxy, place: Place): MetaProtocolConfig['routes'] {
  const specifier = message.routeSpecifier
  switch (specifier.case) {
    case 'routeConfig':
      return { kind: 'static', table: routeTableFromInline(specifier.value, place.at('route_config')) }
    case 'rds': {
      const source = specifier.value.configSource?.configSourceSpecifier
      const at = place.at('rds')
      if (specifier.value.routeConfigName === '') throw at.at('route_config_name').invalid('is empty')
      if (source?.case !== 'ads') {
        throw at.at('config_source').unsupported(`${source?.case ?? 'no config source'}; give ads {}`)
      }
      return { kind: 'rds', name: specifier.value.routeConfigName }
    }
    default:
      throw place.invalid('has no routes; give rds or route_config')
  }
}

/** No filters means the router alone. A filter that would refuse requests is never left out silently. */
function checkFilters(filters: readonly MetaProtocolFilter[], place: Place): void {
  filters.forEach((filter, i) => {
    const at = place.at(i).at('name')
    const name = filter.name.startsWith(filterPrefix) ? filter.name.slice(filterPrefix.length) : undefined
    if (name === 'router') {
      if (i !== filters.length - 1) throw at.invalid(`"${filter.name}" is not the last; the router ends the chain`)
      return
    }
    if (name === undefined || !observers.includes(name)) {
      throw at.unsupported(
        `"${filter.name}"; this proxy has ${oneOf(['router', ...observers].map((each) => filterPrefix + each))}`,
      )
    }
    at.note(`${filter.name} has no effect`)
    if (i === filters.length - 1)
      throw at.invalid(`"${filter.name}" is the last; end the chain with ${filterPrefix}router`)
  })
}

function direction(value: TrafficDirection): ListenerConfig['direction'] {
  if (value === TrafficDirection.INBOUND) return 'inbound'
  if (value === TrafficDirection.OUTBOUND) return 'outbound'
  return 'unspecified'
}

function substitute(message: Listener, address: Address, place: Place): Address | undefined {
  const value = message.metadata?.filterMetadata['aeraki']?.['substitute']
  if (value === undefined) return undefined
  const at = place.at('metadata.filter_metadata["aeraki"].substitute')
  if (typeof value !== 'string') throw at.invalid(`${JSON.stringify(value)}; give an IP address, such as "127.240.0.1"`)
  if (isIP(value) !== 0) return { host: value, port: address.port }
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d{1,5})$/.exec(value) ?? []
  if (isIP(host) === 0 || Number(port) > 65_535) {
    throw at.invalid(`"${value}"; give an IP address, such as "127.240.0.1", or one with a port`)
  }
  return { host, port: Number(port) }
}
