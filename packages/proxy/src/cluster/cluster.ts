/** The servers behind a name, and which of them gets the next request. */
import type { ClusterConfig, EndpointsConfig } from '../config/model.ts'
import type { Core } from '../core.ts'
import type { ClusterSnapshot } from '../runtime.ts'
import type { ClusterTelemetry } from '../stats/istio.ts'
import { TimerEntry } from '../turn/timer-wheel.ts'
import { clusterStats, type ClusterStats } from './cluster-stats.ts'
import { Endpoint, endpointKey } from './endpoint.ts'
import { arrange, HostSet } from './host-set.ts'
import { OutlierDetector, type OutlierHost } from './outlier.ts'
import type { Hash64 } from './xxhash64.ts'

export class Cluster extends TimerEntry implements OutlierHost {
  readonly name: string
  readonly stats: ClusterStats
  readonly endpoints = new Map<string, Endpoint>()
  /** Requests in flight, waiting ones included. */
  activeRequests = 0
  pendingRequests = 0
  mirrorsInFlight = 0
  connections = 0
  /** No longer configured: ends with its last request. */
  removed = false
  /** By `FilterState.index`. */
  readonly telemetry: (ClusterTelemetry | undefined)[] = []
  #config: ClusterConfig
  #assignment: EndpointsConfig
  #hosts: HostSet
  readonly #core: Core
  readonly #outlier = new OutlierDetector(this)

  constructor(core: Core, config: ClusterConfig) {
    super()
    this.#core = core
    this.#config = config
    this.name = config.name
    this.stats = clusterStats(core.stats, config.name)
    this.#assignment = { name: config.name, localities: [] }
    this.#hosts = new HostSet(config, [], core.random)
    this.configure(config)
  }

  get config(): ClusterConfig {
    return this.#config
  }

  configure(config: ClusterConfig): void {
    const { clock, connectionTimers } = this.#core
    this.#config = config
    this.#outlier.configure(config.outlier, clock.now)
    if (config.outlier === undefined) connectionTimers.cancel(this)
    else connectionTimers.start(this, config.outlier.intervalMs)
    this.#arrange()
  }

  /** Endpoints that stay keep their connections, counts and ejections. */
  assign(assignment: EndpointsConfig): void {
    this.#assignment = assignment
    const gone = new Set(this.endpoints.keys())
    for (const locality of assignment.localities) {
      for (const config of locality.endpoints) {
        const key = endpointKey(config.address)
        gone.delete(key)
        let endpoint = this.endpoints.get(key)
        if (endpoint === undefined) {
          endpoint = new Endpoint(config.address)
          this.endpoints.set(key, endpoint)
        }
        endpoint.configure(config, locality)
      }
    }
    for (const key of gone) {
      const endpoint = this.endpoints.get(key)
      this.endpoints.delete(key)
      if (endpoint !== undefined) retire(endpoint)
    }
    this.#arrange()
  }

  choose(hash: Hash64 | undefined): Endpoint | undefined {
    const endpoint = this.#hosts.choose(hash)
    if (endpoint === undefined || endpoint.backoffUntil === 0) return endpoint
    if (this.#core.clock.now >= endpoint.backoffUntil) {
      endpoint.backoffUntil = 0
      return endpoint
    }
    return this.chooseOther([endpoint]) ?? endpoint
  }

  /** One that is none of these, and has not just refused a connection. */
  chooseOther(tried: readonly Endpoint[]): Endpoint | undefined {
    const { now } = this.#core.clock
    return this.#hosts.chooseOther((endpoint) => endpoint.backoffUntil > now || tried.includes(endpoint))
  }

  /** A response came: `failed` when the server said that it could not do what was asked. */
  onResponse(endpoint: Endpoint, failed: boolean): void {
    if (failed) {
      endpoint.failedRequests += 1
      this.#outlier.onFailure(endpoint, false, this.#core.clock.now)
    } else if (endpoint.consecutiveFailures !== 0) {
      endpoint.consecutiveFailures = 0
      endpoint.consecutiveGatewayFailures = 0
    }
  }

  /** No response came: reset, timeout, or no connection. */
  onGatewayFailure(endpoint: Endpoint): void {
    this.#outlier.onFailure(endpoint, true, this.#core.clock.now)
  }

  onConnectFailed(endpoint: Endpoint): void {
    endpoint.backoffUntil = this.#core.clock.now + this.#core.limits.connectBackoffMs
    this.onGatewayFailure(endpoint)
  }

  /** Whether one more connection to this endpoint is within the limits; the first one always is. */
  mayConnect(endpoint: Endpoint): boolean {
    return this.connections < this.#config.limits.maxConnections || endpoint.connections === 0
  }

  ejectionsChanged(ejected: number): void {
    if (ejected > this.stats.ejectionsActive.value) this.stats.ejections.value += 1
    this.stats.ejectionsActive.value = ejected
    this.#arrange()
  }

  onTimer(): void {
    this.#outlier.sweep(this.#core.clock.now)
    const { outlier } = this.#config
    if (outlier !== undefined) this.#core.connectionTimers.start(this, outlier.intervalMs)
  }

  /** The cluster is gone: requests in flight end, no new ones come. */
  retire(): void {
    this.removed = true
    this.#core.connectionTimers.cancel(this)
    for (const endpoint of this.endpoints.values()) retire(endpoint)
    this.endpoints.clear()
    this.#arrange()
    this.#core.stats.remove(this.stats.scope)
    for (const telemetry of this.telemetry) if (telemetry !== undefined) this.#core.stats.remove(telemetry.scope)
  }

  /** Closes all connections; requests in flight fail. */
  destroy(): void {
    this.#core.connectionTimers.cancel(this)
    for (const endpoint of this.endpoints.values()) for (const pool of endpoint.pools) pool.destroy()
    this.retire()
  }

  get snapshot(): ClusterSnapshot {
    return { config: this.#config, endpoints: [...this.endpoints.values()].map((endpoint) => endpoint.snapshot) }
  }

  #arrange(): void {
    const priorities = arrange(this.#assignment, (key) => this.endpoints.get(key), endpointKey)
    this.#hosts = new HostSet(this.#config, priorities, this.#core.random)
    this.stats.membershipTotal.value = this.endpoints.size
    let healthy = 0
    for (const endpoint of this.endpoints.values()) if (endpoint.health === 'healthy' && !endpoint.ejected) healthy += 1
    this.stats.membershipHealthy.value = healthy
  }
}

function retire(endpoint: Endpoint): void {
  endpoint.removed = true
  for (const pool of endpoint.pools) pool.retire()
}
