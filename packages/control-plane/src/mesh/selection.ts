/**
 * Which of the rules for a service count for clients of a namespace. A rule that its exportTo hides does not exist for
 * them; among the visible ones those of the client's own namespace come first, then those of the service's and of the
 * root namespace. Routes may also come from any other namespace, DestinationRules may not: both as in Istio. Within a
 * namespace the rule for the very host wins over one for a wildcard.
 */
import { protocolByName } from '@aeraki/protocols'
import { envoyProtocolByName } from '@aeraki/protocols/envoy'
import type { Origin, RouteRule, RoutingRule, Service, Subset, TrafficPolicy, Visibility } from './model.ts'
import { isVisible } from './model.ts'

export interface SelectionContext {
  /** Of the client. */
  readonly namespace: string
  readonly rootNamespace: string
}

/** The DestinationRules of one namespace for one host, merged as Istio does: all subsets, the first traffic policy. */
export interface EffectivePolicy {
  readonly origins: readonly Origin[]
  readonly policy: TrafficPolicy | undefined
  readonly subsets: readonly Subset[]
}

const noRules: EffectivePolicy = { origins: [], policy: undefined, subsets: [] }

export function takesVirtualServices(protocol: string): boolean {
  return (protocolByName(protocol) ?? envoyProtocolByName(protocol))?.virtualService === true
}

/** Undefined: no rule applies, the service has its default route. */
function selectRouting(service: Service, protocol: string, context: SelectionContext): RoutingRule | undefined {
  const candidates = service.rules.routing.filter(
    ({ origin }) =>
      origin.kind === 'MetaRouter' || (origin.kind === 'VirtualService' && takesVirtualServices(protocol)),
  )
  const best = nearest(candidates, service.namespace, context).map(({ rule }) => rule)
  return best.find(({ origin }) => origin.kind === 'MetaRouter') ?? best[0]
}

export function selectPolicy(service: Service, host: string, context: SelectionContext): EffectivePolicy {
  const { namespaces = [], policies = [] } = service.rules.destinations.get(host) ?? {}
  const home = namespaces.includes(context.namespace) ? context.namespace : (namespaces[0] ?? '')
  const candidates = nearest(policies, home, context).flatMap(({ rule, isAtHome }) => (isAtHome ? [rule] : []))
  const [first] = candidates
  if (first === undefined) return noRules
  const merged = candidates.filter(
    ({ origin, wildcardRank }) => origin.namespace === first.origin.namespace && wildcardRank === first.wildcardRank,
  )
  const subsets = new Map<string, Subset>()
  for (const subset of merged.flatMap((rule) => rule.subsets)) {
    if (!subsets.has(subset.name)) subsets.set(subset.name, subset)
  }
  return {
    origins: merged.map(({ origin }) => origin),
    policy: merged.find(({ policy }) => policy !== undefined)?.policy,
    subsets: [...subsets.values()],
  }
}

/** What two namespaces must agree in to get the same configuration of this service. */
export function selectionId(service: Service, context: SelectionContext): string {
  const protocols = new Set(service.ports.flatMap(({ protocol }) => (protocol === undefined ? [] : [protocol.name])))
  const routing = [...protocols].map((protocol) => selectRouting(service, protocol, context)?.origin.id ?? '')
  const policies = [...service.rules.destinations.keys()].map((host) =>
    selectPolicy(service, host, context)
      .origins.map(({ id }) => id)
      .join(),
  )
  return [...routing, ...policies].join('|')
}

export function rulesFor(
  service: Service,
  protocol: string,
  port: number,
  context: SelectionContext,
): readonly RouteRule[] | undefined {
  return routingFor(service, protocol, port, context)?.routes
}

/** The rule that holds, with its routes for this port. */
export function routingFor(
  service: Service,
  protocol: string,
  port: number,
  context: SelectionContext,
): { readonly origin: Origin; readonly routes: readonly RouteRule[] } | undefined {
  const rule = selectRouting(service, protocol, context)
  if (rule === undefined) return undefined
  return {
    origin: rule.origin,
    routes: rule.routes.filter((route) => route.port === undefined || route.port === port),
  }
}

interface Rule {
  readonly origin: Origin
  readonly exportTo: Visibility
  readonly wildcardRank: number
}

/** The visible ones, best first; not at home are those of none of the three namespaces. Candidates come in the order of their creation, which decides between equals. */
function nearest<R extends Rule>(
  candidates: readonly R[],
  serviceNamespace: string,
  context: SelectionContext,
): { rule: R; isAtHome: boolean }[] {
  const order = [context.namespace, serviceNamespace, context.rootNamespace]
  const distance = ({ origin }: R): number => {
    const at = order.indexOf(origin.namespace)
    return at === -1 ? order.length : at
  }
  return candidates
    .filter(({ exportTo }) => isVisible(exportTo, context.namespace))
    .toSorted(
      (a, b) =>
        distance(a) - distance(b) || compare(a.origin.namespace, b.origin.namespace) || a.wildcardRank - b.wildcardRank,
    )
    .map((rule) => ({ rule, isAtHome: distance(rule) < order.length }))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
