/**
 * Where configuration meets the data path. The configuration side (bootstrap, xDS) calls these methods with immutable
 * objects; the data path side swaps them under live connections. Both sides are tested against this contract.
 */
import type { ClusterConfig, EndpointsConfig, ListenerConfig, RouteTableConfig } from './config/model.ts'
import type { InterceptSockets } from './intercept/sockets.ts'

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
   * Opens a port of loopback for connections that the kernel has redirected (transparent interception): each is served
   * as if the listener it was meant for had accepted it. Port 0 picks one. Rejects with `AerakiError`
   * PROXY_INTERCEPT_UNAVAILABLE or PROXY_INTERCEPT_FAILED.
   */
  intercept(port: number): Promise<InterceptSockets>
  /**
   * Resolves when everything that was called before is in force in all workers, except for listeners, which have
   * promises of their own. Undefined: calls take effect at once.
   */
  applied?(): Promise<void>
  /** For the admin pages. */
  snapshot(): RuntimeSnapshot
  /**
   * Asks the workers for what `snapshot` and `stats` show: without it they show connections, requests and statistics as
   * of the last time. Waits 2 s at most. Undefined: they are always up to date.
   */
  refresh?(): Promise<void>
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
