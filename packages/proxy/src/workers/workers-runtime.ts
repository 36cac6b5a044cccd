/**
 * Several data paths, each on a thread of its own, as one `Runtime`. Configuration goes to all of them, in the order in
 * which it comes; what they report is joined. All listen on the same addresses, and the kernel spreads connections over
 * them (SO_REUSEPORT): a connection stays with the worker that accepted it.
 *
 * A cluster's limits are for the whole proxy: each worker has its share of them. Everything else that a data path
 * remembers (turns of the load balancer, failures of an endpoint, connections to it) is each worker's own.
 *
 * A worker that fails takes the proxy with it, see `onFailure`.
 */
import type { AerakiError } from '@aeraki/api/errors'
import type { Address, ClusterConfig, EndpointsConfig, ListenerConfig, RouteTableConfig } from '../config/model.ts'
import type { InterceptSockets, InterceptStats } from '../intercept/sockets.ts'
import type { Io } from '../io/io.ts'
import { selectIo } from '../io/select.ts'
import { opensSocket, sameAddresses } from '../listener/binding.ts'
import type { ListenerSnapshot, Runtime, RuntimeSnapshot } from '../runtime.ts'
import { joinEndpoints } from './join-endpoints.ts'
import type { Report } from './messages.ts'
import { Reservations } from './reservations.ts'
import { JoinedStats } from './stats-report.ts'
import { WorkerThread, type PlainOrder, type PlainQuestion } from './thread.ts'

export interface WorkersOptions {
  /** Two or more; `checkConcurrency` says whether they are possible here. */
  readonly count: number
  /** Called once, with the `AerakiError` PROXY_WORKER_FAILED: the others serve on, which is no state to stay in. */
  readonly onFailure: (error: AerakiError) => void
  /** What a worker runs; for tests. */
  readonly program?: URL | undefined
  /** Picks ports and finds out whether they are free; for tests. */
  readonly io?: Io
}

interface ListenerState {
  config: ListenerConfig
  state: ListenerSnapshot['state']
  /** What some worker has bound, at least. */
  bound: Address | undefined
  error: string | undefined
}

/** How long the pages wait for a worker that is busy. */
const reportWithinMs = 2000

/** Rejects with `AerakiError` PROXY_WORKER_FAILED when a worker does not come up. */
export async function startWorkers(options: WorkersOptions): Promise<Runtime> {
  let failed = false
  const onFailure = (error: AerakiError): void => {
    if (failed) return
    failed = true
    options.onFailure(error)
  }
  const indexes = Array.from({ length: options.count }, (_, index) => index)
  const { program } = options
  const starts = await Promise.allSettled(indexes.map((index) => WorkerThread.start({ index, onFailure, program })))
  const threads = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const refused = starts.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
  if (refused !== undefined) {
    await Promise.allSettled(threads.map((thread) => thread.ask({ kind: 'close', graceMs: 0 })))
    throw refused.reason
  }
  return new WorkersRuntime(threads, options.io ?? selectIo())
}

class WorkersRuntime implements Runtime {
  readonly stats: JoinedStats
  readonly #threads: readonly WorkerThread[]
  readonly #reservations: Reservations
  readonly #reports: (Report | undefined)[]
  readonly #listeners = new Map<string, ListenerState>()
  readonly #clusters = new Map<string, ClusterConfig>()
  readonly #endpoints = new Map<string, EndpointsConfig>()
  readonly #tables = new Map<string, RouteTableConfig>()
  /** By then the sockets of removed listeners are closed. */
  #stopped: Promise<void> = Promise.resolve()

  constructor(threads: readonly WorkerThread[], io: Io) {
    this.#threads = threads
    this.#reservations = new Reservations(io)
    this.#reports = threads.map(() => undefined)
    this.stats = new JoinedStats(threads.length)
  }

  async setListener(config: ListenerConfig): Promise<void> {
    let listener = this.#listeners.get(config.name)
    if (listener === undefined) {
      listener = { config, state: 'warming', bound: undefined, error: undefined }
      this.#listeners.set(config.name, listener)
    }
    try {
      await this.#openListener(config, listener)
    } catch (error) {
      // As with one worker: an old one serves on.
      if (listener.state !== 'listening') {
        Object.assign(listener, { config, state: 'failed', error: error instanceof Error ? error.message : error })
      }
      throw error
    }
  }

  async removeListener(name: string, drainMs?: number): Promise<void> {
    const state = this.#listeners.get(name)
    if (state === undefined) return
    this.#listeners.delete(name)
    if (state.bound !== undefined) this.#reservations.release(state.bound)
    const removed = this.#askAll({ kind: 'remove-listener', name, drainMs })
    // A worker that fails says so itself.
    this.#stopped = this.applied().catch(() => undefined)
    await removed
  }

  setRouteTable(table: RouteTableConfig): void {
    this.#tables.set(table.name, table)
    this.#orderAll({ kind: 'set-route-table', table })
  }

  removeRouteTable(name: string): void {
    this.#tables.delete(name)
    this.#orderAll({ kind: 'remove-route-table', name })
  }

  setCluster(config: ClusterConfig): void {
    this.#clusters.set(config.name, config)
    this.#orderAll({ kind: 'set-cluster', cluster: shareOf(config, this.#threads.length) })
  }

  removeCluster(name: string): void {
    this.#clusters.delete(name)
    this.#orderAll({ kind: 'remove-cluster', name })
  }

  setEndpoints(endpoints: EndpointsConfig): void {
    this.#endpoints.set(endpoints.name, endpoints)
    this.#orderAll({ kind: 'set-endpoints', endpoints })
  }

  removeEndpoints(name: string): void {
    this.#endpoints.delete(name)
    this.#orderAll({ kind: 'remove-endpoints', name })
  }

  async applied(): Promise<void> {
    await this.#askAll({ kind: 'applied' })
  }

  async intercept(wanted: number): Promise<InterceptSockets> {
    const { interceptFailed } = await import('../intercept/sockets.ts')
    const { port } = await this.#reservations.probe({ host: '127.0.0.1', port: wanted }).catch((cause: unknown) => {
      throw interceptFailed(wanted, cause)
    })
    await this.#askAll({ kind: 'intercept', port })
    const stats = (): InterceptStats => this.#intercepted()
    return {
      port,
      get stats() {
        return stats()
      },
      serve: (listeners) => this.#orderAll({ kind: 'serve-intercepted', listeners }),
      close: () => this.#askAll({ kind: 'stop-intercepting' }),
    }
  }

  snapshot(): RuntimeSnapshot {
    return {
      listeners: [...this.#listeners.values()].map((listener) => ({
        ...listener,
        connections: this.#sum((report) => report.connections.get(listener.config.name)),
      })),
      clusters: [...this.#clusters.values()].map((config) => ({
        config,
        endpoints: joinEndpoints(
          this.#assignmentOf(config),
          this.#reports.map((report) => report?.endpoints.get(config.name) ?? []),
        ),
      })),
      routeTables: [...this.#tables.values()],
    }
  }

  async refresh(): Promise<void> {
    const reports = this.#threads.map(async (thread, index) => {
      const report = await thread.report()
      this.#reports[index] = report
      // Late ones, too: each builds on the one before.
      this.stats.take(index, report.stats)
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, reportWithinMs)
    })
    // What has failed says so itself.
    await Promise.race([Promise.allSettled(reports), late])
    clearTimeout(timer)
  }

  async close(graceMs: number): Promise<void> {
    await Promise.allSettled(this.#threads.map((thread) => thread.ask({ kind: 'close', graceMs })))
  }

  async #openListener(config: ListenerConfig, listener: ListenerState, attempts = maxAttempts): Promise<void> {
    const old = listener.bound
    const stays = old !== undefined && sameAddresses(config, listener.config)
    const bound = stays ? old : await this.#reserve(config)
    const asReserved = bound === undefined ? config : { ...config, address: bound, substitute: undefined }
    const question = { kind: 'set-listener', config: asReserved } as const
    const results = await Promise.allSettled(this.#threads.map((thread) => thread.ask(question)))
    const failed = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    const nobody = results.every(({ status }) => status === 'rejected')
    const left = nobody ? bound : old
    if (!stays && left !== undefined) this.#reservations.release(left)
    // A port that was free when it was picked may have been taken before the workers were there: another one, then.
    if (nobody && !stays && bound !== undefined && config.address.port === 0 && attempts > 1) {
      await this.#openListener(config, listener, attempts - 1)
      return
    }
    // Where only some could, the address is taken by ourselves: the next attempt has to find it so.
    if (!nobody) Object.assign(listener, { config, bound, state: failed ? 'failed' : 'listening', error: undefined })
    if (failed !== undefined) throw failed.reason
  }

  /** Undefined: it opens no socket. */
  async #reserve(config: ListenerConfig): Promise<Address | undefined> {
    if (!opensSocket(config)) return undefined
    await this.#stopped
    return this.#reservations.reserve(config)
  }

  #assignmentOf({ endpoints }: ClusterConfig): EndpointsConfig | undefined {
    return endpoints.kind === 'static' ? endpoints.assignment : this.#endpoints.get(endpoints.name)
  }

  #intercepted(): InterceptStats {
    return {
      accepted: this.#sum((report) => report.intercepted?.accepted),
      unknown: this.#sum((report) => report.intercepted?.unknown),
    }
  }

  #sum(of: (report: Report) => number | undefined): number {
    return this.#reports.reduce((sum, report) => sum + ((report && of(report)) ?? 0), 0)
  }

  #orderAll(order: PlainOrder): void {
    for (const thread of this.#threads) thread.order(order)
  }

  async #askAll(question: PlainQuestion): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.ask(question)))
  }
}

/** Of a listener that leaves its port to the system. */
const maxAttempts = 5

/** Rounded up: a limit of 1 does not become 0. */
function shareOf(config: ClusterConfig, workers: number): ClusterConfig {
  const { maxConnections, maxPendingRequests, maxRequests } = config.limits
  const share = (limit: number): number => Math.ceil(limit / workers)
  return {
    ...config,
    limits: {
      maxConnections: share(maxConnections),
      maxPendingRequests: share(maxPendingRequests),
      maxRequests: share(maxRequests),
    },
  }
}
