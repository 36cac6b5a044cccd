/**
 * Thrift on a stock Envoy: `thrift_proxy`. It finds out transport and protocol by itself, routes by method, service and
 * headers, mirrors, and has no timeouts, mutations or hashing.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/thrift_proxy_filter
 *
 * The method of a multiplexed call is `service:method` to it, and it compares it whole, so that a rule on the method alone
 * can't be checked for a service whose rules speak of `service`.
 */
import { createRegistry, type MessageInitShape } from '@bufbuild/protobuf'
import { RouterSchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/thrift_proxy/router/v3/router_pb.ts'
import {
  type RouteActionSchema,
  RouteConfigurationSchema,
  type RouteMatchSchema,
  type RouteSchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/thrift_proxy/v3/route_pb.ts'
import { ThriftProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/thrift_proxy/v3/thrift_proxy_pb.ts'
import type {
  AttributeCondition,
  EnvoyPort,
  EnvoyProtocol,
  EnvoyRoute,
  EnvoyTranslation,
  NetworkFilter,
} from '../envoy/contract.ts'
import { any, configSource, fraction, json, typeUrlOf } from '../envoy/message.ts'
import { headerMatcher, isPresence, reportLeftOut, reportRateLimits, reportUnsupported } from '../envoy/routes.ts'

const filterName = 'envoy.filters.network.thrift_proxy'
const nested = createRegistry(RouterSchema)

type Fields<T> = Exclude<T, { $typeName: string }>
type ThriftProxyInit = Fields<MessageInitShape<typeof ThriftProxySchema>>
type RoutesInit = Fields<MessageInitShape<typeof RouteConfigurationSchema>>
type RouteInit = MessageInitShape<typeof RouteSchema>
type Match = Fields<MessageInitShape<typeof RouteMatchSchema>>

export const thriftEnvoy: EnvoyProtocol = {
  name: 'thrift',
  virtualService: true,
  policyKinds: [],
  translate(port: EnvoyPort): EnvoyTranslation {
    reportUnsupported(port, 'thrift_proxy', ['timeout', 'mutation', 'hash'])
    reportRateLimits(port, 'thrift_proxy')
    const name = port.cluster
    const table: RoutesInit = {
      name,
      routes: port.routes === undefined ? [everything(port)] : port.routes.flatMap((route) => routeOf(route, port)),
      // A subset that is not there yet must cost its own requests, not the listener.
      validateClusters: false,
    }
    return {
      terminal: {
        ...filter(port, { routeConfig: table }),
        dynamic: {
          schema: RouteConfigurationSchema,
          resourceName: name,
          config: json(RouteConfigurationSchema, table),
          filter: (source) => filter(port, { trds: { configSource: configSource(source), routeConfigName: name } }),
        },
      },
    }
  },
}

function filter({ cluster }: EnvoyPort, routes: Pick<ThriftProxyInit, 'routeConfig' | 'trds'>): NetworkFilter {
  // By default a call that fails on its way costs the client its connection, and with it every other call.
  const config = any(RouterSchema, { closeDownstreamOnUpstreamError: false })
  const router = { name: 'envoy.filters.thrift.router', configType: { case: 'typedConfig' as const, value: config } }
  return {
    name: filterName,
    typeUrl: typeUrlOf(ThriftProxySchema),
    config: json(ThriftProxySchema, { statPrefix: cluster, ...routes, thriftFilters: [router] }, nested),
  }
}

function everything({ cluster }: EnvoyPort): RouteInit {
  return { match: { matchSpecifier: anyMethod }, route: { clusterSpecifier: { case: 'cluster', value: cluster } } }
}

const anyMethod: NonNullable<Match['matchSpecifier']> = { case: 'methodName', value: '' }

function routeOf(route: EnvoyRoute, port: EnvoyPort): RouteInit[] {
  const match = matchOf(route, port)
  return match === undefined ? [] : [{ match, route: action(route) }]
}

/** Undefined: the route never holds, or can't be checked, which has been reported. */
function matchOf(route: EnvoyRoute, port: EnvoyPort): Match | undefined {
  // Every call has a method, so that asking for one asks for nothing.
  const asked = route.match.filter((each) => !(each.name === 'method' && isPresence(each.matcher) && !each.invert))
  const names = asked.filter(({ name }) => name === 'method' || name === 'service')
  const headers = asked.filter((each) => !names.includes(each)).map(headerMatcher)
  if (names.length === 0) return { matchSpecifier: anyMethod, headers }

  const inexact = names.find(({ matcher }) => exactValue(matcher) === undefined)
  const [first, second, third] = names
  const refused = inexact ?? third ?? (first === undefined || isPair(first, second, port) ? undefined : first)
  if (first === undefined || refused !== undefined) {
    if (refused !== undefined) reportLeftOut(port, route, 'thrift_proxy', refused)
    return undefined
  }
  const value = (name: string): string | undefined => {
    const found = names.find((each) => each.name === name)
    return found === undefined ? undefined : exactValue(found.matcher)
  }
  const [service, method] = [value('service'), value('method')]
  return {
    matchSpecifier:
      method === undefined
        ? { case: 'serviceName', value: service ?? '' }
        : { case: 'methodName', value: service === undefined ? method : `${service}:${method}` },
    invert: first.invert,
    headers,
  }
}

/** A single name, or a service and a method that must both be there. */
function isPair(first: AttributeCondition, second: AttributeCondition | undefined, port: EnvoyPort): boolean {
  if (second !== undefined) return first.name !== second.name && !first.invert && !second.invert
  return first.name === 'service' || !isMultiplexed(port)
}

function isMultiplexed({ routes = [] }: EnvoyPort): boolean {
  return routes.some(({ match }) => match.some(({ name }) => name === 'service'))
}

function exactValue(matcher: AttributeCondition['matcher']): string | undefined {
  return matcher.kind === 'exact' && matcher.value !== '' ? matcher.value : undefined
}

function action({ clusters, mirrors }: EnvoyRoute): MessageInitShape<typeof RouteActionSchema> {
  const [only] = clusters
  return {
    clusterSpecifier:
      clusters.length === 1 && only !== undefined
        ? { case: 'cluster', value: only.cluster }
        : {
            case: 'weightedClusters',
            value: { clusters: clusters.map(({ cluster, weight }) => ({ name: cluster, weight })) },
          },
    requestMirrorPolicies: mirrors.map(({ cluster, percent }) => ({
      cluster,
      runtimeFraction: { defaultValue: fraction(percent) },
    })),
  }
}
