/**
 * The life of exchanges. They come from a pool and go back to it; whichever way a request ends, it ends here, through
 * `#finish`, once, and is counted under exactly one outcome.
 */
import type { Frame, LocalErrorType, Protocol, ResponseStatus } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { Core } from '../core.ts'
import type { DownstreamConnection } from '../downstream/connection.ts'
import type { FilterState } from '../listener/filter.ts'
import type { Route } from '../route/route.ts'
import type { FilterStats } from '../stats/filter.ts'
import { Exchange, type Outcome } from './exchange.ts'

const maxPooled = 10_000

export class Exchanges {
  readonly #core: Core
  readonly #pool: Exchange[] = []

  constructor(core: Core) {
    this.#core = core
  }

  /** For a client's request: it is now one of the client's exchanges, and counted as active. */
  begin(client: DownstreamConnection, filter: FilterState, frame: Frame, operation: string): Exchange {
    const exchange = this.#take(filter, frame.kind === 'oneway')
    exchange.idHigh = frame.idHigh
    exchange.idLow = frame.idLow
    exchange.tag = frame.tag
    exchange.operation = operation
    exchange.client = client
    client.link(exchange)
    filter.stats.requestActive.value += 1
    return exchange
  }

  /** For a copy of a request: nobody waits for it. */
  beginMirror(filter: FilterState, route: Route, oneway: boolean): Exchange {
    const exchange = this.#take(filter, oneway)
    exchange.route = route
    return exchange
  }

  /** The request goes to this endpoint. */
  assign(exchange: Exchange, cluster: Cluster, endpoint: Endpoint): void {
    exchange.cluster = cluster
    exchange.endpoint = endpoint
    cluster.activeRequests += 1
    cluster.stats.requestsActive.value += 1
    endpoint.activeRequests += 1
  }

  /** The request could not reach its endpoint and may go to another. */
  unassign(exchange: Exchange): void {
    const { cluster, endpoint } = exchange
    if (cluster === undefined || endpoint === undefined) return
    cluster.activeRequests -= 1
    cluster.stats.requestsActive.value -= 1
    endpoint.activeRequests -= 1
    exchange.endpoint = undefined
  }

  /** The request has been written towards its endpoint. */
  sent(exchange: Exchange): void {
    const { cluster, endpoint } = exchange as { cluster: Cluster; endpoint: Endpoint }
    cluster.stats.requests.value += 1
    endpoint.totalRequests += 1
    if (exchange.oneway) this.#end(exchange, exchange.client === undefined ? 'mirror' : 'oneway')
    else exchange.state = 'sent'
  }

  /**
   * The server's response. The exchange has ended afterwards (or waits only for its turn).
   * Throws `ProtocolError` when the frame turns out malformed, and then nothing has happened to the exchange.
   */
  respond(exchange: Exchange, frame: Frame): void {
    const { status } = frame
    const { client, cluster, endpoint } = exchange as {
      client: DownstreamConnection | undefined
      cluster: Cluster
      endpoint: Endpoint
    }
    if (client === undefined) {
      cluster.onResponse(endpoint, status === 'error')
      cluster.stats.requestsCompleted.value += 1
      this.#finish(exchange, 'mirror')
      return
    }
    const mutation = exchange.route?.responseMutation
    if (client.isNext(exchange)) {
      frame.write(client.output(), exchange.idHigh, exchange.idLow, mutation)
      this.#responded(exchange, cluster, endpoint, status)
      this.#end(exchange, 'response')
    } else {
      const kept = this.#core.buffers.take()
      frame.write(kept, exchange.idHigh, exchange.idLow, mutation)
      this.#responded(exchange, cluster, endpoint, status)
      this.#keepAnswer(exchange, 'response')
      exchange.kept = kept
      client.onHeld(kept.length)
    }
  }

  /** The proxy answers in the server's place, if an answer is expected. The holder has let go of the exchange. */
  fail(exchange: Exchange, type: LocalErrorType, message: string): void {
    const { client, cluster, endpoint, filter } = exchange
    const { stats } = filter as FilterState
    if (cluster !== undefined) {
      if (endpoint !== undefined) endpoint.failedRequests += 1
      if (client !== undefined) (filter as FilterState).telemetryFor(cluster).local(type).value += 1
    }
    stats.localReply[type].value += 1
    if (client === undefined || exchange.oneway) {
      this.#end(exchange, client === undefined ? 'mirror' : 'reset')
      return
    }
    stats.localResponseError.value += 1
    const protocol = exchange.protocol as Protocol
    if (client.isNext(exchange)) {
      protocol.writeError(client.output(), exchange, { type, message })
      this.#end(exchange, 'local-reply')
    } else {
      const kept = this.#core.buffers.take()
      protocol.writeError(kept, exchange, { type, message })
      this.#keepAnswer(exchange, 'local-reply')
      exchange.kept = kept
      client.onHeld(kept.length)
    }
  }

  /** Nobody waits any more: the client is gone. */
  reset(exchange: Exchange): void {
    this.#abandon(exchange)
    this.#finish(exchange, exchange.client === undefined ? 'mirror' : 'reset')
  }

  /** The deadline has come. */
  timeOut(exchange: Exchange): void {
    const { cluster, endpoint, state } = exchange
    const waited = exchange.route?.timeoutMs ?? 0
    if (cluster !== undefined && endpoint !== undefined) {
      cluster.stats.requestsTimedOut.value += 1
      cluster.onGatewayFailure(endpoint)
    }
    this.#abandon(exchange)
    const what = state === 'waiting' ? 'no connection' : 'no response'
    this.fail(exchange, 'timeout', `${what} from ${endpoint?.key ?? 'any endpoint'} within ${waited} ms`)
  }

  #take(filter: FilterState, oneway: boolean): Exchange {
    const exchange = this.#pool.pop() ?? new Exchange(this)
    exchange.state = 'routing'
    exchange.filter = filter
    exchange.protocol = filter.protocol
    exchange.oneway = oneway
    exchange.startedAt = this.#core.clock.now
    return exchange
  }

  #abandon(exchange: Exchange): void {
    const { holder } = exchange
    exchange.holder = undefined
    if (holder !== undefined) holder.abandon(exchange)
  }

  #responded(exchange: Exchange, cluster: Cluster, endpoint: Endpoint, status: ResponseStatus): void {
    const filter = exchange.filter as FilterState
    const { stats } = filter
    const elapsed = this.#core.clock.now - exchange.startedAt
    const telemetry = filter.telemetryFor(cluster)
    stats.response.value += 1
    if (status === 'ok') {
      stats.responseSuccess.value += 1
      telemetry.ok.value += 1
    } else if (status === 'exception') {
      stats.responseBusinessException.value += 1
      telemetry.exception.value += 1
    } else {
      stats.responseError.value += 1
      telemetry.error.value += 1
    }
    telemetry.duration.record(elapsed)
    cluster.stats.requestsCompleted.value += 1
    cluster.onResponse(endpoint, status === 'error')
  }

  /** The answer is there, but others come before it. */
  #keepAnswer(exchange: Exchange, outcome: Outcome): void {
    this.#core.requestTimers.cancel(exchange)
    this.unassign(exchange)
    this.#dropKept(exchange)
    exchange.holder = undefined
    exchange.state = 'ready'
    exchange.outcome = outcome
  }

  /** Its end, and that of those which only waited for it: also one without an answer may have been the first. */
  #end(exchange: Exchange, outcome: Outcome): void {
    const { client } = exchange
    this.#finish(exchange, outcome)
    if (client?.ordered === true) this.#sendReady(client)
  }

  /** Answers that waited for the one before them. */
  #sendReady(client: DownstreamConnection): void {
    for (let first = client.first; first !== undefined && first.state === 'ready'; first = client.first) {
      const kept = first.kept
      if (kept !== undefined) {
        const out = client.output()
        const at = out.reserve(kept.length)
        kept.bytes.copy(out.bytes, at, 0, kept.length)
        out.commit(at + kept.length)
        client.onHeld(-kept.length)
      }
      this.#finish(first, first.outcome)
    }
  }

  #finish(exchange: Exchange, outcome: Outcome): void {
    if (exchange.state === 'free') throw new Error('an exchange ended twice')
    const filter = exchange.filter as FilterState
    const { client } = exchange
    count(filter.stats, outcome)
    this.#core.requestTimers.cancel(exchange)
    if (client !== undefined) {
      filter.stats.requestActive.value -= 1
      if (outcome !== 'reset') filter.stats.requestTime.record(this.#core.clock.now - exchange.startedAt)
      client.unlink(exchange)
    } else if (exchange.cluster !== undefined) {
      exchange.cluster.mirrorsInFlight -= 1
    }
    if (exchange.endpoint !== undefined) this.unassign(exchange)
    if (exchange.kept !== undefined) this.#dropKept(exchange)
    exchange.state = 'free'
    exchange.client = undefined
    exchange.filter = undefined
    exchange.route = undefined
    exchange.cluster = undefined
    exchange.holder = undefined
    exchange.tried = undefined
    if (this.#pool.length < maxPooled) this.#pool.push(exchange)
  }

  #dropKept(exchange: Exchange): void {
    const { kept } = exchange
    if (kept === undefined) return
    exchange.kept = undefined
    kept.clear()
    this.#core.buffers.give(kept)
  }
}

function count(stats: FilterStats, outcome: Outcome): void {
  switch (outcome) {
    case 'response':
      stats.outcomeResponse.value += 1
      break
    case 'local-reply':
      stats.outcomeLocalReply.value += 1
      break
    case 'oneway':
      stats.outcomeOneway.value += 1
      break
    case 'reset':
      stats.outcomeReset.value += 1
      break
    case 'mirror':
      stats.outcomeMirror.value += 1
  }
}
