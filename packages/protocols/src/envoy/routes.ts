/** What the route tables of several Envoy filters have in common, and what is said where one of them lacks something. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { HeaderMatcherSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_components_pb.ts'
import type { StringMatcherSchema } from '@aeraki/xds/gen/envoy/type/matcher/v3/string_pb.ts'
import type { AttributeCondition, EnvoyPort, EnvoyRoute } from './contract.ts'

type Matcher = AttributeCondition['matcher']

/** A condition on one of the protocol's headers. As everywhere in Envoy, one that is missing matches no inverted value. */
export function headerMatcher({
  name,
  matcher,
  invert,
}: AttributeCondition): MessageInitShape<typeof HeaderMatcherSchema> {
  return {
    name,
    invertMatch: invert,
    headerMatchSpecifier: isPresence(matcher)
      ? { case: 'presentMatch', value: true }
      : { case: 'stringMatch', value: stringMatcher(matcher) },
  }
}

/** Presence is the regular expression that matches everything: a StringMatcher has nothing else for it. */
export function stringMatcher(matcher: Matcher): MessageInitShape<typeof StringMatcherSchema> {
  if (matcher.kind === 'present' || isPresence(matcher)) {
    return { matchPattern: { case: 'safeRegex', value: { regex: '.*' } } }
  }
  if (matcher.kind === 'regex') return { matchPattern: { case: 'safeRegex', value: { regex: matcher.pattern } } }
  return { matchPattern: { case: matcher.kind, value: matcher.value } }
}

/** An exact match on nothing is one on presence, and so is any prefix: Aeraki's rules have always meant it so. */
export function isPresence(matcher: Matcher): boolean {
  return matcher.kind === 'present' || (matcher.kind !== 'regex' && matcher.value === '')
}

/** The parts of a route beside its match and its clusters. */
export type RouteFeature = 'mirrors' | 'timeout' | 'mutation' | 'hash'

interface Feature {
  /** As rules call it. */
  readonly field: string
  readonly lack: string
  in(route: EnvoyRoute): boolean
}

const features: Record<RouteFeature, Feature> = {
  mirrors: { field: 'mirror', lack: 'does not mirror requests', in: ({ mirrors }) => mirrors.length > 0 },
  timeout: {
    field: 'timeout',
    lack: 'has no timeout for requests',
    in: ({ timeoutMs }) => timeoutMs !== undefined && timeoutMs > 0,
  },
  mutation: {
    field: 'headers',
    lack: 'does not change requests or responses',
    in: ({ requestMutation, responseMutation }) => requestMutation.length + responseMutation.length > 0,
  },
  hash: {
    field: 'consistentHash',
    lack: 'does not hash attributes of a request: requests are spread at random',
    in: ({ hashAttributes }) => hashAttributes.length > 0,
  },
}

/** Reports what the routes say and the filter does not have; each once for a port. */
export function reportUnsupported(port: EnvoyPort, filter: string, missing: readonly RouteFeature[]): void {
  for (const feature of missing.map((name) => features[name])) {
    const route = port.routes?.find((each) => feature.in(each))
    if (route === undefined) continue
    const { field, lack } = feature
    port.report(route.origin, {
      severity: 'warning',
      code: 'ENVOY_UNSUPPORTED',
      field: 'spec',
      value: field,
      message: `Envoy's ${filter} ${lack}: ${field} of route ${route.name} has no effect for ${port.host} on sidecars`,
      remedy: 'remove it, or serve the port with the MetaProtocol Proxy (tcp-metaprotocol-...)',
    })
  }
}

/** Envoy's filters for these protocols count no requests against a limit. */
export function reportRateLimits(port: EnvoyPort, filter: string): void {
  const { router, direction, host } = port
  if (router === undefined || direction !== 'inbound') return
  const { kind, metadata } = router
  for (const field of ['localRateLimit', 'globalRateLimit'] as const) {
    if (router.spec[field] === undefined) continue
    port.report(
      { kind, namespace: metadata.namespace, name: metadata.name },
      {
        severity: 'error',
        code: 'ENVOY_UNSUPPORTED_POLICY',
        field: `spec.${field}`,
        message: `Envoy's ${filter} has no rate limits: no request to ${host} is refused`,
        remedy: 'remove it, or serve the port with the MetaProtocol Proxy (tcp-metaprotocol-...)',
      },
    )
  }
}

/** A route with a condition that the filter can't check is left out: it must not match more than its rule says. */
export function reportLeftOut(port: EnvoyPort, route: EnvoyRoute, filter: string, condition: AttributeCondition): void {
  port.report(route.origin, {
    severity: 'error',
    code: 'ENVOY_UNSUPPORTED_MATCH',
    field: 'spec',
    value: condition.name,
    message: `Envoy's ${filter} can't check ${describe(condition)}: route ${route.name} is left out for ${port.host}`,
    remedy: 'write another condition; docs/envoy.md lists what each filter can check',
  })
}

function describe({ name, matcher, invert }: AttributeCondition): string {
  const value = matcher.kind === 'regex' ? ` ${matcher.pattern}` : matcher.kind === 'present' ? '' : ` ${matcher.value}`
  return `${name} ${invert ? 'not ' : ''}${matcher.kind}${value}`
}
