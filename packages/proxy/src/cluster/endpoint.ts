import type { Address, EndpointConfig, LocalityEndpoints } from '../config/model.ts'
import type { EndpointSnapshot } from '../runtime.ts'
import type { UpstreamPool } from '../upstream/pool.ts'
import type { Balanced } from './balancer.ts'

/**
 * One server of a cluster. The object stays the same as long as the address is in the cluster, whatever else changes, so
 * that connections, counts and ejections go on.
 */
export class Endpoint implements Balanced {
  readonly key: string
  readonly address: Address
  weight = 1
  priority = 0
  region = ''
  zone = ''
  subZone = ''
  health: EndpointConfig['health'] = 'healthy'
  /** No longer in the cluster: its connections end with their requests. */
  removed = false

  connections = 0
  activeRequests = 0
  totalRequests = 0
  failedRequests = 0

  /** Clock time until which no connection is attempted if there are other endpoints. */
  backoffUntil = 0

  /** Failures in a row, for outlier detection. */
  consecutiveFailures = 0
  consecutiveGatewayFailures = 0
  ejected = false
  ejectedUntil = 0
  /** How often it was ejected, less the intervals it has been good since. */
  ejections = 0

  /** One per protocol: nearly always one. */
  readonly pools: UpstreamPool[] = []

  constructor(address: Address) {
    this.address = address
    this.key = endpointKey(address)
  }

  configure(config: EndpointConfig, locality: LocalityEndpoints): void {
    this.weight = Math.max(1, config.weight)
    this.health = config.health
    this.priority = locality.priority
    this.region = locality.region
    this.zone = locality.zone
    this.subZone = locality.subZone
  }

  get snapshot(): EndpointSnapshot {
    return {
      address: this.key,
      priority: this.priority,
      region: this.region,
      zone: this.zone,
      subZone: this.subZone,
      weight: this.weight,
      health: this.ejected && this.health !== 'unhealthy' ? 'ejected' : this.health,
      connections: this.connections,
      activeRequests: this.activeRequests,
      totalRequests: this.totalRequests,
      failedRequests: this.failedRequests,
    }
  }
}

export function endpointKey({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
