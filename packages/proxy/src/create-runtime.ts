/** The data path, put together: see runtime.ts for what it can do. */
import { AerakiError } from '@aeraki/api/errors'
import { protocolByName, type Protocol } from '@aeraki/protocols'
import { Cluster } from './cluster/cluster.ts'
import type { ClusterConfig, EndpointsConfig, ListenerConfig, RouteTableConfig } from './config/model.ts'
import type { Core } from './core.ts'
import { Dispatcher } from './exchange/dispatcher.ts'
import { Exchanges } from './exchange/exchanges.ts'
import type { InterceptSockets } from './intercept/sockets.ts'
import type { Connection, ConnectionHandler, Io } from './io/io.ts'
import { selectIo } from './io/select.ts'
import { defaultProxyLimits, type ProxyLimits } from './limits.ts'
import { FilterState, type RouteTableSlot } from './listener/filter.ts'
import { ProxyListener } from './listener/listener.ts'
import { Route, type ClusterSlot } from './route/route.ts'
import { compileRouteTable, type RouteTable } from './route/table.ts'
import type { Runtime, RuntimeSnapshot } from './runtime.ts'
import { filterStats, type FilterStats } from './stats/filter.ts'
import { StatsRegistry } from './stats/registry.ts'
import { BufferPool } from './turn/buffers.ts'
import { Clock } from './turn/clock.ts'
import { Flusher } from './turn/flusher.ts'
import { TimerWheel } from './turn/timer-wheel.ts'

export interface RuntimeOptions {
  /** Default: the driver for what the process runs on. */
  readonly io?: Io
  /** Other data paths of this process are to listen on the same addresses. Default: false. */
  readonly reusePort?: boolean
  readonly limits?: Partial<ProxyLimits>
  /** Default: the catalogue of `@aeraki/protocols`. */
  readonly protocol?: (name: string) => Protocol | undefined
  /** From 0 to 1, not including it; for tests. */
  readonly random?: () => number
}

/** A data path in this thread. */
export interface RealRuntime extends Runtime {
  readonly stats: StatsRegistry
  /**
   * Serves a connection that somebody else has accepted, as if this listener had: the same filter configuration, limits
   * and counters. Undefined: there is no listener of this name.
   */
  accept(listener: string, connection: Connection): ConnectionHandler | undefined
}

export function createRuntime(options: RuntimeOptions = {}): RealRuntime {
  return new DataPath(options)
}

class DataPath implements RealRuntime {
  readonly stats = new StatsRegistry()
  readonly #core: Core
  readonly #protocol: (name: string) => Protocol | undefined
  readonly #listeners = new Map<string, ProxyListener>()
  /** Listeners that were removed and have connections left. */
  readonly #draining = new Set<ProxyListener>()
  readonly #tables = new Map<string, RouteTableSlot>()
  readonly #clusters = new Map<string, ClusterSlot>()
  readonly #endpoints = new Map<string, EndpointsConfig>()
  /** Which clusters each EDS name is for: with ten thousand of them, looking at all would cost each change dearly. */
  readonly #clustersOf = new Map<string, Set<Cluster>>()
  readonly #filterStats = new Map<string, FilterStats>()
  /** Small numbers for reporter and protocol. */
  readonly #telemetryIndexes = new Map<string, number>()

  constructor(options: RuntimeOptions) {
    const clock = new Clock()
    const io = options.io ?? selectIo()
    const parts = {
      io,
      reusePort: options.reusePort ?? false,
      limits: { ...defaultProxyLimits, ...options.limits },
      clock,
      requestTimers: new TimerWheel(clock, 10),
      connectionTimers: new TimerWheel(clock, 250),
      flusher: new Flusher((run) => io.afterReads(run)),
      buffers: new BufferPool(),
      stats: this.stats,
      random: options.random ?? Math.random,
    }
    // These two need the core that they are part of.
    const core = parts as typeof parts & { exchanges: Exchanges; dispatcher: Dispatcher }
    core.exchanges = new Exchanges(core)
    core.dispatcher = new Dispatcher(core)
    this.#core = core
    this.#protocol = options.protocol ?? protocolByName
  }

  async setListener(config: ListenerConfig): Promise<void> {
    const filter = this.#filter(config)
    const known = this.#listeners.get(config.name)
    if (known !== undefined && known.snapshot.state === 'listening') {
      await known.update(config, filter)
      return
    }
    const listener = new ProxyListener(this.#core, config, filter)
    this.#listeners.set(config.name, listener)
    await listener.open()
  }

  async removeListener(name: string, drainMs = this.#core.limits.drainMs): Promise<void> {
    const listener = this.#listeners.get(name)
    if (listener === undefined) return
    this.#listeners.delete(name)
    this.#draining.add(listener)
    await listener.stop()
    await listener.drain(drainMs, this.#core.limits.lingerMs)
    this.#draining.delete(listener)
  }

  setRouteTable(config: RouteTableConfig): void {
    this.#tableSlot(config.name).table = this.#compile(config)
  }

  removeRouteTable(name: string): void {
    const slot = this.#tables.get(name)
    if (slot === undefined) return
    slot.table = undefined
  }

  setCluster(config: ClusterConfig): void {
    const slot = this.#clusterSlot(config.name)
    let { cluster } = slot
    if (cluster === undefined) {
      cluster = new Cluster(this.#core, config)
    } else {
      this.#unlinkEndpoints(cluster)
      cluster.configure(config)
    }
    this.#linkEndpoints(cluster)
    const assignment = this.#assignmentOf(config)
    if (assignment !== undefined) cluster.assign(assignment)
    slot.cluster = cluster
  }

  removeCluster(name: string): void {
    const slot = this.#clusters.get(name)
    if (slot?.cluster === undefined) return
    this.#unlinkEndpoints(slot.cluster)
    slot.cluster.retire()
    slot.cluster = undefined
  }

  setEndpoints(endpoints: EndpointsConfig): void {
    this.#endpoints.set(endpoints.name, endpoints)
    this.#assign(endpoints.name, endpoints)
  }

  removeEndpoints(name: string): void {
    this.#endpoints.delete(name)
    this.#assign(name, { name, localities: [] })
  }

  accept(listener: string, connection: Connection): ConnectionHandler | undefined {
    return this.#listeners.get(listener)?.accept(connection)
  }

  async intercept(port: number): Promise<InterceptSockets> {
    // Few proxies intercept: the others don't load it.
    const [{ openInterceptSockets }, { originalDestination }] = await Promise.all([
      import('./intercept/sockets.ts'),
      import('./intercept/original-destination.ts'),
    ])
    const { io, reusePort } = this.#core
    return openInterceptSockets({
      io,
      port,
      reusePort,
      originalDestination: await originalDestination(),
      accept: (listener, connection) => this.accept(listener, connection),
    })
  }

  snapshot(): RuntimeSnapshot {
    return {
      listeners: [...this.#listeners.values()].map((listener) => listener.snapshot),
      clusters: this.#liveClusters().map((cluster) => cluster.snapshot),
      routeTables: [...this.#tables.values()].flatMap(({ table }) => (table === undefined ? [] : [table.config])),
    }
  }

  async close(graceMs: number): Promise<void> {
    const listeners = [...this.#listeners.values(), ...this.#draining]
    this.#listeners.clear()
    await Promise.all(listeners.map((listener) => listener.stop()))
    await Promise.all(listeners.map((listener) => listener.drain(graceMs, 0)))
    for (const cluster of this.#liveClusters()) cluster.destroy()
    // The last bytes of the last turn.
    this.#core.flusher.run()
    this.#core.requestTimers.stop()
    this.#core.connectionTimers.stop()
  }

  #filter(config: ListenerConfig): FilterState {
    const { filter, direction } = config
    const protocol = this.#protocol(filter.protocol)
    if (protocol === undefined) {
      throw new AerakiError(
        'LISTENER_UNKNOWN_PROTOCOL',
        `listener ${config.name}: there is no protocol "${filter.protocol}" in the catalogue`,
      )
    }
    const reporter = direction === 'inbound' ? 'destination' : 'source'
    return new FilterState(
      protocol,
      this.#routesOf(config),
      config,
      this.#statsOf(protocol, filter.statPrefix),
      this.#telemetryIndex(`${reporter}/${protocol.name}`),
      this.stats,
    )
  }

  #routesOf({ filter }: ListenerConfig): RouteTableSlot {
    const { routes } = filter
    if (routes.kind === 'rds') return this.#tableSlot(routes.name)
    return { name: routes.table.name, table: this.#compile(routes.table) }
  }

  #statsOf(protocol: Protocol, statPrefix: string): FilterStats {
    const key = `${protocol.name}.${statPrefix}`
    let stats = this.#filterStats.get(key)
    if (stats === undefined) {
      stats = filterStats(this.stats, protocol.name, statPrefix)
      this.#filterStats.set(key, stats)
    }
    return stats
  }

  #telemetryIndex(key: string): number {
    const index = this.#telemetryIndexes.get(key) ?? this.#telemetryIndexes.size
    this.#telemetryIndexes.set(key, index)
    return index
  }

  #compile(config: RouteTableConfig): RouteTable<Route> {
    const { requestTimeoutMs } = this.#core.limits
    return compileRouteTable(config, (route) => new Route(route, (name) => this.#clusterSlot(name), requestTimeoutMs))
  }

  #tableSlot(name: string): RouteTableSlot {
    let slot = this.#tables.get(name)
    if (slot === undefined) {
      slot = { name, table: undefined }
      this.#tables.set(name, slot)
    }
    return slot
  }

  #clusterSlot(name: string): ClusterSlot {
    let slot = this.#clusters.get(name)
    if (slot === undefined) {
      slot = { name, cluster: undefined }
      this.#clusters.set(name, slot)
    }
    return slot
  }

  #assignmentOf({ endpoints }: ClusterConfig): EndpointsConfig | undefined {
    return endpoints.kind === 'static' ? endpoints.assignment : this.#endpoints.get(endpoints.name)
  }

  #assign(name: string, assignment: EndpointsConfig): void {
    for (const cluster of this.#clustersOf.get(name) ?? []) cluster.assign(assignment)
  }

  #linkEndpoints(cluster: Cluster): void {
    const { endpoints } = cluster.config
    if (endpoints.kind !== 'eds') return
    const clusters = this.#clustersOf.get(endpoints.name)
    if (clusters === undefined) this.#clustersOf.set(endpoints.name, new Set([cluster]))
    else clusters.add(cluster)
  }

  #unlinkEndpoints(cluster: Cluster): void {
    const { endpoints } = cluster.config
    if (endpoints.kind !== 'eds') return
    const clusters = this.#clustersOf.get(endpoints.name)
    clusters?.delete(cluster)
    if (clusters?.size === 0) this.#clustersOf.delete(endpoints.name)
  }

  #liveClusters(): readonly Cluster[] {
    return [...this.#clusters.values()].flatMap(({ cluster }) => (cluster === undefined ? [] : [cluster]))
  }
}
