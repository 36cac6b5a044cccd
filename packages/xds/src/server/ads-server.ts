/**
 * The ADS server: gRPC over plaintext HTTP/2, aggregated discovery in both variants, and route discovery on its own as
 * the C++ MetaProtocol Proxy asks for it. Resources come from a `ResourceProvider`.
 */
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import { AggregatedDiscoveryService } from '../gen/envoy/service/discovery/v3/ads_pb.ts'
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import { RouteDiscoveryService } from '../gen/envoy/service/route/v3/rds_pb.ts'
import type { ResourceProvider } from '../provider.ts'
import { typeUrls } from '../type-urls.ts'
import { AdsStream, type StreamLimits } from './ads-stream.ts'
import type { ClientView } from './client-view.ts'
import { Counters } from './counters.ts'
import { DeltaSubscription } from './delta-subscription.ts'
import { keepAlive, type KeepaliveOptions } from './keepalive.ts'
import { SotwSubscription } from './sotw-subscription.ts'
import { Turns } from './turns.ts'

export interface AdsServerOptions {
  readonly provider: ResourceProvider
  /** Port 0 takes a free one: see `AdsServer.address`. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly limits?: Partial<ServerLimits>
  /** HTTP/2 pings to clients. Default: every 30 s, 15 s for the answer. */
  readonly keepalive?: KeepaliveOptions
}

export interface ServerLimits extends StreamLimits {
  /** Bytes of a request. Default 16 MiB. */
  readonly requestBytes: number
  /** Streams on one HTTP/2 connection. Default 1000. */
  readonly streamsPerConnection: number
}

export interface AdsServer {
  readonly address: { readonly host: string; readonly port: number }
  readonly counters: Counters
  /** A snapshot, by stream in the order they were opened. */
  clients(): readonly ClientView[]
  /** Ends all streams and connections and frees the port. */
  close(): Promise<void>
}

/** Resolves when it listens; rejects with `XDS_LISTEN` when it can't. */
export async function createAdsServer(options: AdsServerOptions): Promise<AdsServer> {
  const server = new Server(options)
  await server.listen()
  return server
}

/** How long `close` lets clients read the end of their streams. */
const closingMs = 1000

/** Responses take some 0.2 ms each. */
const streamsPerTurn = 10

const defaults: ServerLimits = {
  types: 64,
  names: 100_000,
  orderingMs: 2000,
  requestBytes: 16 * 1024 * 1024,
  streamsPerConnection: 1000,
}

const log = getLogger(['aeraki', 'xds', 'server'])

type AnyStream =
  | AdsStream<DiscoveryRequest, DiscoveryResponse>
  | AdsStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>

class Server implements AdsServer {
  readonly counters = new Counters()
  readonly #options: AdsServerOptions
  readonly #limits: ServerLimits
  readonly #http: Http2Server
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #streams = new Set<AnyStream>()
  readonly #turns = new Turns(streamsPerTurn)
  #lastStream = 0
  #unsubscribe: () => void = () => {}

  constructor(options: AdsServerOptions) {
    this.#options = options
    this.#limits = { ...defaults, ...options.limits }
    this.#http = createServer({
      settings: { maxConcurrentStreams: this.#limits.streamsPerConnection },
      // Of a connection, in MB: a response with everything for a big mesh has to fit in it.
      maxSessionMemory: 256,
    })
    this.#http.on('session', (session) => this.#onSession(session))
    const handler = connectNodeAdapter({
      routes: (router) => this.#routes(router),
      connect: false,
      grpcWeb: false,
      readMaxBytes: this.#limits.requestBytes,
      contextValues: (request) => {
        const { remoteAddress, remotePort } = request.socket
        return createContextValues().set(peerKey, `${remoteAddress}:${remotePort}`)
      },
    })
    this.#http.on('request', handler)
  }

  get address(): { host: string; port: number } {
    const { address: host, port } = this.#http.address() as AddressInfo
    return { host, port }
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options.listen
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', (cause) => {
        reject(new AerakiError('XDS_LISTEN', `can't listen on ${host}:${port}: ${cause.message}`, { cause }))
      })
      this.#http.listen(port, host, resolve)
    })
    this.#http.on('error', (error) => log.error('the listening socket failed: {error}', { error }))
    this.#unsubscribe = this.#options.provider.onChange((change) => {
      for (const stream of this.#streams) stream.changed(change)
    })
  }

  clients(): readonly ClientView[] {
    return [...this.#streams].map((stream) => stream.view())
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    for (const stream of this.#streams) stream.close()
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()))
    for (const session of this.#sessions) session.close()
    const timer = setTimeout(() => {
      for (const session of this.#sessions) session.destroy()
    }, closingMs)
    await closed
    clearTimeout(timer)
  }

  #onSession(session: ServerHttp2Session): void {
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    session.on('error', (error) => log.debug('connection: {error}', { error }))
    keepAlive(session, this.#options.keepalive ?? { intervalMs: 30_000, timeoutMs: 15_000 })
  }

  #routes(router: ConnectRouter): void {
    router.service(AggregatedDiscoveryService, {
      streamAggregatedResources: (requests, context) => this.#sotw(requests, context, undefined),
      deltaAggregatedResources: (requests, context) => this.#delta(requests, context, undefined),
    })
    router.service(RouteDiscoveryService, {
      streamRoutes: (requests, context) => this.#sotw(requests, context, typeUrls.routes),
      deltaRoutes: (requests, context) => this.#delta(requests, context, typeUrls.routes),
      fetchRoutes: (request, context) => this.#fetch(request, context),
    })
  }

  #sotw(requests: AsyncIterable<DiscoveryRequest>, context: HandlerContext, onlyType: string | undefined) {
    const stream = new AdsStream({
      ...this.#streamOptions(context, onlyType),
      variant: 'state-of-the-world',
      newSubscription: newSotw,
    })
    return this.#serve(stream, stream.run(requests, context.signal))
  }

  #delta(requests: AsyncIterable<DeltaDiscoveryRequest>, context: HandlerContext, onlyType: string | undefined) {
    const stream = new AdsStream({
      ...this.#streamOptions(context, onlyType),
      variant: 'delta',
      newSubscription: newDelta,
    })
    return this.#serve(stream, stream.run(requests, context.signal))
  }

  /** One request, one response: a stream that ends after its first answer. */
  async #fetch(request: DiscoveryRequest, context: HandlerContext): Promise<DiscoveryResponse> {
    async function* once(): AsyncGenerator<DiscoveryRequest> {
      yield { ...request, responseNonce: '', versionInfo: '' }
      await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()))
    }
    for await (const response of this.#sotw(once(), context, typeUrls.routes)) return response
    throw new ConnectError('the server is closing', Code.Unavailable)
  }

  #streamOptions(context: HandlerContext, onlyType: string | undefined) {
    const { provider } = this.#options
    const peer = context.values.get(peerKey)
    const { counters } = this
    const limits = this.#limits
    return { id: ++this.#lastStream, peer, onlyType, provider, counters, limits, turns: this.#turns }
  }

  async *#serve<Response>(stream: AnyStream, responses: AsyncGenerator<Response>): AsyncGenerator<Response> {
    this.#streams.add(stream)
    this.counters.streams++
    this.counters.streamsOpened++
    try {
      yield* responses
    } catch (error) {
      throw this.#asStatus(error, stream.view())
    } finally {
      this.#streams.delete(stream)
      this.counters.streams--
      const { nodeId: node, stream: id } = stream.view()
      log.info('{node} disconnected (stream {id})', { node, id })
    }
  }

  /** What the client is told of an error. */
  #asStatus(error: unknown, { nodeId: node, peer }: ClientView): ConnectError {
    if (error instanceof AerakiError) {
      log.warn('stream of {node} at {peer} refused: {reason}', { node, peer, reason: error.message, code: error.code })
      return new ConnectError(error.message, error.code === 'XDS_LIMIT' ? Code.ResourceExhausted : Code.InvalidArgument)
    }
    if (error instanceof ConnectError) return error
    log.error('stream of {node} at {peer} failed: {error}', { node, peer, error })
    return new ConnectError('internal error', Code.Internal)
  }
}

const newSotw = (typeUrl: string): SotwSubscription => new SotwSubscription(typeUrl)
const newDelta = (typeUrl: string): DeltaSubscription => new DeltaSubscription(typeUrl)
const peerKey = createContextKey('', { description: 'address of the client' })
