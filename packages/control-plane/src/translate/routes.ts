/**
 * Routes as the MetaProtocol Proxy reads them: the HTTP RouteConfiguration, with attributes in the place of headers.
 * Rules come in order, the first that matches wins. Where there are rules and none matches, the request has no route;
 * only a service without any rules gets a default route.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import type { HeaderValueOptionSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { type RouteConfiguration, RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import type {
  HeaderMatcherSchema,
  RouteAction_RequestMirrorPolicySchema,
  RouteActionSchema,
  RouteSchema,
} from '@aeraki/xds/gen/envoy/config/route/v3/route_components_pb.ts'
import { FractionalPercent_DenominatorType } from '@aeraki/xds/gen/envoy/type/v3/percent_pb.ts'
import type { AttributeCondition, Destination, KeyValue, RouteMirror, RouteRule } from '../mesh/model.ts'
import { duration } from './common.ts'
import { outboundCluster, routeName } from './names.ts'

export interface RoutesInput {
  readonly host: string
  readonly port: number
  /** Of this port. Undefined: no rule applies to the service. */
  readonly rules: readonly RouteRule[] | undefined
  /** The attribute that a destination's consistent hash asks for. */
  hashAttribute(destination: Destination): string | undefined
}

export function buildRoutes(input: RoutesInput): RouteConfiguration {
  const { host, port, rules } = input
  const routes = rules === undefined ? [defaultRoute(input)] : rules.map((rule) => route(rule, input))
  return create(RouteConfigurationSchema, {
    name: routeName(host, port),
    virtualHosts: [{ name: 'dummy', domains: ['*'], routes }],
  })
}

type RouteInit = MessageInitShape<typeof RouteSchema>

function defaultRoute(input: RoutesInput): RouteInit {
  const destination: Destination = { host: input.host, subset: '', port: undefined }
  return {
    name: 'default',
    match: { pathSpecifier: { case: 'prefix', value: '/' } },
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: clusterOf(destination, input.port) },
        hashPolicy: hashPolicy([destination], input),
      },
    },
  }
}

function route(rule: RouteRule, input: RoutesInput): RouteInit {
  return {
    name: rule.name,
    match: { pathSpecifier: { case: 'prefix', value: '/' }, headers: rule.match.map(headerMatcher) },
    action: { case: 'route', value: action(rule, input) },
    requestHeadersToAdd: rule.requestMutation.map(header),
    responseHeadersToAdd: rule.responseMutation.map(header),
  }
}

function action(rule: RouteRule, input: RoutesInput): MessageInitShape<typeof RouteActionSchema> {
  const { destinations, timeoutMs, mirrors } = rule
  const [only] = destinations
  return {
    clusterSpecifier:
      destinations.length === 1 && only !== undefined
        ? { case: 'cluster', value: clusterOf(only, input.port) }
        : {
            case: 'weightedClusters',
            value: {
              clusters: destinations.map((destination) => ({
                name: clusterOf(destination, input.port),
                weight: destination.weight,
              })),
              totalWeight: destinations.reduce((sum, { weight }) => sum + weight, 0),
            },
          },
    hashPolicy: hashPolicy(destinations, input),
    requestMirrorPolicies: mirrors.map((mirror) => mirrorPolicy(mirror, input.port)),
    ...(timeoutMs === undefined ? {} : { timeout: duration(timeoutMs) }),
  }
}

function clusterOf({ host, subset, port }: Destination, calledPort: number): string {
  return outboundCluster(port ?? calledPort, subset, host)
}

/** One entry for each attribute; the proxy hashes the values of all of them. */
function hashPolicy(destinations: readonly Destination[], input: RoutesInput) {
  const attributes = new Set<string>()
  for (const destination of destinations) {
    const attribute = input.hashAttribute(destination)
    if (attribute !== undefined) attributes.add(attribute)
  }
  return [...attributes].map((headerName) => ({
    policySpecifier: { case: 'header' as const, value: { headerName } },
  }))
}

function mirrorPolicy(
  mirror: RouteMirror,
  calledPort: number,
): MessageInitShape<typeof RouteAction_RequestMirrorPolicySchema> {
  return {
    cluster: clusterOf(mirror, calledPort),
    runtimeFraction: {
      defaultValue: {
        numerator: Math.round(mirror.percent * 10_000),
        denominator: FractionalPercent_DenominatorType.MILLION,
      },
    },
  }
}

function header({ key, value }: KeyValue): MessageInitShape<typeof HeaderValueOptionSchema> {
  return { header: { key, value } }
}

function headerMatcher({ name, matcher, invert }: AttributeCondition): MessageInitShape<typeof HeaderMatcherSchema> {
  return { name, invertMatch: invert, headerMatchSpecifier: specifier(matcher) }
}

type Specifier = NonNullable<MessageInitShape<typeof HeaderMatcherSchema>['headerMatchSpecifier']>

/** The early fields of HeaderMatcher rather than `string_match`: proxies up to 1.4 know them best. */
function specifier(matcher: AttributeCondition['matcher']): Specifier {
  if (matcher.kind === 'exact') return { case: 'exactMatch', value: matcher.value }
  if (matcher.kind === 'prefix') return { case: 'prefixMatch', value: matcher.value }
  if (matcher.kind === 'regex') return { case: 'safeRegexMatch', value: { regex: matcher.pattern } }
  return { case: 'presentMatch', value: true }
}
