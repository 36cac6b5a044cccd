/**
 * The client's subscriptions and the stream that they are on at present. Requests are made when the transport takes
 * one; responses of one type are handled one after the other, those of different types as they come.
 */
import { getLogger } from '@logtape/logtape'
import type { AdsHandler } from '../client-contract.ts'
import type { Node } from '../gen-lean/envoy/config/core/v3/base_pb.ts'
import { Signal } from '../signal.ts'
import type { ClientSubscription } from './client-subscription.ts'

export interface ClientStreamOptions<Request, Response> {
  readonly node: Node
  readonly handler: AdsHandler
  newSubscription(typeUrl: string): ClientSubscription<Request, Response>
  /** Opens the call. Responses end or throw when the stream is over, at the latest when `signal` aborts. */
  call(requests: AsyncIterable<Request>, signal: AbortSignal): AsyncIterable<Response>
}

interface Lane<Request, Response> {
  readonly subscription: ClientSubscription<Request, Response>
  /** Responses that wait for the handler. */
  readonly waiting: Response[]
  handling: boolean
}

/** Responses of one type that may wait for the handler; with more, nothing is read from the stream. */
const maxWaiting = 4
/** Characters of an error that are sent in a NACK. */
const maxReason = 4096

const log = getLogger(['aeraki', 'xds', 'client'])

export class ClientStreams<Request, Response extends { readonly typeUrl: string }> {
  readonly #options: ClientStreamOptions<Request, Response>
  readonly #lanes = new Map<string, Lane<Request, Response>>()
  /** Numbers streams; handlers that end later than theirs are told apart by it. */
  #current = 0
  #outgoing = new Signal()
  #roomForMore = new Signal()

  constructor(options: ClientStreamOptions<Request, Response>) {
    this.#options = options
  }

  subscribe(typeUrl: string, names: readonly string[] | '*'): void {
    let lane = this.#lanes.get(typeUrl)
    if (lane === undefined) {
      lane = { subscription: this.#options.newSubscription(typeUrl), waiting: [], handling: false }
      this.#lanes.set(typeUrl, lane)
    }
    lane.subscription.want(names)
    this.#outgoing.raise()
  }

  /** One stream, from its first request to its end; throws what ended it, if it didn't end in peace. */
  async run(signal: AbortSignal, onResponse: () => void): Promise<void> {
    const stream = ++this.#current
    const over = new AbortController()
    const outgoing = (this.#outgoing = new Signal())
    this.#roomForMore = new Signal()
    const stop = (): void => over.abort(signal.reason)
    signal.addEventListener('abort', stop)
    over.signal.addEventListener('abort', () => outgoing.raise())
    if (signal.aborted) stop()
    for (const lane of this.#lanes.values()) {
      lane.waiting.length = 0
      lane.subscription.restart()
    }
    try {
      for await (const response of this.#options.call(this.#requests(over.signal, outgoing), over.signal)) {
        onResponse()
        await this.#accept(response, stream, over.signal)
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#current++
      over.abort()
    }
  }

  async *#requests(over: AbortSignal, outgoing: Signal): AsyncGenerator<Request> {
    let node: Node | undefined = this.#options.node
    while (!over.aborted) {
      const request = this.#next(node)
      if (request === undefined) {
        await outgoing.wait()
        continue
      }
      node = undefined
      yield request
    }
  }

  /** New subscriptions before answers: a server that waits for an ACK then knows what was asked for because of it. */
  #next(node: Node | undefined): Request | undefined {
    const lanes = [...this.#lanes.values()]
    const turns = [
      ...lanes.filter(({ subscription: { due } }) => due.subscription && !due.answer),
      ...lanes.filter(({ subscription: { due } }) => due.answer),
    ]
    for (const lane of turns) {
      const request = lane.subscription.next(node)
      this.#handleNext(lane, this.#current)
      if (request !== undefined) return request
    }
    return undefined
  }

  async #accept(response: Response, stream: number, over: AbortSignal): Promise<void> {
    const lane = this.#lanes.get(response.typeUrl)
    if (lane === undefined) {
      log.warn('ignored a response of a type that nobody asked for: {typeUrl}', { typeUrl: response.typeUrl })
      return
    }
    lane.waiting.push(response)
    this.#handleNext(lane, stream)
    const room = this.#roomForMore
    const wake = (): void => room.raise()
    over.addEventListener('abort', wake)
    while (lane.waiting.length >= maxWaiting && !over.aborted) await room.wait()
    over.removeEventListener('abort', wake)
  }

  #handleNext(lane: Lane<Request, Response>, stream: number): void {
    if (lane.handling || stream !== this.#current || lane.subscription.due.answer) return
    const response = lane.waiting.shift()
    if (response === undefined) return
    lane.handling = true
    this.#roomForMore.raise()
    void this.#handle(lane, response).then((error) => {
      lane.handling = false
      lane.subscription.answered(response, error, stream === this.#current)
      this.#outgoing.raise()
    })
  }

  /** Returns why the response is refused, if it is. */
  async #handle({ subscription }: Lane<Request, Response>, response: Response): Promise<string | undefined> {
    try {
      const update = subscription.received(response)
      if (update !== undefined) await this.#options.handler.onUpdate(subscription.typeUrl, update)
      return undefined
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, maxReason) || 'refused'
      log.warn('refused an update of {typeUrl}: {reason}', { typeUrl: subscription.typeUrl, reason })
      return reason
    }
  }
}
