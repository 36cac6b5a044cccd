/** One `MetaProtocolProxy` filter in force: what a listener's connections need of its configuration. */
import type { Protocol } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { ListenerConfig } from '../config/model.ts'
import type { Route } from '../route/route.ts'
import type { RouteTable } from '../route/table.ts'
import type { FilterStats } from '../stats/filter.ts'
import { clusterTelemetry, type ClusterTelemetry } from '../stats/istio.ts'
import type { StatsRegistry } from '../stats/registry.ts'

/** A route table by its name: the object stays, the table in it is swapped. */
export interface RouteTableSlot {
  readonly name: string
  table: RouteTable<Route> | undefined
}

export class FilterState {
  readonly protocol: Protocol
  readonly routes: RouteTableSlot
  readonly idleTimeoutMs: number
  readonly stats: FilterStats
  readonly direction: ListenerConfig['direction']
  /** Small and unique among those in use with the same reporter and protocol: indexes `Cluster.telemetry`. */
  readonly index: number
  readonly #registry: StatsRegistry

  constructor(
    protocol: Protocol,
    routes: RouteTableSlot,
    config: ListenerConfig,
    stats: FilterStats,
    index: number,
    registry: StatsRegistry,
  ) {
    this.protocol = protocol
    this.routes = routes
    this.idleTimeoutMs = config.filter.idleTimeoutMs
    this.stats = stats
    this.direction = config.direction
    this.index = index
    this.#registry = registry
  }

  telemetryFor(cluster: Cluster): ClusterTelemetry {
    const known = cluster.telemetry[this.index]
    if (known !== undefined) return known
    while (cluster.telemetry.length <= this.index) cluster.telemetry.push(undefined)
    const reporter = this.direction === 'inbound' ? 'destination' : 'source'
    const made = clusterTelemetry(this.#registry, reporter, this.protocol.name, cluster.name)
    cluster.telemetry[this.index] = made
    // Its other metrics are gone already, and there may be a new cluster of this name.
    if (cluster.removed) this.#registry.remove(made.scope)
    return made
  }
}
