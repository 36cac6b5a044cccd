/**
 * A running proxy: the data path, its configuration from the bootstrap and the control plane, and the admin pages, put
 * together. The process around it (flags, log sinks, signals) is main.ts.
 */
import { getLogger } from '@logtape/logtape'
import type { AerakiError } from '@aeraki/api/errors'
import type { AdsClient, AdsClientOptions } from '@aeraki/xds'
import type { AdminContext } from './admin/context.ts'
import type { Admin } from './admin/server.ts'
import { checkConcurrency } from './concurrency.ts'
import type { Bootstrap } from './config/bootstrap.ts'
import { Configuration, type ConfigurationOptions } from './config/configuration.ts'
import { formatAddress } from './config/from-common.ts'
import type { Address } from './config/model.ts'
import { ResourceLog } from './config/resource-log.ts'
import { Subscriptions } from './config/subscriptions.ts'
import type { Interceptor } from './intercept/interceptor.ts'
import type { LogLevels } from './log-levels.ts'
import type { ListenerSnapshot, Runtime } from './runtime.ts'

export interface ProxyOptions {
  /** From `loadBootstrap` or `bootstrapFromFlags`. */
  readonly bootstrap: Bootstrap
  /** What `/logging` changes; undefined: the process around looks after its log itself. */
  readonly logLevels?: LogLevels | undefined
  readonly configuration?: ConfigurationOptions
  /** Port of transparent interception; 0 picks one. Undefined: none. Needs iptables, and root or CAP_NET_ADMIN. */
  readonly intercept?: number | undefined
  /**
   * Workers, each with a thread and a data path of its own. Default 1: none, the data path is in this thread. More need
   * Linux, and Bun or Node 22.12, 23.1 or later.
   */
  readonly concurrency?: number | undefined
  /**
   * A worker has failed: `AerakiError` PROXY_WORKER_FAILED. Its connections are lost, and the proxy is to be ended.
   * Default: thrown where nobody catches it.
   */
  readonly onFailure?: ((error: AerakiError) => void) | undefined
  /** Where `/ready` and `/stats/prometheus` are for everybody to see. Undefined: nowhere. */
  readonly statusAddress?: Address | undefined
  /** For tests. */
  readonly runtime?: Runtime
  readonly connect?: (options: AdsClientOptions) => AdsClient
}

/** Envoy's names. */
export type ProxyState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING'

export interface RunningProxy {
  /** Undefined: the bootstrap has no admin address. */
  readonly adminAddress: Address | undefined
  readonly statusAddress: Address | undefined
  readonly runtime: Runtime
  readonly state: ProxyState
  /** Resolves when `state` has become LIVE: every listener serves, or has failed, or 15 s have passed. */
  readonly live: Promise<void>
  /** Stops accepting, waits for requests in flight up to `graceMs` (default 5,000), and closes everything. */
  close(graceMs?: number): Promise<void>
}

const log = getLogger(['aeraki', 'proxy'])

/**
 * Rejects with `AerakiError` PROXY_ADMIN_BIND_FAILED, PROXY_INTERCEPT_UNAVAILABLE, PROXY_INTERCEPT_FAILED,
 * PROXY_CONCURRENCY_UNSUPPORTED or PROXY_WORKER_FAILED. Listeners that can't be opened are tried again, not rejected.
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { bootstrap } = options
  const proxy = new Proxy(options, options.runtime ?? (await makeRuntime(options)))
  try {
    if (bootstrap.adminAddress !== undefined) await proxy.startAdmin(bootstrap.adminAddress)
    if (options.statusAddress !== undefined) await proxy.startStatus(options.statusAddress)
    if (options.intercept !== undefined) await proxy.startInterception(options.intercept)
  } catch (error) {
    await proxy.close(0)
    throw error
  }
  await proxy.start()
  return proxy
}

/** One data path in this thread, or several in threads of their own; what is not needed is not loaded. */
async function makeRuntime({ concurrency = 1, onFailure = throwOutside }: ProxyOptions): Promise<Runtime> {
  if (concurrency <= 1) return (await import('./create-runtime.ts')).createRuntime()
  checkConcurrency(concurrency)
  return (await import('./workers/workers-runtime.ts')).startWorkers({ count: concurrency, onFailure })
}

function throwOutside(error: AerakiError): void {
  queueMicrotask(() => {
    throw error
  })
}

class Proxy implements RunningProxy {
  readonly runtime: Runtime
  readonly live: Promise<void>
  readonly #options: ProxyOptions
  readonly #configuration: Configuration
  readonly #resources = new ResourceLog()
  readonly #startedAt = new Date()
  #admin: Admin | undefined
  #status: Admin | undefined
  #client: AdsClient | undefined
  #interceptor: Interceptor | undefined
  #subscriptions: Subscriptions | undefined
  #state: ProxyState = 'PRE_INITIALIZING'
  #becomeLive: () => void = () => undefined
  #fetchTimer: NodeJS.Timeout | undefined
  #fetchTimedOut = false
  readonly #opened = new Set<string>()
  #lookScheduled = false

  constructor(options: ProxyOptions, runtime: Runtime) {
    this.#options = options
    this.runtime = runtime
    this.live = new Promise((resolve) => {
      this.#becomeLive = resolve
    })
    this.#configuration = new Configuration(runtime, {
      ...fetchTimeout(options.bootstrap),
      ...options.configuration,
      onListener: (name, error) => this.#onListener(name, error),
      onChange: () => {
        this.#interceptor?.update()
        options.configuration?.onChange?.()
      },
    })
  }

  get adminAddress(): Address | undefined {
    return this.#admin?.address
  }

  get statusAddress(): Address | undefined {
    return this.#status?.address
  }

  get state(): ProxyState {
    return this.#state
  }

  // What not every proxy needs is loaded by those that do: gRPC's client and the pages take 5 of 75 MB at rest.

  async startAdmin(address: Address): Promise<void> {
    const { startAdmin } = await import('./admin/server.ts')
    this.#admin = await startAdmin(address, this.#context())
    log.info('admin pages on http://{address}/', { address: formatAddress(this.#admin.address) })
  }

  async startStatus(address: Address): Promise<void> {
    const { startStatus } = await import('./admin/server.ts')
    this.#status = await startStatus(address, this.#context())
    log.info('status pages on http://{address}/', { address: formatAddress(this.#status.address) })
  }

  #context(): AdminContext {
    const { bootstrap, logLevels } = this.#options
    return {
      bootstrap,
      logLevels,
      concurrency: this.#options.concurrency ?? 1,
      runtime: this.runtime,
      resources: this.#resources,
      startedAt: this.#startedAt,
      state: () => this.#state,
      controlPlane: () => this.#subscriptions?.state,
      warming: () => this.#configuration.warming(),
      intercepted: () => this.#interceptor?.stats,
    }
  }

  async startInterception(port: number): Promise<void> {
    const { Interceptor } = await import('./intercept/interceptor.ts')
    const { runtime } = this
    this.#interceptor = await Interceptor.start({ runtime, sockets: await runtime.intercept(port) })
  }

  async start(): Promise<void> {
    const { bootstrap, connect } = this.#options
    const createClient = connect ?? (bootstrap.controlPlane && (await import('@aeraki/xds/client')).createAdsClient)
    for (const note of bootstrap.notes) log.warn('bootstrap: {note}', { note })
    for (const { name, any, config } of bootstrap.clusters) {
      this.#resources.accept('cluster', name, { source: 'static', version: '', any })
      this.#configuration.setCluster(name, config)
    }
    for (const { name, any, config } of bootstrap.listeners) {
      this.#resources.accept('listener', name, { source: 'static', version: '', any })
      this.#configuration.setListener(config)
    }
    this.#state = 'INITIALIZING'
    if (bootstrap.controlPlane && createClient) this.#connect(bootstrap.controlPlane, createClient)
    else queueMicrotask(() => this.#checkLive())
  }

  async close(graceMs = 5000): Promise<void> {
    this.#state = 'DRAINING'
    clearTimeout(this.#fetchTimer)
    this.#configuration.close()
    await this.#client?.close()
    // First the redirect goes, so that new connections find their way without this proxy.
    await this.#interceptor?.close()
    await this.runtime.close(graceMs)
    await this.#admin?.close()
    await this.#status?.close()
  }

  #connect(
    controlPlane: NonNullable<Bootstrap['controlPlane']>,
    createClient: NonNullable<ProxyOptions['connect']>,
  ): void {
    this.#subscriptions = new Subscriptions({
      configuration: this.#configuration,
      resources: this.#resources,
      listeners: controlPlane.listeners,
      clusters: controlPlane.clusters,
      controlPlane: controlPlane.target,
    })
    this.#client = createClient({
      target: controlPlane.target,
      node: this.#options.bootstrap.node,
      variant: controlPlane.variant,
      handler: this.#subscriptions,
    })
    this.#subscriptions.start(this.#client)
    this.#subscriptions.onInitialised(() => this.#checkLive())
    this.#fetchTimer = setTimeout(
      () => {
        this.#fetchTimedOut = true
        this.#checkLive()
      },
      fetchTimeout(this.#options.bootstrap).fetchTimeoutMs ?? 15_000,
    )
    this.#fetchTimer.unref()
  }

  /** Thousands of listeners open together at the start: one look at all of them does. */
  #onListener(name: string, error: Error | undefined): void {
    this.#options.configuration?.onListener?.(name, error)
    if (error === undefined) this.#opened.add(name)
    if (this.#lookScheduled) return
    this.#lookScheduled = true
    setImmediate(() => {
      this.#lookScheduled = false
      for (const listener of this.runtime.snapshot().listeners) {
        if (this.#opened.has(listener.config.name)) sayWhereItListens(listener)
      }
      this.#opened.clear()
      this.#interceptor?.update()
      this.#checkLive()
    })
  }

  #checkLive(): void {
    if (this.#state !== 'INITIALIZING') return
    const answered = this.#subscriptions?.initialised ?? true
    if (!this.#fetchTimedOut && (!answered || this.#configuration.isWarming())) return
    if (!answered) log.warn('the control plane has not answered yet: serving without it')
    clearTimeout(this.#fetchTimer)
    this.#state = 'LIVE'
    log.info('live')
    this.#becomeLive()
  }
}

function fetchTimeout(bootstrap: Bootstrap): { readonly fetchTimeoutMs?: number } {
  const value = bootstrap.controlPlane?.fetchTimeoutMs
  return value === undefined ? {} : { fetchTimeoutMs: value }
}

function sayWhereItListens(listener: ListenerSnapshot): void {
  if (listener.bound === undefined) return
  const address = formatAddress(listener.config.address)
  const bound = formatAddress(listener.bound)
  const { direction, name } = listener.config
  if (bound === address || listener.config.address.port === 0) {
    log.info('{direction} listener {name} on {bound}', { direction, name, bound })
  } else {
    log.info(
      '{direction} listener {name} on {bound} instead of {address}, which is no address of this machine: point clients there',
      {
        direction,
        name,
        bound,
        address,
      },
    )
  }
}
