/**
 * The ADS client of `client-contract.ts`: gRPC over HTTP/2, on Node and on Bun. Connects, runs a stream until
 * it breaks, waits, connects again; subscriptions and accepted versions outlive the streams.
 */
import type { SecureClientSessionOptions } from 'node:http2'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import type { AdsClient, AdsClientOptions, ClientState, ClientTls } from '../client-contract.ts'
import { AggregatedDiscoveryService } from '../gen-lean/envoy/service/discovery/v3/ads_pb.ts'
import { Backoff } from './backoff.ts'
import { ClientStreams } from './client-streams.ts'
import { DeltaClientSubscription } from './delta-client-subscription.ts'
import { SotwClientSubscription } from './sotw-client-subscription.ts'

/** Begins to connect at once. Throws `XDS_TARGET` when `target` isn't `host:port`. */
export function createAdsClient(options: AdsClientOptions): AdsClient {
  return new ReconnectingClient(options)
}

const defaultBackoff = { baseMs: 500, maxMs: 30_000 }
const defaultKeepalive = { intervalMs: 10_000, timeoutMs: 5_000 }
const connectTimeoutMs = 5_000
/** How long a connection outlives its stream. */
const lingerMs = 100

const log = getLogger(['aeraki', 'xds', 'client'])

/** The streams of one variant, without their types. */
interface Streams {
  subscribe(typeUrl: string, names: readonly string[] | '*'): void
  run(signal: AbortSignal, onResponse: () => void): Promise<void>
}

class ReconnectingClient implements AdsClient {
  readonly #options: AdsClientOptions
  readonly #url: string
  readonly #backoff: Backoff
  readonly #closing = new AbortController()
  readonly #streams: Streams
  readonly #running: Promise<void>
  #state: ClientState = { kind: 'connecting' }
  #connection: Http2SessionManager | undefined

  constructor(options: AdsClientOptions) {
    this.#options = options
    this.#url = asUrl(options.target, options.tls === undefined ? 'http' : 'https')
    this.#backoff = new Backoff(options.backoff ?? defaultBackoff)
    this.#streams = options.variant === 'delta' ? this.#delta() : this.#sotw()
    this.#running = this.#run()
  }

  get state(): ClientState {
    return this.#state
  }

  subscribe(typeUrl: string, names: readonly string[] | '*'): void {
    this.#streams.subscribe(typeUrl, names)
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'))
    await this.#running
  }

  async #run(): Promise<void> {
    // After the caller has the client in hand, which its handler may need.
    await Promise.resolve()
    const { signal } = this.#closing
    while (!signal.aborted) {
      const end = await this.#attempt(signal)
      if (signal.aborted) break
      const retryInMs = this.#backoff.next()
      this.#enter({ kind: 'waiting', retryInMs, ...end })
      await sleep(retryInMs, signal)
    }
    this.#enter({ kind: 'closed' })
  }

  /** One connection, and the stream on it, to the end. Returns why it ended. */
  async #attempt(signal: AbortSignal): Promise<{ reason: string; status?: string }> {
    this.#enter({ kind: 'connecting' })
    const keepalive = this.#options.keepalive ?? defaultKeepalive
    const connection = new Http2SessionManager(
      this.#url,
      { pingIntervalMs: keepalive.intervalMs, pingTimeoutMs: keepalive.timeoutMs },
      tlsOptions(this.#options.tls),
    )
    this.#connection = connection
    try {
      await connect(connection, signal)
      this.#enter({ kind: 'connected' })
      const connectedAt = performance.now()
      // A server that answers, or one that has nothing new to say but stays, is well.
      try {
        await this.#streams.run(signal, () => this.#backoff.reset())
      } finally {
        if (performance.now() - connectedAt > (this.#options.backoff ?? defaultBackoff).maxMs) this.#backoff.reset()
      }
      return { reason: 'the server ended the stream' }
    } catch (error) {
      if (error instanceof ConnectError) return { reason: error.rawMessage, status: statusName(error.code) }
      return { reason: error instanceof Error ? error.message : String(error) }
    } finally {
      // Not at once: the manager stops listening for errors, and one of a connection that dies just now would be nobody's.
      setTimeout(() => connection.abort(), lingerMs).unref()
    }
  }

  #enter(state: ClientState): void {
    this.#state = state
    try {
      this.#options.handler.onState(state)
    } catch (error) {
      log.error('the handler of state changes failed: {error}', { error })
    }
  }

  #delta(): Streams {
    return new ClientStreams({
      node: this.#options.node,
      handler: this.#options.handler,
      newSubscription: (typeUrl) => new DeltaClientSubscription(typeUrl),
      call: (requests, signal) => this.#service().deltaAggregatedResources(requests, { signal }),
    })
  }

  #sotw(): Streams {
    return new ClientStreams({
      node: this.#options.node,
      handler: this.#options.handler,
      newSubscription: (typeUrl) => new SotwClientSubscription(typeUrl),
      call: (requests, signal) => this.#service().streamAggregatedResources(requests, { signal }),
    })
  }

  #service() {
    const sessionManager = this.#connection
    if (sessionManager === undefined) throw new AerakiError('XDS_DISCONNECTED', 'a stream without a connection')
    return createClient(AggregatedDiscoveryService, createGrpcTransport({ baseUrl: this.#url, sessionManager }))
  }
}

async function connect(connection: Http2SessionManager, signal: AbortSignal): Promise<void> {
  const timeout = new AerakiError('XDS_DISCONNECTED', `no connection within ${connectTimeoutMs} ms`)
  const timer = setTimeout(() => connection.abort(timeout), connectTimeoutMs)
  const stop = (): void => connection.abort()
  signal.addEventListener('abort', stop)
  try {
    if ((await connection.connect()) === 'error') throw connection.error()
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    if (signal.aborted) done()
  })
}

/** As gRPC's documentation spells it. */
function statusName(code: Code): string {
  return (Code[code] ?? 'Unknown').replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase()
}

function tlsOptions(tls: ClientTls | undefined): SecureClientSessionOptions | undefined {
  if (tls === undefined) return undefined
  const { serverName, ...pem } = tls
  return { ...pem, ALPNProtocols: ['h2'], ...(serverName === undefined ? {} : { servername: serverName }) }
}

function asUrl(target: string, scheme: 'http' | 'https'): string {
  const url = URL.canParse(`${scheme}://${target}`) ? new URL(`${scheme}://${target}`) : undefined
  if (url === undefined || url.host === '' || url.pathname !== '/' || !/:\d+$/.test(target)) {
    throw new AerakiError('XDS_TARGET', `"${target}" is no host:port, as in 127.0.0.1:15010 or [::1]:15010`)
  }
  return url.origin
}
