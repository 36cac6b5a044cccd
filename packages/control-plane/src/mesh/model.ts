/**
 * The mesh as the control plane thinks of it: services, and what rules say about them. Immutable; made from Istio's and
 * Aeraki's resources by the files beside this one, turned into xDS by translate/. Durations are milliseconds.
 */
import type { Locality } from '@aeraki/api'

/** `<namespace>/<host>`: the same host in two namespaces is two services. */
export type ServiceKey = string

export function serviceKey(namespace: string, host: string): ServiceKey {
  return `${namespace}/${host}`
}

/** One host of the ServiceEntries of one namespace. */
export interface Service {
  readonly key: ServiceKey
  readonly namespace: string
  readonly host: string
  readonly exportTo: Visibility
  readonly resolution: 'static' | 'dns' | 'none'
  /** Where clients reach it. Empty for a host with a wildcard: there is no address to bind. */
  readonly addresses: readonly ServiceAddress[]
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly Endpoint[]
  readonly rules: ServiceRules
}

export interface ServiceAddress {
  readonly address: string
  /** A loopback address to bind where `address` is none of the machine's. Undefined when `address` is loopback. */
  readonly substitute: string | undefined
}

export interface ServicePort {
  readonly number: number
  readonly name: string
  /** Undefined: not a port of ours, no configuration comes of it. */
  readonly protocol: PortProtocol | undefined
}

export interface PortProtocol {
  /** `dubbo`; the name in the catalogue of protocols. */
  readonly name: string
  /** `aeraki.meta_protocol.codec.dubbo`. */
  readonly codec: string
  readonly multiplexing: boolean
}

export interface Endpoint {
  readonly address: string
  /** By service port number. */
  readonly ports: ReadonlyMap<number, number>
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  /** At least 1. */
  readonly weight: number
}

/** Which namespaces see an object. `everyone` is `*` or nothing said. */
export type Visibility =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'namespaces'; readonly namespaces: ReadonlySet<string> }

export function isVisible(visibility: Visibility, namespace: string): boolean {
  return visibility.kind === 'everyone' || visibility.namespaces.has(namespace)
}

/** What is common to everything that comes from an object. */
export interface Origin {
  /** `MetaRouter shop/orders`. */
  readonly id: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** Every rule that may apply to clients of some namespace; selection.ts chooses. */
export interface ServiceRules {
  readonly routing: readonly RoutingRule[]
  /** By host: the service's own, and those of the other hosts that its routes name. */
  readonly destinations: ReadonlyMap<string, HostPolicies>
}

export interface HostPolicies {
  /** That have a service of this host, in order; of the service's own host, its namespace alone. */
  readonly namespaces: readonly string[]
  readonly policies: readonly DestinationPolicy[]
}

/** The routes of a MetaRouter or a VirtualService, for one host. */
export interface RoutingRule {
  readonly origin: Origin
  readonly exportTo: Visibility
  /** How far the rule's host is from the service's: 0 for the very host, then the longer wildcard first. */
  readonly wildcardRank: number
  /** None: no request matches. */
  readonly routes: readonly RouteRule[]
}

export interface RouteRule {
  readonly name: string
  /** Undefined: on every port of the service. */
  readonly port: number | undefined
  /** All must hold; none holds always. */
  readonly match: readonly AttributeCondition[]
  /** At least one. */
  readonly destinations: readonly RouteDestination[]
  /** Undefined: the proxy's default. 0: none. */
  readonly timeoutMs: number | undefined
  readonly mirrors: readonly RouteMirror[]
  readonly requestMutation: readonly KeyValue[]
  readonly responseMutation: readonly KeyValue[]
}

export interface AttributeCondition {
  /** Lower case. */
  readonly name: string
  readonly matcher:
    | { readonly kind: 'exact'; readonly value: string }
    | { readonly kind: 'prefix'; readonly value: string }
    | { readonly kind: 'regex'; readonly pattern: string }
    | { readonly kind: 'present' }
  readonly invert: boolean
}

export interface Destination {
  readonly host: string
  readonly subset: string
  /** Undefined: the number of the port the client called; a host with a single port always has its number. */
  readonly port: number | undefined
}

export interface RouteDestination extends Destination {
  readonly weight: number
}

export interface RouteMirror extends Destination {
  readonly percent: number
}

export interface KeyValue {
  readonly key: string
  readonly value: string
}

/** What one DestinationRule says of one host. */
export interface DestinationPolicy {
  readonly origin: Origin
  readonly exportTo: Visibility
  readonly wildcardRank: number
  readonly policy: TrafficPolicy | undefined
  readonly subsets: readonly Subset[]
}

export interface Subset {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly policy: TrafficPolicy | undefined
}

/** Undefined: nothing said, the default (or the wider policy) counts. */
export interface TrafficPolicy extends PortTrafficPolicy {
  readonly ports: ReadonlyMap<number, PortTrafficPolicy>
}

export interface PortTrafficPolicy {
  readonly loadBalancer: LoadBalancer | undefined
  readonly connectionPool: ConnectionPool | undefined
  readonly outlier: Outlier | undefined
}

export interface LoadBalancer {
  readonly policy: 'round-robin' | 'random' | 'least-request' | 'ring-hash' | 'maglev'
  /** Attribute whose value is hashed. */
  readonly hashAttribute: string | undefined
  readonly minimumRingSize: number | undefined
  readonly maglevTableSize: number | undefined
  readonly locality: LocalitySetting | undefined
}

export interface LocalitySetting {
  readonly enabled: boolean
  readonly distribute: readonly { readonly from: string; readonly to: ReadonlyMap<string, number> }[]
  readonly failover: readonly { readonly from: string; readonly to: string }[]
  /** `label` or `label=value`, most telling first. */
  readonly failoverPriority: readonly string[]
}

export interface ConnectionPool {
  readonly maxConnections: number | undefined
  readonly connectTimeoutMs: number | undefined
  readonly idleTimeoutMs: number | undefined
  readonly maxPendingRequests: number | undefined
  readonly maxRequests: number | undefined
  readonly maxRetries: number | undefined
}

export interface Outlier {
  readonly consecutive5xx: number | undefined
  readonly consecutiveGatewayFailure: number | undefined
  readonly consecutiveLocalOriginFailure: number | undefined
  readonly splitLocalOriginErrors: boolean
  readonly intervalMs: number | undefined
  readonly baseEjectionMs: number | undefined
  readonly maxEjectionPercent: number | undefined
  readonly minHealthPercent: number | undefined
}
