/**
 * What the proxy is told to be, and when it becomes so. Everything goes to the `Runtime` in an order that breaks no
 * request, whatever the order in which it arrives (make before break):
 *
 *  - a route table comes into force once the clusters that it sends requests to have their endpoints;
 *  - a listener opens once its route table is in force, and its clusters have theirs (it is warming until then);
 *  - a cluster whose endpoints get another name changes over once those endpoints are there;
 *  - a cluster is removed once no route table sends requests to it;
 *  - a route table is removed once no listener uses it, endpoints once no cluster does.
 *
 * Every wait is bounded: a table waits `clusterWaitMs` for a cluster that nobody has announced, everything else waits
 * `fetchTimeoutMs` (Envoy's initial_fetch_timeout). After that it goes ahead with what there is.
 */
import { getLogger } from '@logtape/logtape'
import type { Runtime } from '../runtime.ts'
import { resolvePeriodically, type DnsLookup, type DnsResolution } from './dns.ts'
import type { ConvertedCluster } from './from-cluster.ts'
import { clustersOf } from './from-routes.ts'
import type { EndpointsConfig, ListenerConfig, RouteTableConfig } from './model.ts'

export interface ConfigurationOptions {
  /** Default 15,000. */
  readonly fetchTimeoutMs?: number
  /** Default 2,000. */
  readonly clusterWaitMs?: number
  /** Pause before a listener whose address could not be bound is tried again. Default 5,000. */
  readonly bindRetryMs?: number
  /** How long the connections of a removed listener may go on. Default: the runtime's. */
  readonly drainMs?: number
  readonly lookup?: DnsLookup
  /** The listener now serves (undefined), or could not be bound. */
  readonly onListener?: (name: string, error: Error | undefined) => void
  /** A cluster, its endpoints or a listener have been changed or removed in the runtime. May be called often. */
  readonly onChange?: () => void
}

/** What others need to subscribe to. */
export interface Needs {
  readonly endpoints: ReadonlySet<string>
  readonly routeTables: ReadonlySet<string>
}

interface Cluster {
  wanted: ConvertedCluster | undefined
  applied: ConvertedCluster | undefined
  since: number
  dns: DnsResolution | undefined
}

interface WaitingTable {
  readonly wanted: RouteTableConfig
  readonly since: number
}

interface ListenerState {
  wanted: ListenerConfig | undefined
  applied: ListenerConfig | undefined
  since: number
  /** A call to the runtime is under way; the next one starts when it has ended. */
  busy: boolean
  error: Error | undefined
  retryAt: number
}

const log = getLogger(['aeraki', 'proxy', 'config'])

export class Configuration {
  readonly #runtime: Runtime
  readonly #options: ConfigurationOptions
  readonly #fetchTimeoutMs: number
  readonly #clusterWaitMs: number
  readonly #clusters = new Map<string, Cluster>()
  readonly #endpoints = new Map<string, EndpointsConfig>()
  readonly #tables = new Map<string, RouteTableConfig>()
  readonly #waitingTables = new Map<string, WaitingTable>()
  readonly #listeners = new Map<string, ListenerState>()
  /** Names of clusters and listeners that are not yet as they are wanted. */
  readonly #openClusters = new Set<string>()
  readonly #openListeners = new Set<string>()
  /** Removed listeners whose last connections may still use their route tables. */
  readonly #draining = new Set<ListenerConfig>()
  /** How often a route table is used: by listeners as they are wanted, as they serve, and as they drain. */
  readonly #tableUses = new Map<string, number>()
  /** Route tables that have lost their last use since the last look. */
  readonly #leftTables = new Set<string>()
  #endpointsMayBeUnused = false
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #scheduled = false
  #closed = false

  constructor(runtime: Runtime, options: ConfigurationOptions = {}) {
    this.#runtime = runtime
    this.#options = options
    this.#fetchTimeoutMs = options.fetchTimeoutMs ?? 15_000
    this.#clusterWaitMs = options.clusterWaitMs ?? 2000
  }

  setCluster(name: string, cluster: ConvertedCluster): void {
    const state = this.#clusters.get(name) ?? { wanted: undefined, applied: undefined, since: 0, dns: undefined }
    this.#clusters.set(name, state)
    state.wanted = cluster
    state.since = now()
    state.dns?.close()
    state.dns = cluster.dns && this.#resolve(cluster.dns)
    this.#openClusters.add(name)
    this.#advanceSoon()
  }

  removeCluster(name: string): void {
    const state = this.#clusters.get(name)
    if (state === undefined) return
    state.wanted = undefined
    state.since = now()
    this.#openClusters.add(name)
    this.#advanceSoon()
  }

  setEndpoints(endpoints: EndpointsConfig): void {
    if (this.#closed || this.#endpoints.get(endpoints.name) === endpoints) return
    this.#endpoints.set(endpoints.name, endpoints)
    this.#runtime.setEndpoints(endpoints)
    this.#advanceSoon()
  }

  setRouteTable(table: RouteTableConfig): void {
    this.#waitingTables.set(table.name, { wanted: table, since: now() })
    this.#advanceSoon()
  }

  setListener(listener: ListenerConfig): void {
    const state = this.#listeners.get(listener.name) ?? newListener()
    this.#listeners.set(listener.name, state)
    this.#moveUse(state.wanted, listener)
    state.wanted = listener
    state.since = now()
    state.retryAt = 0
    this.#openListeners.add(listener.name)
    this.#advanceSoon()
  }

  removeListener(name: string): void {
    const state = this.#listeners.get(name)
    if (state === undefined) return
    this.#moveUse(state.wanted, undefined)
    state.wanted = undefined
    this.#openListeners.add(name)
    this.#advanceSoon()
  }

  /** Names of endpoints (without those from DNS) and route tables that what is wanted refers to. */
  needs(): Needs {
    const endpoints = new Set<string>()
    const routeTables = new Set<string>()
    for (const { wanted } of this.#clusters.values()) {
      if (wanted?.config.endpoints.kind === 'eds' && wanted.dns === undefined)
        endpoints.add(wanted.config.endpoints.name)
    }
    for (const { wanted } of this.#listeners.values()) {
      if (wanted?.filter.routes.kind === 'rds') routeTables.add(wanted.filter.routes.name)
    }
    return { endpoints, routeTables }
  }

  /** Some listener does not serve yet, and has not failed either. */
  isWarming(): boolean {
    for (const { wanted, applied, error } of this.#listeners.values()) {
      if (wanted !== undefined && wanted !== applied && error === undefined) return true
    }
    return false
  }

  /** Listeners that are not yet as they are wanted, and why. */
  warming(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const [name, state] of this.#listeners) {
      if (state.wanted === undefined || state.wanted === state.applied) continue
      found.set(name, state.error?.message ?? this.#waitsFor(state.wanted) ?? 'opening')
    }
    return found
  }

  /** Nothing more is applied. What is in the runtime stays: closing that is its owner's. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const { dns } of this.#clusters.values()) dns?.close()
  }

  /** Resolves when everything that may be done by now is in force, but for listeners that are being opened. */
  async inForce(): Promise<void> {
    while (this.#scheduled) await Promise.resolve()
    await this.#runtime.applied?.()
  }

  /** Once for all changes of this turn of the event loop. */
  #advanceSoon(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#advance()
    })
  }

  /** Does everything that may be done by now. */
  #advance(): void {
    if (this.#closed) return
    this.#timerAt = Infinity
    for (const name of this.#openClusters) this.#advanceCluster(name)
    this.#advanceTables()
    for (const name of this.#openListeners) this.#advanceListener(name)
    this.#removeUnusedTables()
    this.#removeClusters()
    this.#removeUnusedEndpoints()
    this.#options.onChange?.()
    clearTimeout(this.#timer)
    if (this.#timerAt < Infinity) {
      this.#timer = setTimeout(() => this.#advance(), Math.max(1, Math.ceil(this.#timerAt - now())))
      this.#timer.unref()
    }
  }

  /** Is it time? If not, somebody will look again then. */
  #passed(at: number): boolean {
    if (now() >= at) return true
    this.#timerAt = Math.min(this.#timerAt, at)
    return false
  }

  #advanceCluster(name: string): void {
    const state = this.#clusters.get(name)
    if (state?.wanted === undefined) return
    const { wanted, applied } = state
    const known = this.#hasEndpoints(wanted)
    if (wanted !== applied) {
      // Only a cluster that serves has something to lose by changing over too early.
      const serves = applied !== undefined && this.#hasEndpoints(applied)
      if (serves && !known && !this.#passed(state.since + this.#fetchTimeoutMs)) return
      state.applied = wanted
      this.#runtime.setCluster(wanted.config)
      this.#endpointsMayBeUnused = true
    }
    if (known || this.#passed(state.since + this.#fetchTimeoutMs)) this.#openClusters.delete(name)
  }

  #hasEndpoints(cluster: ConvertedCluster): boolean {
    const source = cluster.config.endpoints
    return source.kind === 'static' || this.#endpoints.has(source.name)
  }

  #advanceTables(): void {
    for (const [name, { wanted, since }] of this.#waitingTables) {
      if (!this.#clustersReady(wanted, since)) continue
      this.#waitingTables.delete(name)
      if (!this.#tableUses.has(name)) continue
      this.#tables.set(name, wanted)
      this.#runtime.setRouteTable(wanted)
    }
  }

  #clustersReady(table: RouteTableConfig, since: number): boolean {
    let ready = true
    for (const name of clustersOf(table)) {
      const cluster = this.#clusters.get(name)
      const serving = cluster?.applied
      if (serving !== undefined && this.#hasEndpoints(serving)) continue
      const limit = cluster === undefined ? this.#clusterWaitMs : this.#fetchTimeoutMs
      if (!this.#passed(since + limit)) ready = false
    }
    return ready
  }

  #advanceListener(name: string): void {
    const state = this.#listeners.get(name)
    if (state === undefined) {
      this.#openListeners.delete(name)
      return
    }
    if (state.busy) return
    const { wanted } = state
    if (wanted === undefined) {
      this.#listeners.delete(name)
      this.#openListeners.delete(name)
      // One that could not be bound is known to the runtime, too.
      if (state.applied !== undefined || state.error !== undefined) this.#drop(name, state.applied)
      return
    }
    if (wanted === state.applied) {
      this.#openListeners.delete(name)
      return
    }
    if (!this.#passed(state.retryAt)) return
    if (this.#waitsFor(wanted, state.since) !== undefined) return
    this.#apply(name, state, wanted)
  }

  /** Undefined: for nothing any more. */
  #waitsFor(listener: ListenerConfig, since = Infinity): string | undefined {
    const { routes } = listener.filter
    if (routes.kind === 'static')
      return this.#clustersReady(routes.table, since) ? undefined : 'endpoints of its clusters'
    if (this.#tables.has(routes.name)) return undefined
    return this.#passed(since + this.#fetchTimeoutMs) ? undefined : `route table "${routes.name}"`
  }

  #apply(name: string, state: ListenerState, wanted: ListenerConfig): void {
    state.busy = true
    this.#runtime.setListener(wanted).then(
      () => {
        this.#moveUse(state.applied, wanted)
        state.applied = wanted
        this.#settled(name, state, undefined)
      },
      (error: unknown) => {
        state.retryAt = now() + (this.#options.bindRetryMs ?? 5000)
        this.#settled(name, state, error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  #settled(name: string, state: ListenerState, error: Error | undefined): void {
    state.busy = false
    // The same failure again is no news.
    if (error !== undefined && state.error?.message !== error.message) {
      log.error('listener {name} could not be opened, and will be tried again: {reason}', {
        name,
        reason: error.message,
      })
    }
    state.error = error
    this.#options.onListener?.(name, error)
    this.#advanceSoon()
  }

  /** Its connections may still have requests, so its table goes when they are gone. */
  #drop(name: string, applied: ListenerConfig | undefined): void {
    if (applied !== undefined) this.#draining.add(applied)
    const done = (): void => {
      if (applied !== undefined) this.#draining.delete(applied)
      this.#moveUse(applied, undefined)
      this.#advanceSoon()
    }
    this.#runtime.removeListener(name, this.#options.drainMs).then(done, (error: unknown) => {
      log.warn('listener {name} could not be removed: {error}', { name, error })
      done()
    })
  }

  /** One configuration of a listener takes the place of another, or of none. */
  #moveUse(from: ListenerConfig | undefined, to: ListenerConfig | undefined): void {
    const left = tableOf(from)
    const entered = tableOf(to)
    if (entered !== undefined) this.#tableUses.set(entered, (this.#tableUses.get(entered) ?? 0) + 1)
    if (left === undefined) return
    const uses = (this.#tableUses.get(left) ?? 0) - 1
    if (uses > 0) {
      this.#tableUses.set(left, uses)
    } else {
      this.#tableUses.delete(left)
      this.#leftTables.add(left)
    }
  }

  #removeUnusedTables(): void {
    for (const name of this.#leftTables) {
      if (!this.#tableUses.has(name) && this.#tables.delete(name)) this.#runtime.removeRouteTable(name)
    }
    this.#leftTables.clear()
  }

  #removeClusters(): void {
    const leaving = [...this.#openClusters].filter((name) => this.#clusters.get(name)?.wanted === undefined)
    if (leaving.length === 0) return
    const used = this.#clustersInUse()
    for (const name of leaving) {
      const state = this.#clusters.get(name)
      if (state !== undefined && used.has(name) && !this.#passed(state.since + this.#fetchTimeoutMs)) continue
      this.#openClusters.delete(name)
      this.#clusters.delete(name)
      state?.dns?.close()
      if (state?.applied === undefined) continue
      this.#runtime.removeCluster(name)
      this.#endpointsMayBeUnused = true
    }
  }

  #clustersInUse(): ReadonlySet<string> {
    const used = new Set<string>()
    const add = (table: RouteTableConfig): void => {
      for (const name of clustersOf(table)) used.add(name)
    }
    for (const table of this.#tables.values()) add(table)
    for (const listener of [...[...this.#listeners.values()].map(({ applied }) => applied), ...this.#draining]) {
      if (listener?.filter.routes.kind === 'static') add(listener.filter.routes.table)
    }
    return used
  }

  #removeUnusedEndpoints(): void {
    if (!this.#endpointsMayBeUnused) return
    this.#endpointsMayBeUnused = false
    const used = new Set<string>()
    for (const { wanted, applied } of this.#clusters.values()) {
      for (const cluster of [wanted, applied]) {
        if (cluster?.config.endpoints.kind === 'eds') used.add(cluster.config.endpoints.name)
      }
    }
    for (const name of this.#endpoints.keys()) {
      if (used.has(name)) continue
      this.#endpoints.delete(name)
      this.#runtime.removeEndpoints(name)
    }
  }

  #resolve(dns: NonNullable<ConvertedCluster['dns']>): DnsResolution {
    return resolvePeriodically(dns, (endpoints) => this.setEndpoints(endpoints), this.#options.lookup)
  }
}

/** The route table that a listener fetches. */
function tableOf(listener: ListenerConfig | undefined): string | undefined {
  return listener?.filter.routes.kind === 'rds' ? listener.filter.routes.name : undefined
}

function newListener(): ListenerState {
  return { wanted: undefined, applied: undefined, since: now(), busy: false, error: undefined, retryAt: 0 }
}

function now(): number {
  return performance.now()
}
