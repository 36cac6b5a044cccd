/** The sockets that redirected connections arrive at. Each is served by the listener of the address it was meant for. */
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import { formatAddress } from '../config/from-common.ts'
import type { Connection, ConnectionHandler, Io, Listener } from '../io/io.ts'
import type { OriginalDestination } from './original-destination.ts'

export interface InterceptSockets {
  readonly port: number
  readonly stats: InterceptStats
  /** @param listeners names of listeners by `host:port`; connections to any other address are closed */
  serve(listeners: ReadonlyMap<string, string>): void
  close(): Promise<void>
}

export interface InterceptStats {
  /** Connections that were served by a listener. */
  readonly accepted: number
  /** Connections whose original destination has no listener: closed. */
  readonly unknown: number
}

export interface InterceptSocketsOptions {
  readonly io: Io
  /** 0 picks one. */
  readonly port: number
  readonly reusePort: boolean
  readonly originalDestination: OriginalDestination
  /** Serves a connection as the listener of this name. Undefined: there is none. */
  readonly accept: (listener: string, connection: Connection) => ConnectionHandler | undefined
}

const log = getLogger(['aeraki', 'proxy', 'intercept'])

/**
 * Rejects with `AerakiError` PROXY_INTERCEPT_FAILED when the port is taken. A redirected connection arrives at the
 * loopback address of its family.
 */
export async function openInterceptSockets(options: InterceptSocketsOptions): Promise<InterceptSockets> {
  const { io, port, reusePort } = options
  const entrance = new Entrance(options)
  const first = await io
    .listen({ host: '127.0.0.1', port }, { reusePort }, (connection) => entrance.accept(connection, 'v4'))
    .catch((cause: unknown) => {
      throw interceptFailed(port, cause)
    })
  // No IPv6 on this machine means no VIP of it either.
  const second = await io
    .listen({ host: '::1', port: first.address.port }, { reusePort }, (connection) => entrance.accept(connection, 'v6'))
    .catch(() => undefined)
  entrance.opened(second === undefined ? [first] : [first, second])
  return entrance
}

export function interceptFailed(port: number, cause: unknown): AerakiError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new AerakiError('PROXY_INTERCEPT_FAILED', `--intercept ${port}: ${reason}; give another port`, { cause })
}

class Entrance implements InterceptSockets {
  readonly stats = { accepted: 0, unknown: 0 }
  readonly #options: InterceptSocketsOptions
  #sockets: readonly Listener[] = []
  #listeners: ReadonlyMap<string, string> = new Map()

  constructor(options: InterceptSocketsOptions) {
    this.#options = options
  }

  get port(): number {
    return this.#sockets[0]?.address.port ?? 0
  }

  opened(sockets: readonly Listener[]): void {
    this.#sockets = sockets
  }

  serve(listeners: ReadonlyMap<string, string>): void {
    this.#listeners = listeners
  }

  async close(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  accept(connection: Connection, family: 'v4' | 'v6'): ConnectionHandler {
    const { fd } = connection
    const destination = fd === undefined ? undefined : this.#options.originalDestination(fd, family)
    const name = destination && this.#listeners.get(formatAddress(destination))
    const handler = name === undefined ? undefined : this.#options.accept(name, connection)
    if (handler === undefined) {
      this.stats.unknown++
      log.debug('closed a connection to {destination}, which no listener serves', {
        destination: destination === undefined ? 'nobody knows where' : formatAddress(destination),
      })
      return refuse(connection)
    }
    this.stats.accepted++
    return handler
  }
}

function nothing(): void {}

function refuse(connection: Connection): ConnectionHandler {
  // Not inside the driver's call, which does not know its handler yet.
  queueMicrotask(() => connection.destroy())
  return { onOpen: nothing, onData: nothing, onEnd: nothing, onDrain: nothing, onClose: nothing }
}
