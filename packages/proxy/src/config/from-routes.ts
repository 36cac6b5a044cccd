/**
 * Route tables, from their two forms: inline in the filter as Aeraki's own message, and over RDS as an
 * `envoy.config.route.v3.RouteConfiguration`, which carries the same in HTTP's words:
 *
 *   inline                   over RDS (one virtual host)
 *   match.metadata[]         routes[].match.headers[]
 *   route.cluster, weighted  routes[].route.cluster, weighted_clusters
 *   route.hash_policy[]      routes[].route.hash_policy[].header.header_name
 *   request_mutation[]       routes[].request_headers_to_add[].header
 *   response_mutation[]      routes[].response_headers_to_add[].header
 *   -                        routes[].route.timeout
 */
import type { Mutation } from '@aeraki/protocols'
import type {
  RouteConfiguration as InlineConfiguration,
  RouteAction_RequestMirrorPolicy as InlineMirror,
} from '@aeraki/xds/gen-lean/aeraki/route_pb.ts'
import type { HeaderValueOption } from '@aeraki/xds/gen-lean/envoy/config/core/v3/base_pb.ts'
import type {
  HeaderMatcher,
  RouteAction,
  RouteAction_RequestMirrorPolicy as HttpMirror,
  RouteMatch,
  WeightedCluster,
} from '@aeraki/xds/gen-lean/envoy/config/route/v3/route_components_pb.ts'
import type { RouteConfiguration as HttpConfiguration } from '@aeraki/xds/gen-lean/envoy/config/route/v3/route_pb.ts'
import { milliseconds } from './from-common.ts'
import { attributeMatch } from './from-matcher.ts'
import type { AttributeMatch, MirrorConfig, RouteConfig, RouteTableConfig, WeightedDestination } from './model.ts'
import type { Place } from './refusal.ts'

/** Envoy's limit for the sum of the weights of one route: 2^32 - 1. */
const maxTotalWeight = 4_294_967_295

/** Throws `ResourceError`. */
export function routeTableFromInline(message: InlineConfiguration, place: Place): RouteTableConfig {
  const routes = message.routes.map((route, i): RouteConfig => {
    const at = place.at('routes').at(i)
    const action = route.route
    if (action === undefined) throw at.at('route').invalid('is missing; give a cluster or weighted_clusters')
    const to = at.at('route')
    return {
      name: route.name,
      match: matches(route.match?.metadata ?? [], at.at('match').at('metadata')),
      destinations: destinations(action.clusterSpecifier, to),
      timeoutMs: undefined,
      requestMutation: mutation(route.requestMutation),
      responseMutation: mutation(route.responseMutation),
      hashPolicy: action.hashPolicy.map((name) => name.toLowerCase()),
      mirrors: action.requestMirrorPolicies.map((policy, j) => mirror(policy, to.at('request_mirror_policies').at(j))),
    }
  })
  return { name: message.name, routes }
}

/** Throws `ResourceError`. */
export function routeTableFromHttp(message: HttpConfiguration, place: Place): RouteTableConfig {
  if (message.vhds !== undefined) throw place.at('vhds').unsupported('give the virtual host inline')
  const hosts = place.at('virtual_hosts')
  const [host] = message.virtualHosts
  if (host === undefined || message.virtualHosts.length !== 1) {
    throw hosts.invalid(`has ${message.virtualHosts.length} virtual hosts; a MetaProtocol route table has exactly one`)
  }
  const routes = host.routes.map((route, i): RouteConfig => {
    const at = hosts.at(0).at('routes').at(i)
    if (route.action.case !== 'route') {
      throw at.unsupported(`${route.action.case ?? 'no action'}; every route needs a "route" with a cluster`)
    }
    const action = route.action.value
    const to = at.at('route')
    return {
      name: route.name,
      match: httpMatch(route.match, at.at('match')),
      destinations: destinations(action.clusterSpecifier, to),
      timeoutMs: action.timeout === undefined ? undefined : milliseconds(action.timeout, to.at('timeout')),
      requestMutation: headers(route.requestHeadersToAdd, at.at('request_headers_to_add')),
      responseMutation: headers(route.responseHeadersToAdd, at.at('response_headers_to_add')),
      hashPolicy: hashPolicy(action, to),
      mirrors: action.requestMirrorPolicies.map((policy, j) => mirror(policy, to.at('request_mirror_policies').at(j))),
    }
  })
  return { name: message.name, routes }
}

/** Names of all clusters that a table sends requests to. */
export function clustersOf(table: RouteTableConfig): ReadonlySet<string> {
  const names = new Set<string>()
  for (const route of table.routes) {
    for (const destination of route.destinations) if (destination.weight > 0) names.add(destination.cluster)
    for (const mirrored of route.mirrors) names.add(mirrored.cluster)
  }
  return names
}

function httpMatch(match: RouteMatch | undefined, place: Place): readonly AttributeMatch[] {
  if (match === undefined) return []
  const path = match.pathSpecifier
  if (path.case !== undefined && !(path.case === 'prefix' && (path.value === '/' || path.value === ''))) {
    throw place.unsupported(
      `a condition on the path (${path.case}); only prefix "/" has a meaning here, match on headers`,
    )
  }
  if (match.queryParameters.length > 0) throw place.at('query_parameters').unsupported('match on headers')
  if (match.dynamicMetadata.length > 0) throw place.at('dynamic_metadata').unsupported('match on headers')
  if (match.runtimeFraction !== undefined) throw place.at('runtime_fraction').unsupported('use weighted_clusters')
  return matches(match.headers, place.at('headers'))
}

function matches(messages: readonly HeaderMatcher[], place: Place): readonly AttributeMatch[] {
  return messages.map((message, i) => attributeMatch(message, place.at(i)))
}

type ClusterSpecifier =
  | { case: 'cluster'; value: string }
  | { case: 'weightedClusters'; value: WeightedCluster }
  | { case: string | undefined; value?: unknown }

function destinations(specifier: ClusterSpecifier, place: Place): readonly WeightedDestination[] {
  if (isCluster(specifier)) {
    if (specifier.value === '') throw place.at('cluster').invalid('is empty; give the name of a cluster')
    return [{ cluster: specifier.value, weight: 1 }]
  }
  if (!isWeighted(specifier)) {
    throw place.unsupported(`${specifier.case ?? 'no destination'}; give cluster or weighted_clusters`)
  }
  const at = place.at('weighted_clusters').at('clusters')
  const found = specifier.value.clusters.map((cluster, i): WeightedDestination => {
    if (cluster.name === '') throw at.at(i).at('name').invalid('is empty; give the name of a cluster')
    return { cluster: cluster.name, weight: cluster.weight ?? 0 }
  })
  const total = found.reduce((sum, destination) => sum + destination.weight, 0)
  if (total === 0 || total > maxTotalWeight) {
    throw at.invalid(`the weights add up to ${total}; give at least one destination a weight, ${maxTotalWeight} in all`)
  }
  return found
}

function isCluster(specifier: ClusterSpecifier): specifier is { case: 'cluster'; value: string } {
  return specifier.case === 'cluster'
}

function isWeighted(specifier: ClusterSpecifier): specifier is { case: 'weightedClusters'; value: WeightedCluster } {
  return specifier.case === 'weightedClusters'
}

function mirror(policy: InlineMirror | HttpMirror, place: Place): MirrorConfig {
  if (policy.cluster === '') throw place.at('cluster').invalid('is empty; give the name of a cluster')
  const share = policy.runtimeFraction?.defaultValue
  if (share === undefined) return { cluster: policy.cluster, fraction: 1 }
  const denominator = [100, 10_000, 1_000_000][share.denominator] ?? 100
  return { cluster: policy.cluster, fraction: Math.min(1, share.numerator / denominator) }
}

function hashPolicy(action: RouteAction, place: Place): readonly string[] {
  const names: string[] = []
  action.hashPolicy.forEach((policy, i) => {
    const specifier = policy.policySpecifier
    if (specifier.case === 'header') names.push(specifier.value.headerName.toLowerCase())
    else
      place
        .at('hash_policy')
        .at(i)
        .note(`${specifier.case ?? 'an empty policy'} has no effect; hash a header`)
  })
  return names
}

function headers(options: readonly HeaderValueOption[], place: Place): Mutation | undefined {
  return mutation(
    options.map((option, i) => {
      if (option.header === undefined) throw place.at(i).at('header').invalid('is missing; give key and value')
      return option.header
    }),
  )
}

/** The last one of a key wins. */
function mutation(pairs: readonly { readonly key: string; readonly value: string }[]): Mutation | undefined {
  if (pairs.length === 0) return undefined
  const byKey = new Map(pairs.map(({ key, value }) => [key, value]))
  return { set: [...byKey].map(([key, value]) => ({ key, value })) }
}
