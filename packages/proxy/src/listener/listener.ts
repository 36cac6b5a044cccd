/** A listening socket, and the client connections that came through it. */
import type { ListenerConfig } from '../config/model.ts'
import type { Core } from '../core.ts'
import { DownstreamConnection, type DownstreamOwner } from '../downstream/connection.ts'
import type { Connection, ConnectionHandler, Listener as Socket } from '../io/io.ts'
import type { ListenerSnapshot } from '../runtime.ts'
import { bindEither, opensSocket, sameAddresses } from './binding.ts'
import type { FilterState } from './filter.ts'

/** Takes the data of a connection that was refused. */
const refused: ConnectionHandler = {
  onOpen: () => undefined,
  onData: () => undefined,
  onEnd: () => undefined,
  onDrain: () => undefined,
  onClose: () => undefined,
}

export class ProxyListener implements DownstreamOwner {
  #config: ListenerConfig
  #filter: FilterState
  #socket: Socket | undefined
  #state: ListenerSnapshot['state'] = 'warming'
  #error: string | undefined
  readonly #core: Core
  readonly #connections = new Set<DownstreamConnection>()
  /** Who waits for the last connection to close: it may be drained anew, and faster, while it is. */
  readonly #onEmpty = new Set<() => void>()

  constructor(core: Core, config: ListenerConfig, filter: FilterState) {
    this.#core = core
    this.#config = config
    this.#filter = filter
  }

  get config(): ListenerConfig {
    return this.#config
  }

  get snapshot(): ListenerSnapshot {
    return {
      config: this.#config,
      state: this.#state,
      bound: this.#socket?.address,
      connections: this.#connections.size,
      error: this.#error,
    }
  }

  get inFlight(): number {
    let count = 0
    for (const connection of this.#connections) count += connection.inFlight
    return count
  }

  /** Opens the socket. Rejects with `AerakiError` LISTENER_BIND_FAILED. */
  async open(): Promise<void> {
    try {
      this.#socket = await this.#bind(this.#config)
      this.#state = 'listening'
      this.#error = undefined
    } catch (error) {
      this.#state = 'failed'
      this.#error = error instanceof Error ? error.message : String(error)
      throw error
    }
  }

  /**
   * Puts a new configuration in force, also for the connections there are. Only another address needs another socket:
   * it is opened before the old one is closed, and if it can't be, everything stays as it was.
   */
  async update(config: ListenerConfig, filter: FilterState): Promise<void> {
    const old = this.#socket
    if ((old === undefined && opensSocket(config)) || !sameAddresses(config, this.#config)) {
      this.#socket = await this.#bind(config)
      this.#state = 'listening'
      this.#error = undefined
      await old?.close()
    }
    this.#config = config
    this.#filter = filter
    for (const connection of this.#connections) {
      // A connection goes on in the protocol that it began in.
      if (connection.filter.protocol === filter.protocol) connection.use(filter)
    }
  }

  async stop(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    await socket?.close()
  }

  /**
   * Serves on for `lingerMs`, as clients learn that the listener is gone no sooner than the proxy does; then closes
   * connections as they become idle, at the latest after `drainMs`. `stop` first.
   */
  async drain(drainMs: number, lingerMs: number): Promise<void> {
    const linger = Math.min(lingerMs, drainMs)
    await this.#emptyWithin(linger)
    for (const connection of this.#connections) connection.closeWhenIdle()
    await this.#emptyWithin(drainMs - linger)
    this.destroy()
  }

  /** Resolves when no connection is left, at the latest after `ms`. */
  async #emptyWithin(ms: number): Promise<void> {
    if (this.#connections.size === 0 || ms <= 0) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#onEmpty.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#onEmpty.add(done)
    })
  }

  destroy(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  onClosed(connection: DownstreamConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) for (const done of this.#onEmpty) done()
  }

  async #bind(config: ListenerConfig): Promise<Socket | undefined> {
    if (!opensSocket(config)) return undefined
    const { io, reusePort } = this.#core
    return bindEither(config, (address) => io.listen(address, { reusePort }, (connection) => this.accept(connection)))
  }

  /** Serves an accepted connection, or closes it where there are too many. */
  accept(connection: Connection): ConnectionHandler {
    if (this.#connections.size >= this.#core.limits.maxConnectionsPerListener) {
      this.#filter.stats.connectionsOverflow.value += 1
      // Not inside the driver's call, which does not know its handler yet.
      queueMicrotask(() => connection.destroy())
      return refused
    }
    const client = new DownstreamConnection(this.#core, connection, this.#filter, this)
    this.#connections.add(client)
    return client
  }
}
