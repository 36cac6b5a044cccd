/**
 * Where configuration meets the data path. The configuration side (bootstrap, xDS) calls these methods with immutable
 * objects; the data path side swaps them under live connections. Both sides are tested against this contract.
 */
import type { ClusterConfig, EndpointsConfig, ListenerConfig, RouteTableConfig } from './config/model.ts'
import type { Connection, ConnectionHandler } from './io/io.ts'

export interface Runtime {
  /**
   * Makes this listener serve, or replaces the one of this name. Live connections go on under the new filter
   * configuration; only a new address opens a new socket. Rejects with `AerakiError` LISTENER_BIND_FAILED when neither
   * address can be bound, and then the old one serves on.
   */
  setListener(config: ListenerConfig): Promise<void>
  /** Stops accepting. Connections it accepted are closed as they become idle, at the latest after `drainMs`. */
  removeListener(name: string, drainMs?: number): Promise<void>
  /** Takes effect with the next request. Tables are kept by name also before a listener refers to them. */
  setRouteTable(table: RouteTableConfig): void
  removeRouteTable(name: string): void
  /** Replaces; endpoints, ejections and connections of endpoints that stay are kept. */
  setCluster(config: ClusterConfig): void
  removeCluster(name: string): void
  /** By `ClusterConfig.endpoints.name`. Connections to endpoints that left finish their requests, then close. */
  setEndpoints(endpoints: EndpointsConfig): void
  removeEndpoints(name: string): void
  /**
   * Serves a connection that somebody else has accepted (transparent interception), as if this listener had: the same
   * filter configuration, limits and counters. Undefined: there is no listener of this name.
   */
  accept(listener: string, connection: Connection): ConnectionHandler | undefined
  /** For the admin pages. */
  snapshot(): RuntimeSnapshot
  /** What `/stats` shows. Every real runtime has it; optional so that fakes in tests need none. */
  readonly stats?: StatsSource
  /** Stops accepting, waits for requests in flight up to `graceMs`, closes everything. */
  close(graceMs: number): Promise<void>
}

/** The statistics as text; implemented in stats/registry.ts. */
export interface StatsSource {
  /** Envoy's text format: one `name: value` a line, sorted by name; histograms with their quantiles. */
  text(options?: StatsOptions): string
  /** Prometheus' text format 0.0.4, names and labels as Envoy's and Istio's. */
  prometheus(options?: StatsOptions): string
  /** Counters and gauges by name. For `?format=json` and tests. */
  values(): ReadonlyMap<string, number>
}

export interface StatsOptions {
  /** Envoy-style names (`cluster.x.upstream_rq_total`) that this matches anywhere. */
  readonly filter?: RegExp | undefined
  /** Leaves out what was never changed. */
  readonly usedOnly?: boolean | undefined
}

export interface RuntimeSnapshot {
  readonly listeners: readonly ListenerSnapshot[]
  readonly clusters: readonly ClusterSnapshot[]
  readonly routeTables: readonly RouteTableConfig[]
}

export interface ListenerSnapshot {
  readonly config: ListenerConfig
  readonly state: 'warming' | 'listening' | 'failed'
  /** What is really bound: the address, its substitute, or nothing yet. */
  readonly bound: { readonly host: string; readonly port: number } | undefined
  readonly connections: number
  readonly error: string | undefined
}

export interface ClusterSnapshot {
  readonly config: ClusterConfig
  readonly endpoints: readonly EndpointSnapshot[]
}

export interface EndpointSnapshot {
  readonly address: string
  readonly priority: number
  readonly region: string
  readonly zone: string
  readonly subZone: string
  readonly weight: number
  readonly health: 'healthy' | 'degraded' | 'draining' | 'unhealthy' | 'ejected'
  readonly connections: number
  readonly activeRequests: number
  readonly totalRequests: number
  readonly failedRequests: number
}
