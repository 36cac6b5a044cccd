/**
 * The mesh as the control plane thinks of it: services, and what rules say about them. Immutable; made from Istio's and
 * Aeraki's resources by the files beside this one, turned into xDS by translate/. Durations are milliseconds.
 */
import type { ClientTls, Locality } from '@aeraki/api'
import type { AttributeCondition } from '@aeraki/protocols/envoy'

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
  /** Of its oldest ServiceEntry; some protocols ask for one. */
  readonly annotations: Readonly<Record<string, string>>
  /** The labels of its workloads, in its own namespace. Undefined: nobody says which they are. */
  readonly workloadSelector: Readonly<Record<string, string>> | undefined
  readonly resolution: 'static' | 'dns' | 'none'
  /** Where clients reach it. A host with a wildcard has only those that its entries give. */
  readonly addresses: readonly ServiceAddress[]
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly Endpoint[]
  readonly rules: ServiceRules
}

export interface ServiceAddress {
  readonly address: string
  /** A loopback address to bind where `address` is none of the machine's. Undefined when `address` is loopback. */
  readonly substitute: string | undefined
  /** Given by us, in this process: no ServiceEntry has it. */
  readonly allocated: boolean
}

export interface ServicePort {
  readonly number: number
  readonly name: string
  /** That workloads listen on unless they say otherwise. */
  readonly targetPort: number
  /** What a MetaProtocol Proxy speaks there. Undefined: it has no codec for it, or it is not a port of ours. */
  readonly protocol: PortProtocol | undefined
  /** What a stock Envoy does there: the name in the catalogue of Envoy's sides. Undefined: nothing but TCP. */
  readonly envoy: string | undefined
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

export type { AttributeCondition }

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
  readonly tls: ClientTls | undefined
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
