/** MetaRouter and VirtualService -> routes over attributes. What can't be kept is reported, and never matches more. */
import { canonicalHost, type ObjectOf, parseDuration, type Specs } from '@aeraki/api'
import { attributeConditions, conditionOf } from '@aeraki/protocols/envoy'
import { originOf, type Reporter, visibilityOf } from './findings.ts'
import type { Destination, KeyValue, RouteMirror, RouteRule, RoutingRule } from './model.ts'

type Routing = Omit<RoutingRule, 'wildcardRank'>
type HttpRoute = NonNullable<Specs['VirtualService']['http']>[number]
type HttpMatch = NonNullable<HttpRoute['match']>[number]
type TcpRoute = NonNullable<Specs['VirtualService']['tcp']>[number]
type DestinationSpec = { readonly host: string; readonly subset?: string; readonly port?: { readonly number: number } }

/** Undefined: it says nothing of routes. */
export function routingOfMetaRouter(object: ObjectOf<'MetaRouter'>): Routing | undefined {
  const { spec, metadata } = object
  if (spec.routes === undefined || spec.routes.length === 0) return undefined
  return {
    origin: originOf(object),
    exportTo: visibilityOf(spec.exportTo, metadata.namespace),
    routes: spec.routes.map((route, index) => ({
      name: route.name ?? `${metadata.name}-${index}`,
      port: undefined,
      match: attributeConditions(route.match?.attributes),
      destinations: withShares(
        route.route.map(({ destination: to, weight }) => ({ ...destination(to), weight: weight ?? 0 })),
      ),
      timeoutMs: milliseconds(route.timeout),
      mirrors: route.mirror === undefined ? [] : [mirror(route.mirror, route.mirrorPercentage?.value)],
      requestMutation: route.requestMutation ?? [],
      responseMutation: route.responseMutation ?? [],
    })),
  }
}

/**
 * Undefined: it says nothing of routes of ours. One whose matches are all left out does say something: that no request
 * matches.
 */
export function routingOfVirtualService(object: ObjectOf<'VirtualService'>, reporter: Reporter): Routing | undefined {
  const { spec, metadata } = object
  // Without gateways a VirtualService is for sidecars, with them only if they are among them.
  if (!isForMesh(spec.gateways)) {
    reporter.report({
      ...unsupported('spec.gateways', 'names no "mesh", and there are no gateways here: the rule is left out'),
      standalone: true,
    })
    return undefined
  }
  const { http = [], tcp = [] } = spec
  if (http.length === 0 && tcp.length === 0) return undefined
  return {
    origin: originOf(object),
    exportTo: visibilityOf(spec.exportTo, metadata.namespace),
    routes:
      http.length > 0
        ? http.flatMap((route, index) => httpRoutes(object, route, index, reporter))
        : tcp.flatMap((route, index) => tcpRoutes(object, route, index, reporter)),
  }
}

/** Fields of a match that our protocols have nothing for. */
const unmatchable = [
  'uri',
  'scheme',
  'authority',
  'queryParams',
  'sourceLabels',
  'sourceNamespace',
] as const satisfies readonly (keyof HttpMatch)[]

function httpRoutes(
  object: ObjectOf<'VirtualService'>,
  route: HttpRoute,
  index: number,
  reporter: Reporter,
): RouteRule[] {
  const field = `spec.http[${index}]`
  const destinations = (route.route ?? []).map(({ destination: to, weight }) => ({
    ...destination(to),
    weight: weight ?? 0,
  }))
  if (destinations.length === 0) {
    reporter.report(unsupported(`${field}.route`, 'is needed: a route without destinations is left out'))
    return []
  }
  const rule = {
    name: route.name ?? `${object.metadata.name}-${index}`,
    destinations: withShares(destinations),
    timeoutMs: milliseconds(route.timeout),
    mirrors: mirrorsOf(route),
    requestMutation: mutation(route.headers?.request),
    responseMutation: mutation(route.headers?.response),
  }
  const matches = route.match ?? []
  if (matches.length === 0) return [{ ...rule, port: undefined, match: [] }]
  return matches.flatMap((match, at) => {
    const where = `${field}.match[${at}]`
    const problem = unmatchable.find((name) => match[name] !== undefined)
    if (problem !== undefined) {
      reporter.report(unsupported(`${where}.${problem}`, 'can never hold for this protocol: the match is left out'))
      return []
    }
    if (!isForMesh(match.gateways)) return []
    const conditions = [
      ...(match.method === undefined ? [] : [conditionOf('method', match.method, false)]),
      ...Object.entries(match.headers ?? {}).map(([name, value]) => conditionOf(name, value, false)),
      ...Object.entries(match.withoutHeaders ?? {}).map(([name, value]) => conditionOf(name, value, true)),
    ]
    return [{ ...rule, port: match.port, match: conditions }]
  })
}

/** A `tcp` route splits by weight and port; it knows no conditions on requests. */
function tcpRoutes(
  object: ObjectOf<'VirtualService'>,
  route: TcpRoute,
  index: number,
  reporter: Reporter,
): RouteRule[] {
  const field = `spec.tcp[${index}]`
  const destinations = (route.route ?? []).map(({ destination: to, weight }) => ({
    ...destination(to),
    weight: weight ?? 0,
  }))
  if (destinations.length === 0) return []
  const rule: RouteRule = {
    name: `${object.metadata.name}-${index}`,
    port: undefined,
    match: [],
    destinations: withShares(destinations),
    timeoutMs: undefined,
    mirrors: [],
    requestMutation: [],
    responseMutation: [],
  }
  const matches = route.match ?? []
  if (matches.length === 0) return [rule]
  return matches.flatMap((match, at) => {
    const problem = (['destinationSubnets', 'sourceSubnet', 'sourceLabels', 'sourceNamespace'] as const).find(
      (name) => match[name] !== undefined,
    )
    if (problem !== undefined) {
      reporter.report(unsupported(`${field}.match[${at}].${problem}`, 'is not supported: the match is left out'))
      return []
    }
    return isForMesh(match.gateways) ? [{ ...rule, port: match.port }] : []
  })
}

function isForMesh(gateways: readonly string[] | undefined): boolean {
  return gateways === undefined || gateways.length === 0 || gateways.includes('mesh')
}

function unsupported(field: string, what: string) {
  return {
    severity: 'warning',
    code: 'MESH_UNSUPPORTED_FIELD',
    field,
    message: `${field.slice(field.lastIndexOf('.') + 1)} ${what}`,
    remedy: 'remove it; docs/control-plane.md lists what is honoured',
  } as const
}

/** Weight 0 gets nothing, as long as another destination gets something. */
function withShares<D extends { readonly weight: number }>(destinations: readonly D[]): readonly D[] {
  const weighted = destinations.filter(({ weight }) => weight > 0)
  return weighted.length > 0 ? weighted : destinations.slice(0, 1)
}

function destination({ host, subset, port }: DestinationSpec): Destination {
  return { host: canonicalHost(host), subset: subset ?? '', port: port?.number }
}

function mirror(to: DestinationSpec, percent: number | undefined): RouteMirror {
  // Aeraki reads 0 as nothing said.
  return { ...destination(to), percent: percent === undefined || percent === 0 ? 100 : percent }
}

function mirrorsOf(route: HttpRoute): RouteMirror[] {
  const percent = route.mirrorPercentage?.value ?? route.mirrorPercent
  const single = route.mirror === undefined || percent === 0 ? [] : [mirror(route.mirror, percent)]
  const several = (route.mirrors ?? []).filter(({ percentage }) => percentage?.value !== 0)
  return [...single, ...several.map(({ destination: to, percentage }) => mirror(to, percentage?.value))]
}

function mutation(operations: { set?: Record<string, string>; add?: Record<string, string> } | undefined): KeyValue[] {
  return Object.entries({ ...operations?.add, ...operations?.set }).map(([key, value]) => ({ key, value }))
}

function milliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text)
}
