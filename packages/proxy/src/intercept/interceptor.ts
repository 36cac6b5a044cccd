/**
 * Transparent interception: clients connect to the VIP as ever, the kernel redirects them to one port of the proxy, and
 * the proxy serves each with the listener of the address that it was meant for.
 */
import { isIPv6 } from 'node:net'
import { getLogger } from '@logtape/logtape'
import { formatAddress } from '../config/from-common.ts'
import type { Address } from '../config/model.ts'
import type { Runtime } from '../runtime.ts'
import { RedirectRules } from './redirect-rules.ts'
import type { InterceptSockets, InterceptStats } from './sockets.ts'

export interface InterceptorOptions {
  readonly runtime: Pick<Runtime, 'snapshot'>
  /** Closed with the interceptor. */
  readonly sockets: InterceptSockets
  /** For tests. */
  readonly rules?: (port: number) => Pick<RedirectRules, 'set' | 'remove'>
}

const log = getLogger(['aeraki', 'proxy', 'intercept'])

export class Interceptor {
  readonly #options: InterceptorOptions
  readonly #rules: Pick<RedirectRules, 'set' | 'remove'>
  #inForce = ''
  #work: Promise<void> = Promise.resolve()
  #scheduled = false
  #closed = false

  private constructor(options: InterceptorOptions) {
    this.#options = options
    const { port } = options.sockets
    this.#rules = options.rules?.(port) ?? new RedirectRules(port)
  }

  /** Rejects with `AerakiError` PROXY_INTERCEPT_FAILED when the tables can't be changed. */
  static async start(options: InterceptorOptions): Promise<Interceptor> {
    const interceptor = new Interceptor(options)
    try {
      await interceptor.#rules.set([])
      await interceptor.#sync()
    } catch (error) {
      await interceptor.close()
      throw error
    }
    log.info('intercepting connections to outbound listeners, on port {port}', { port: options.sockets.port })
    return interceptor
  }

  get stats(): InterceptStats {
    return this.#options.sockets.stats
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
    await this.#options.sockets.close()
  }

  async #sync(): Promise<void> {
    if (this.#closed) return
    const { runtime, sockets } = this.#options
    const { listeners, clusters } = runtime.snapshot()
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
    sockets.serve(found)
    const key = [...found.keys()].sort().join('\n')
    if (key === this.#inForce) return
    await this.#rules.set(addresses)
    this.#inForce = key
    log.info('intercepting {count} addresses', { count: addresses.length })
  }
}

/** A VIP on loopback is bound by its listener itself. */
function isLoopback({ host }: Address): boolean {
  return isIPv6(host) ? host === '::1' : host.startsWith('127.')
}
