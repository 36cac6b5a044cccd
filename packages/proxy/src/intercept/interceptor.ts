/**
 * Transparent interception: clients connect to the VIP as ever, the kernel redirects them to one port of the proxy, and
 * the proxy serves each with the listener of the address that it was meant for.
 */
import { isIPv6 } from 'node:net'
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import { formatAddress } from '../config/from-common.ts'
import type { Address } from '../config/model.ts'
import type { Connection, ConnectionHandler, Io, Listener } from '../io/io.ts'
import type { Runtime } from '../runtime.ts'
import type { OriginalDestination } from './original-destination.ts'
import { RedirectRules } from './redirect-rules.ts'

export interface InterceptorOptions {
  readonly io: Io
  readonly runtime: Runtime
  /** 0 picks one. */
  readonly port: number
  readonly originalDestination: OriginalDestination
  /** For tests. */
  readonly rules?: (port: number) => Pick<RedirectRules, 'set' | 'remove'>
}

export interface InterceptStats {
  /** Connections that were served by a listener. */
  readonly accepted: number
  /** Connections whose original destination has no listener: closed. */
  readonly unknown: number
}

const log = getLogger(['aeraki', 'proxy', 'intercept'])

export class Interceptor {
  readonly stats = { accepted: 0, unknown: 0 }
  readonly #options: InterceptorOptions
  readonly #rules: Pick<RedirectRules, 'set' | 'remove'>
  readonly #sockets: readonly Listener[]
  /** Name of the listener by `host:port`. */
  #listeners: ReadonlyMap<string, string> = new Map()
  #inForce = ''
  #work: Promise<void> = Promise.resolve()
  #scheduled = false
  #closed = false

  private constructor(options: InterceptorOptions, port: number, sockets: readonly Listener[]) {
    this.#options = options
    this.#rules = options.rules?.(port) ?? new RedirectRules(port)
    this.#sockets = sockets
  }

  /**
   * Rejects with `AerakiError` PROXY_INTERCEPT_FAILED when the port is taken, or the tables can't be changed.
   * A redirected connection arrives at the loopback address of its family.
   */
  static async start(options: InterceptorOptions): Promise<Interceptor> {
    let interceptor: Interceptor | undefined
    const accept = (family: 'v4' | 'v6') => (connection: Connection) => {
      return interceptor === undefined ? refuse(connection) : interceptor.#accept(connection, family)
    }
    const first = await options.io
      .listen({ host: '127.0.0.1', port: options.port }, {}, accept('v4'))
      .catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new AerakiError('PROXY_INTERCEPT_FAILED', `--intercept ${options.port}: ${reason}; give another port`, {
          cause,
        })
      })
    const { port } = first.address
    // No IPv6 on this machine means no VIP of it either.
    const second = await options.io.listen({ host: '::1', port }, {}, accept('v6')).catch(() => undefined)
    interceptor = new Interceptor(options, port, second === undefined ? [first] : [first, second])
    try {
      await interceptor.#rules.set([])
      await interceptor.#sync()
    } catch (error) {
      await interceptor.close()
      throw error
    }
    log.info('intercepting connections to outbound listeners, on port {port}', { port })
    return interceptor
  }

  /** Call when listeners or endpoints have changed. */
  update(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#work = this.#work
      .then(() => {
        this.#scheduled = false
        return this.#sync()
      })
      .catch((error: unknown) => log.error('the redirect rules could not be changed: {error}', { error }))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#work
    await this.#rules.remove()
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  async #sync(): Promise<void> {
    if (this.#closed) return
    const { listeners, clusters } = this.#options.runtime.snapshot()
    // The proxy's own connections to an endpoint must reach it, also when a service has no VIP but its endpoint.
    const endpoints = new Set(clusters.flatMap((cluster) => cluster.endpoints.map(({ address }) => address)))
    const found = new Map<string, string>()
    const addresses: Address[] = []
    for (const { config } of listeners) {
      const key = formatAddress(config.address)
      if (config.direction !== 'outbound' || isLoopback(config.address) || endpoints.has(key)) continue
      found.set(key, config.name)
      addresses.push(config.address)
    }
    this.#listeners = found
    const key = [...found.keys()].sort().join('\n')
    if (key === this.#inForce) return
    await this.#rules.set(addresses)
    this.#inForce = key
    log.info('intercepting {count} addresses', { count: addresses.length })
  }

  #accept(connection: Connection, family: 'v4' | 'v6'): ConnectionHandler {
    const { fd } = connection
    const destination = fd === undefined ? undefined : this.#options.originalDestination(fd, family)
    const name = destination && this.#listeners.get(formatAddress(destination))
    const handler = name === undefined ? undefined : this.#options.runtime.accept(name, connection)
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

/** A VIP on loopback is bound by its listener itself. */
function isLoopback({ host }: Address): boolean {
  return isIPv6(host) ? host === '::1' : host.startsWith('127.')
}

function nothing(): void {}

function refuse(connection: Connection): ConnectionHandler {
  // Not inside the driver's call, which does not know its handler yet.
  queueMicrotask(() => connection.destroy())
  return { onOpen: nothing, onData: nothing, onEnd: nothing, onDrain: nothing, onClose: nothing }
}
