/**
 * The proxy's configuration as the data path sees it: immutable objects, made from xDS resources or from a static
 * bootstrap (config/from-xds.ts), swapped under live connections. Nothing here knows protobuf.
 *
 * Whoever updates makes a new object for what changed and hands it to the `Runtime`; objects that did not change are
 * kept, so that identity means equality.
 */
import type { Mutation } from '@aeraki/protocols'

export interface ListenerConfig {
  readonly name: string
  /** Where clients think they connect: the service's VIP, or the workload's own address for inbound listeners. */
  readonly address: Address
  /** Bound instead where `address` is not an address of this machine. Undefined: then the listener fails, visibly. */
  readonly substitute: Address | undefined
  readonly direction: 'inbound' | 'outbound' | 'unspecified'
  /** Absent: true. False: opens no socket of its own; its connections come from `Runtime.accept` (interception). */
  readonly bindToPort?: boolean
  readonly filter: MetaProtocolConfig
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** One `MetaProtocolProxy` network filter. Durations are milliseconds; 0 means never. */
export interface MetaProtocolConfig {
  readonly statPrefix: string
  /** Name of a protocol in the catalogue. */
  readonly protocol: string
  readonly routes:
    | { readonly kind: 'static'; readonly table: RouteTableConfig }
    | { readonly kind: 'rds'; readonly name: string }
  readonly idleTimeoutMs: number
}

export interface RouteTableConfig {
  readonly name: string
  readonly routes: readonly RouteConfig[]
}

/** First match wins. */
export interface RouteConfig {
  readonly name: string
  /** All must match; none matches everything. */
  readonly match: readonly AttributeMatch[]
  readonly destinations: readonly WeightedDestination[]
  /** Until a response has arrived in full. 0: no limit. Undefined: the proxy's default of 15,000. */
  readonly timeoutMs: number | undefined
  readonly requestMutation: Mutation | undefined
  readonly responseMutation: Mutation | undefined
  /** Attribute names whose values choose the endpoint on ring-hash and maglev clusters. */
  readonly hashPolicy: readonly string[]
  readonly mirrors: readonly MirrorConfig[]
}

export interface AttributeMatch {
  /** Lower case. */
  readonly name: string
  readonly matcher: StringMatcher
  readonly invert: boolean
}

/** `regex` must match the whole value, RE2 syntax. `exact: ''` is what Envoy makes of it: `present`. */
export type StringMatcher =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'present' }

export interface WeightedDestination {
  readonly cluster: string
  /** Share of the sum of all weights. A single destination has any weight. */
  readonly weight: number
}

export interface MirrorConfig {
  readonly cluster: string
  /** 0 to 1. */
  readonly fraction: number
}

export type LoadBalancingPolicy = 'round-robin' | 'random' | 'least-request' | 'ring-hash' | 'maglev'

export interface ClusterConfig {
  readonly name: string
  readonly policy: LoadBalancingPolicy
  readonly connectTimeoutMs: number
  readonly limits: ClusterLimits
  readonly outlier: OutlierDetection | undefined
  /** An endpoint's health share below which lower priorities are used too; Envoy's default 140 (percent). */
  readonly overprovisioningFactor: number
  /** Percent of healthy endpoints below which health is ignored (panic). Istio's default is 0. */
  readonly panicThreshold: number
  /** `static` clusters carry their endpoints; `eds` ones get them by this name. */
  readonly endpoints:
    | { readonly kind: 'static'; readonly assignment: EndpointsConfig }
    | { readonly kind: 'eds'; readonly name: string }
}

export interface ClusterLimits {
  readonly maxConnections: number
  /** Requests waiting for a connection. */
  readonly maxPendingRequests: number
  /** Requests in flight. */
  readonly maxRequests: number
}

export interface OutlierDetection {
  /** Failures in a row that eject an endpoint. 0: never. */
  readonly consecutive5xx: number
  readonly consecutiveGatewayFailure: number
  /** How often ejected endpoints are looked at. */
  readonly intervalMs: number
  /** Times the number of ejections so far: how long an endpoint stays out. */
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  readonly maxEjectionPercent: number
}

/** The endpoints of one cluster. Lower priority numbers are used first. */
export interface EndpointsConfig {
  readonly name: string
  readonly localities: readonly LocalityEndpoints[]
}

export interface LocalityEndpoints {
  readonly region: string
  readonly zone: string
  readonly subZone: string
  readonly priority: number
  /** 0 or undefined: not weighted. */
  readonly weight: number | undefined
  readonly endpoints: readonly EndpointConfig[]
}

export interface EndpointConfig {
  readonly address: Address
  readonly weight: number
  readonly health: 'healthy' | 'degraded' | 'draining' | 'unhealthy'
}
