import type { ByteBuffer, Protocol, ReplyTo, ResponseStatus } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { DownstreamConnection } from '../downstream/connection.ts'
import type { FilterState } from '../listener/filter.ts'
import type { Route } from '../route/route.ts'
import { TimerEntry } from '../turn/timer-wheel.ts'
import type { Exchanges } from './exchanges.ts'

/**
 *  - `free`: in the pool, belongs to nobody;
 *  - `routing`: its request is being read;
 *  - `waiting`: for an upstream connection, with its request kept in `kept`;
 *  - `sent`: its request is on its way, a response is expected;
 *  - `ready`: its answer is kept in `kept` until those before it have gone out (protocols with ordered responses).
 */
export type ExchangeState = 'free' | 'routing' | 'waiting' | 'sent' | 'ready'

/**
 * How a request ended; each ends in exactly one way:
 *  - `response`: the client got the server's response;
 *  - `local-reply`: the client got an answer of the proxy;
 *  - `oneway`: sent, there is no answer;
 *  - `reset`: the client went away, or a oneway request could not be sent;
 *  - `mirror`: was a copy, nobody waits for it.
 */
export type Outcome = 'response' | 'local-reply' | 'oneway' | 'reset' | 'mirror'

/** Where a request waits for a response or a connection. */
export interface ExchangeHolder {
  /** The request is given up: a response that still comes is dropped. */
  abandon(exchange: Exchange): void
}

/** All state of a request, from its first byte to its last. Pooled: see `Exchanges`. Its deadline is its timer. */
export class Exchange extends TimerEntry implements ReplyTo {
  state: ExchangeState = 'free'

  idHigh = 0
  idLow = 0
  tag = 0
  operation = ''
  oneway = false

  protocol: Protocol | undefined = undefined
  /** Undefined: a mirrored copy. */
  client: DownstreamConnection | undefined = undefined
  filter: FilterState | undefined = undefined
  route: Route | undefined = undefined
  cluster: Cluster | undefined = undefined
  endpoint: Endpoint | undefined = undefined
  holder: ExchangeHolder | undefined = undefined
  /** The id it has on a multiplexed upstream connection. */
  upstreamId = 0

  startedAt = 0
  /** Endpoints that could not be reached. */
  tried: Endpoint[] | undefined = undefined
  kept: ByteBuffer | undefined = undefined
  /** In state `ready`: how it will have ended. */
  outcome: Outcome = 'response'
  status: ResponseStatus = 'ok'

  /** The client's requests in the order of their arrival. */
  next: Exchange | undefined = undefined
  previous: Exchange | undefined = undefined

  readonly #exchanges: Exchanges

  constructor(exchanges: Exchanges) {
    super()
    this.#exchanges = exchanges
  }

  onTimer(): void {
    this.#exchanges.timeOut(this)
  }
}
