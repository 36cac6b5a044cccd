/**
 * Dubbo 2 on a stock Envoy: `dubbo_proxy`. It reads Hessian2 alone, routes by interface, group, version, method and
 * attachments, and has no mirrors, timeouts or mutations.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/dubbo_proxy_filter
 *
 * A route table is a list of RouteConfigurations, each for an interface (and a group and a version); the first route
 * that matches in the first of them that matches is used. So a rule on one of these three opens a RouteConfiguration of
 * its own, and the order of the rules stays.
 */
import { createRegistry, type MessageInitShape } from '@bufbuild/protobuf'
import { RouterSchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/dubbo_proxy/router/v3/router_pb.ts'
import { DubboProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/dubbo_proxy/v3/dubbo_proxy_pb.ts'
import {
  MultipleRouteConfigurationSchema,
  type RouteActionSchema,
  type RouteConfigurationSchema,
  type RouteSchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/dubbo_proxy/v3/route_pb.ts'
import type {
  AttributeCondition,
  EnvoyPort,
  EnvoyProtocol,
  EnvoyRoute,
  EnvoyTranslation,
  WeightedCluster,
} from '../envoy/contract.ts'
import { any, configSource, json, typeUrlOf } from '../envoy/message.ts'
import { headerMatcher, reportLeftOut, reportRateLimits, reportUnsupported, stringMatcher } from '../envoy/routes.ts'
import { authorizationFilters } from './envoy-authorization.ts'

const filterName = 'envoy.filters.network.dubbo_proxy'
/** The interface that a service has, as its providers and consumers call it; hosts know no case. */
const annotation = 'interface'
const anyInterface = '*'
const nested = createRegistry(RouterSchema)

export const dubboEnvoy: EnvoyProtocol = {
  name: 'dubbo',
  virtualService: true,
  policyKinds: ['DubboAuthorizationPolicy'],
  translate(port: EnvoyPort): EnvoyTranslation | undefined {
    const routeConfig = port.direction === 'inbound' ? inboundRoutes(port) : outboundRoutes(port)
    if (routeConfig === undefined) return undefined
    reportRateLimits(port, 'dubbo_proxy')
    const table = { name: port.cluster, routeConfig }
    const filter = (routeSpecifier: DubboProxyInit['routeSpecifier']) => ({
      name: filterName,
      typeUrl: typeUrlOf(DubboProxySchema),
      config: json(
        DubboProxySchema,
        {
          statPrefix: port.cluster,
          ...(routeSpecifier === undefined ? {} : { routeSpecifier }),
          dubboFilters: [{ name: 'envoy.filters.dubbo.router', config: any(RouterSchema, {}) }],
        },
        nested,
      ),
    })
    return {
      before: port.direction === 'inbound' ? authorizationFilters(port) : [],
      terminal: {
        ...filter({ case: 'multipleRouteConfig', value: table }),
        dynamic: {
          schema: MultipleRouteConfigurationSchema,
          resourceName: port.cluster,
          config: json(MultipleRouteConfigurationSchema, table),
          filter: (source) =>
            filter({ case: 'drds', value: { configSource: configSource(source), routeConfigName: port.cluster } }),
        },
      },
    }
  },
}

type DubboProxyInit = Exclude<MessageInitShape<typeof DubboProxySchema>, { $typeName: string }>
type RouteConfigurationInit = Exclude<MessageInitShape<typeof RouteConfigurationSchema>, { $typeName: string }>
type RouteInit = MessageInitShape<typeof RouteSchema>

/** One provider has many interfaces behind one port, and each of their services patches the same filter chain. */
function inboundRoutes(port: EnvoyPort): RouteConfigurationInit[] {
  return [{ name: port.cluster, interface: anyInterface, routes: [everything(port.cluster)] }]
}

function outboundRoutes(port: EnvoyPort): RouteConfigurationInit[] | undefined {
  const { annotations, cluster, routes } = port
  const own = annotations[annotation]?.trim()
  if (own === undefined || own === '') {
    port.report(port.entry, {
      severity: 'error',
      code: 'ENVOY_MISSING_ANNOTATION',
      field: 'metadata.annotations',
      message: `annotation ${annotation} is missing: without it Envoy can't route ${port.host}, which stays plain TCP`,
      remedy: `add the annotation ${annotation} with the name of the Java interface, or "${anyInterface}" for any`,
    })
    return undefined
  }
  if (routes === undefined) return [{ name: cluster, interface: own, routes: [everything(cluster)] }]
  reportUnsupported(port, 'dubbo_proxy', ['mirrors', 'timeout', 'mutation', 'hash'])
  const tables: (RouteConfigurationInit & { routes: RouteInit[] })[] = []
  for (const route of routes) {
    const split = splitConditions(port, route)
    if (split === undefined) continue
    const { scope, rest } = split
    const last = tables.at(-1)
    const table = { name: cluster, interface: own, ...scope }
    if (last !== undefined && sameScope(last, table)) last.routes.push(routeOf(rest, route))
    else tables.push({ ...table, routes: [routeOf(rest, route)] })
  }
  // Without any route there must still be a table: a filter without one is an error.
  return tables.length > 0 ? tables : [{ name: cluster, interface: own, routes: [] }]
}

type Scope = Pick<RouteConfigurationInit, 'interface' | 'group' | 'version'>

function sameScope(a: Scope, b: Scope): boolean {
  return a.interface === b.interface && a.group === b.group && a.version === b.version
}

/** What opens a RouteConfiguration, and what a route itself checks. Undefined: a condition that none of them can check. */
function splitConditions(
  port: EnvoyPort,
  route: EnvoyRoute,
): { scope: Scope; rest: readonly AttributeCondition[] } | undefined {
  const scope: Scope = {}
  const rest: AttributeCondition[] = []
  for (const condition of route.match) {
    const { name, matcher, invert } = condition
    if (name === 'method') {
      if (invert || rest.some((other) => other.name === 'method')) {
        reportLeftOut(port, route, 'dubbo_proxy', condition)
        return undefined
      }
      rest.push(condition)
    } else if (!invert && matcher.kind === 'exact' && matcher.value !== '' && isScope(name)) {
      if (scope[name] !== undefined && scope[name] !== matcher.value) return undefined
      scope[name] = matcher.value
    } else {
      // Consumers send these as attachments, too.
      rest.push(condition)
    }
  }
  return { scope, rest }
}

function isScope(name: string): name is 'interface' | 'group' | 'version' {
  return name === 'interface' || name === 'group' || name === 'version'
}

function routeOf(conditions: readonly AttributeCondition[], { clusters }: EnvoyRoute): RouteInit {
  const method = conditions.find(({ name }) => name === 'method')
  return {
    match: {
      method: { name: stringMatcher(method?.matcher ?? { kind: 'present' }) },
      headers: conditions.filter((condition) => condition !== method).map(headerMatcher),
    },
    route: action(clusters),
  }
}

/** Envoy wants a condition on the method in every route. */
function everything(cluster: string): RouteInit {
  return {
    match: { method: { name: stringMatcher({ kind: 'present' }) } },
    route: action([{ cluster, weight: 1 }]),
  }
}

function action(clusters: readonly WeightedCluster[]): MessageInitShape<typeof RouteActionSchema> {
  const [only] = clusters
  if (clusters.length === 1 && only !== undefined) {
    return { clusterSpecifier: { case: 'cluster', value: only.cluster } }
  }
  return {
    clusterSpecifier: {
      case: 'weightedClusters',
      value: { clusters: clusters.map(({ cluster, weight }) => ({ name: cluster, weight })) },
    },
  }
}
