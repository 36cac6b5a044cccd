/**
 * Outlier detection, as Envoy's for failures in a row: an endpoint with too many is ejected for a while, which grows
 * with each time, but never more than a share of the cluster.
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier
 */
import type { OutlierDetection } from '../config/model.ts'
import type { Endpoint } from './endpoint.ts'

/** The cluster, to outlier detection. */
export interface OutlierHost {
  readonly endpoints: ReadonlyMap<string, Endpoint>
  /** Ejections changed: who is eligible has to be found anew. */
  ejectionsChanged(ejected: number): void
}

export class OutlierDetector {
  readonly #host: OutlierHost
  #config: OutlierDetection | undefined
  #nextSweep = 0

  constructor(host: OutlierHost) {
    this.#host = host
  }

  configure(config: OutlierDetection | undefined, now: number): void {
    this.#config = config
    this.#nextSweep = now + (config?.intervalMs ?? 0)
    if (config === undefined) this.#restoreAll()
  }

  get active(): boolean {
    return this.#config !== undefined
  }

  /** @param gateway the endpoint could not be reached, or did not answer; else it answered with an error */
  onFailure(endpoint: Endpoint, gateway: boolean, now: number): void {
    endpoint.consecutiveFailures += 1
    if (gateway) endpoint.consecutiveGatewayFailures += 1
    else endpoint.consecutiveGatewayFailures = 0
    const config = this.#config
    if (config === undefined || endpoint.ejected || endpoint.removed) return
    const { consecutive5xx, consecutiveGatewayFailure } = config
    const many = consecutive5xx > 0 && endpoint.consecutiveFailures >= consecutive5xx
    const manyGateway =
      consecutiveGatewayFailure > 0 && endpoint.consecutiveGatewayFailures >= consecutiveGatewayFailure
    if (many || manyGateway) this.#eject(endpoint, config, now)
  }

  /** To be called now and then: at least as often as the intervals are to be kept. */
  sweep(now: number): void {
    const config = this.#config
    if (config === undefined || now < this.#nextSweep) return
    this.#nextSweep = now + config.intervalMs
    let changed = false
    for (const endpoint of this.#host.endpoints.values()) {
      if (!endpoint.ejected) {
        if (endpoint.ejections > 0) endpoint.ejections -= 1
      } else if (now >= endpoint.ejectedUntil) {
        restore(endpoint)
        changed = true
      }
    }
    if (changed) this.#host.ejectionsChanged(this.#ejected())
  }

  #eject(endpoint: Endpoint, config: OutlierDetection, now: number): void {
    const ejected = this.#ejected()
    // The first one may always go, as long as anything may.
    if (config.maxEjectionPercent <= 0) return
    if (ejected > 0 && (100 * ejected) / this.#host.endpoints.size >= config.maxEjectionPercent) return
    endpoint.ejected = true
    endpoint.ejections += 1
    const longest = Math.max(config.maxEjectionMs, config.baseEjectionMs)
    endpoint.ejectedUntil = now + Math.min(longest, config.baseEjectionMs * endpoint.ejections)
    this.#host.ejectionsChanged(ejected + 1)
  }

  #ejected(): number {
    let count = 0
    for (const endpoint of this.#host.endpoints.values()) if (endpoint.ejected) count += 1
    return count
  }

  #restoreAll(): void {
    if (this.#ejected() === 0) return
    for (const endpoint of this.#host.endpoints.values()) if (endpoint.ejected) restore(endpoint)
    this.#host.ejectionsChanged(0)
  }
}

function restore(endpoint: Endpoint): void {
  endpoint.ejected = false
  endpoint.consecutiveFailures = 0
  endpoint.consecutiveGatewayFailures = 0
}
