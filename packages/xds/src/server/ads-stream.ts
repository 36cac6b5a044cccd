/**
 * One stream of one client: hands requests and changes to the subscriptions, and decides which of them speaks next.
 *
 * Responses are made when the transport takes one, never before, so a slow client costs no memory: what changes in the
 * meantime is in the next response. Order between types is make before break, as the protocol asks of an aggregated
 * stream: clusters, endpoints, listeners, routes, other types, and what is removed of clusters and endpoints when
 * everything else has been accepted. Listeners and routes wait for the ACK of clusters and endpoints, but not for ever.
 */
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import type { Node } from '../gen/envoy/config/core/v3/base_pb.ts'
import type { Change, NodeView, Resource, ResourceProvider } from '../provider.ts'
import { Signal } from '../signal.ts'
import { isRouteType, typeUrls } from '../type-urls.ts'
import type { ClientView, Nack, TypeView } from './client-view.ts'
import type { Counters } from './counters.ts'
import { edsName } from '../wire.ts'
import type { Subscription, Verdict } from './subscription.ts'
import type { Turns } from './turns.ts'

export interface StreamOptions<Request, Response> {
  readonly id: number
  readonly variant: ClientView['variant']
  readonly peer: string
  /** The one type of a service that isn't aggregated; requests on it may leave the type URL out. */
  readonly onlyType: string | undefined
  readonly provider: ResourceProvider
  readonly counters: Counters
  readonly limits: StreamLimits
  /** Shared by all streams of a server. */
  readonly turns: Turns
  newSubscription(typeUrl: string): Subscription<Request, Response>
}

export interface StreamLimits {
  /** Types on one stream. Default 64. */
  readonly types: number
  /** Names subscribed of one type. Default 100,000. */
  readonly names: number
  /** How long listeners and routes wait for the ACK of clusters and endpoints, in milliseconds. Default 2000. */
  readonly orderingMs: number
}

interface RequestShape {
  readonly typeUrl: string
  readonly node?: Node | undefined
}

interface TypeState<Request, Response> {
  readonly subscription: Subscription<Request, Response>
  readonly rank: number
  sent: number
  acks: number
  nacks: number
  sentAt: number
  sentVersion: string | undefined
  ackedVersion: string | undefined
  lastNack: Nack | undefined
}

/** Characters of a NACK's reason that are kept. */
const maxReason = 4096

const log = getLogger(['aeraki', 'xds', 'server'])

/** The order of types. Up to `endpoints` they hold back listeners and routes until they are acknowledged. */
const ranks = { cluster: 0, endpoints: 1, listener: 2, routes: 3, unordered: 4 } as const

function rankOf(typeUrl: string): number {
  if (typeUrl === typeUrls.cluster) return ranks.cluster
  if (typeUrl === typeUrls.endpoints) return ranks.endpoints
  if (typeUrl === typeUrls.listener) return ranks.listener
  return isRouteType(typeUrl) ? ranks.routes : ranks.unordered
}

export class AdsStream<Request extends RequestShape, Response> {
  readonly #options: StreamOptions<Request, Response>
  readonly #types = new Map<string, TypeState<Request, Response>>()
  readonly #signal = new Signal()
  readonly #connectedAt = new Date()
  #node: Node | undefined
  #view: NodeView | undefined
  #nonce = 0
  /** Endpoints of clusters that the last CDS response replaced. */
  #rewarming = new Set<string>()
  #end: { readonly error: unknown } | undefined
  #wakeScheduled = false

  constructor(options: StreamOptions<Request, Response>) {
    this.#options = options
  }

  /** Runs the stream: ends when the requests end, when `signal` aborts or on `close`; throws what the client is told. */
  async *run(requests: AsyncIterable<Request>, signal: AbortSignal): AsyncGenerator<Response> {
    const stop = (): void => this.close()
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    const reading = this.#read(requests)
    try {
      for (;;) {
        if (this.#end !== undefined) break
        // One time for both: what is held back at it has to have its timer.
        const now = performance.now()
        const response = this.#next(now)
        if (response === undefined) await this.#sleep(now)
        else yield response
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.close()
      this.#view?.close()
    }
    // Nobody reads the requests any more, so `reading` isn't awaited: it ends with the transport.
    void reading
    if (this.#end?.error !== undefined) throw this.#end.error
  }

  changed(change: Change): void {
    if (this.#view === undefined || this.#end !== undefined) return
    for (const [typeUrl, names] of change) {
      const subscription = this.#types.get(typeUrl)?.subscription
      if (subscription === undefined) continue
      subscription.changed(names, this.#view)
      if (subscription.owed.changes || subscription.owed.removals) this.#wakeSoon()
    }
  }

  close(): void {
    this.#finish(undefined)
  }

  view(): ClientView {
    const service = this.#options.onlyType === undefined ? 'ads' : 'rds'
    const { id: stream, variant, peer } = this.#options
    const types = [...this.#types.values()].map((state) => typeView(state))
    const node = this.#node
    return { stream, node, nodeId: node?.id ?? '', variant, service, peer, connectedAt: this.#connectedAt, types }
  }

  async #read(requests: AsyncIterable<Request>): Promise<void> {
    try {
      for await (const request of requests) {
        if (this.#end !== undefined) return
        this.#receive(request)
        this.#wakeSoon()
      }
      this.#finish(undefined)
    } catch (error) {
      if (error instanceof AerakiError) this.#options.counters.streamsRefused++
      this.#finish(error)
    }
  }

  #receive(request: Request): void {
    const view = this.#connect(request)
    const state = this.#state(request)
    const { subscription } = state
    const counters = this.#options.counters.of(subscription.typeUrl)
    counters.requests++
    const verdict = subscription.receive(request, view)
    const names = subscription.names.size
    if (names > this.#options.limits.names) {
      throw new AerakiError(
        'XDS_LIMIT',
        `${names} names of ${subscription.typeUrl}, the limit is ${this.#options.limits.names}`,
      )
    }
    switch (verdict.kind) {
      case 'ack':
        counters.acks++
        this.#acked(state, verdict.version)
        break
      case 'nack':
        counters.nacks++
        this.#nacked(state, verdict)
        break
      case 'stale':
        counters.stale++
        break
      case 'repeat':
        if (subscription.typeUrl === typeUrls.endpoints) this.#rewarm(view)
        break
      case 'subscription':
    }
  }

  #connect(request: Request): NodeView {
    if (this.#view !== undefined) return this.#view
    if (request.node === undefined)
      throw new AerakiError('XDS_NODE_MISSING', 'the first request of a stream has to say the node')
    this.#node = request.node
    this.#view = this.#options.provider.connect(request.node)
    log.info('{node} connected from {peer} ({variant}, stream {stream})', {
      node: request.node.id,
      peer: this.#options.peer,
      variant: this.#options.variant,
      stream: this.#options.id,
    })
    return this.#view
  }

  #state(request: Request): TypeState<Request, Response> {
    const { onlyType, limits } = this.#options
    const typeUrl = request.typeUrl === '' && onlyType !== undefined ? onlyType : request.typeUrl
    if (typeUrl === '') throw new AerakiError('XDS_TYPE_URL', 'a request has no type URL')
    if (onlyType !== undefined && typeUrl !== onlyType) {
      throw new AerakiError('XDS_TYPE_URL', `this service has ${onlyType} only, not ${typeUrl}`)
    }
    const known = this.#types.get(typeUrl)
    if (known !== undefined) return known
    if (this.#types.size >= limits.types)
      throw new AerakiError('XDS_LIMIT', `more than ${limits.types} types on one stream`)
    const state: TypeState<Request, Response> = {
      subscription: this.#options.newSubscription(typeUrl),
      rank: rankOf(typeUrl),
      sent: 0,
      acks: 0,
      nacks: 0,
      sentAt: 0,
      sentVersion: undefined,
      ackedVersion: undefined,
      lastNack: undefined,
    }
    this.#types.set(typeUrl, state)
    return state
  }

  #acked(state: TypeState<Request, Response>, version: string): void {
    state.acks++
    state.ackedVersion = version
    if (state.lastNack !== undefined) state.lastNack = { ...state.lastNack, resolved: true }
  }

  #nacked(state: TypeState<Request, Response>, verdict: Extract<Verdict, { kind: 'nack' }>): void {
    const { version, resources } = verdict
    const reason = verdict.reason.slice(0, maxReason)
    state.nacks++
    state.lastNack = { version, reason, resources, at: new Date(), resolved: false }
    log.warn('{node} refused {typeUrl} version {version}: {reason}', {
      node: this.#node?.id,
      typeUrl: state.subscription.typeUrl,
      version,
      reason,
      resources,
    })
  }

  /**
   * Envoy builds a cluster that has changed anew, and waits with the ACK until that one has its endpoints. In the
   * state-of-the-world variant it asks for them once more, in the other it doesn't: they are sent right behind.
   */
  #noteReplaced(clusters: readonly Resource[], view: NodeView): void {
    this.#rewarming = new Set(clusters.map(({ any }) => edsName(any.value)).filter((name) => name !== undefined))
    if (this.#options.variant === 'delta' && this.#node?.userAgentName === 'envoy') this.#rewarm(view)
  }

  #rewarm(view: NodeView): void {
    this.#types.get(typeUrls.endpoints)?.subscription.resend(this.#rewarming, view)
    this.#rewarming = new Set()
  }

  /** The response whose turn it is. */
  #next(now: number): Response | undefined {
    const view = this.#view
    if (view === undefined) return undefined
    for (const [state, part] of this.#turns(now)) {
      const { subscription } = state
      const outgoing = subscription.next(part, view, String(this.#nonce + 1))
      if (outgoing === undefined) continue
      this.#nonce++
      state.sent++
      state.sentAt = now
      state.sentVersion = outgoing.version
      const counters = this.#options.counters.of(subscription.typeUrl)
      counters.pushes++
      counters.resources += outgoing.resources
      if (subscription.typeUrl === typeUrls.cluster) this.#noteReplaced(outgoing.replaced, view)
      log.debug('{node} is sent {resources} of {typeUrl}, version {version}', {
        node: this.#node?.id,
        typeUrl: subscription.typeUrl,
        version: outgoing.version,
        resources: outgoing.resources,
        removed: outgoing.removed,
      })
      return outgoing.response
    }
    return undefined
  }

  /** Who may speak, first come first served. */
  *#turns(now: number): Generator<[TypeState<Request, Response>, 'changes' | 'everything']> {
    const held = this.#waitMs(ranks.endpoints, now) > 0
    const states = [...this.#types.values()].toSorted((a, b) => a.rank - b.rank)
    for (const state of states) {
      const { owed, inFlight } = state.subscription
      if (inFlight) continue
      if (state.rank <= ranks.endpoints) {
        if (owed.changes) yield [state, 'changes']
      } else if ((owed.changes || owed.removals) && !(held && state.rank <= ranks.routes)) yield [state, 'everything']
    }
    if (this.#waitMs(ranks.routes, now) > 0) return
    for (const state of states) {
      if (state.rank > ranks.endpoints) break
      if (state.subscription.owed.removals && !state.subscription.inFlight) yield [state, 'everything']
    }
  }

  /** How long to wait for the ACKs of types up to this rank, in milliseconds. */
  #waitMs(rank: number, now: number): number {
    let longest = 0
    for (const state of this.#types.values()) {
      if (state.rank <= rank && state.subscription.inFlight)
        longest = Math.max(longest, state.sentAt + this.#options.limits.orderingMs - now)
    }
    return longest
  }

  async #sleep(now: number): Promise<void> {
    const wait = this.#waitMs(ranks.routes, now)
    const timer = wait > 0 ? setTimeout(() => this.#signal.raise(), wait + 1) : undefined
    await this.#signal.wait()
    clearTimeout(timer)
  }

  /** After this turn of the event loop, so that requests and changes that come together are seen together. */
  #wakeSoon(): void {
    if (this.#wakeScheduled) return
    this.#wakeScheduled = true
    this.#options.turns.run(() => {
      this.#wakeScheduled = false
      this.#signal.raise()
    })
  }

  #finish(error: unknown): void {
    this.#end ??= { error }
    this.#signal.raise()
  }
}

function typeView<Request, Response>(state: TypeState<Request, Response>): TypeView {
  const { subscription, sent, acks, nacks, sentVersion, ackedVersion, lastNack } = state
  return {
    typeUrl: subscription.typeUrl,
    wildcard: subscription.isWildcard,
    names: [...subscription.names].sort(),
    sent,
    acks,
    nacks,
    sentVersion,
    ackedVersion,
    pending: subscription.inFlight,
    lastNack,
  }
}
