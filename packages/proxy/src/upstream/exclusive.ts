/**
 * One request at a time per connection. Connections go back to the pool with the response, the last one used is used
 * first, and the others close when they have been idle for long. A connection carries only requests of one `tag` (in
 * Thrift: of one transport and encoding), since servers may adapt to the first they see.
 */
import type { Frame, LocalErrorType, Protocol } from '@aeraki/protocols'
import { replyTo } from '../exchange/reply-to.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { Core } from '../core.ts'
import type { Exchange, ExchangeHolder } from '../exchange/exchange.ts'
import { UpstreamConnection, type ConnectionOwner } from './connection.ts'
import type { UpstreamPool } from './pool.ts'
import { replay, WaitingRequests } from './waiting.ts'

export class ExclusivePool implements UpstreamPool, ConnectionOwner<ExclusiveConnection> {
  readonly protocol: Protocol
  readonly #core: Core
  readonly #cluster: Cluster
  readonly #endpoint: Endpoint
  readonly #waiting: WaitingRequests
  readonly #idle: ExclusiveConnection[] = []
  readonly #all = new Set<ExclusiveConnection>()
  #connecting = 0
  #retired = false

  constructor(core: Core, cluster: Cluster, endpoint: Endpoint, protocol: Protocol) {
    this.#core = core
    this.#cluster = cluster
    this.#endpoint = endpoint
    this.protocol = protocol
    this.#waiting = new WaitingRequests(core, cluster)
  }

  send(exchange: Exchange, frame: Frame | undefined): void {
    const connection = this.#takeIdle(exchange.tag)
    if (connection !== undefined) {
      connection.send(exchange, frame)
      return
    }
    this.#waiting.add(exchange, frame)
    if (exchange.state === 'waiting') this.#connectIfNeeded()
  }

  retire(): void {
    this.#retired = true
    for (const connection of this.#all) connection.retire()
  }

  destroy(): void {
    for (const connection of this.#all) connection.destroy()
  }

  onConnected(connection: ExclusiveConnection): void {
    this.#connecting -= 1
    this.onFree(connection)
  }

  onDisconnected(connection: ExclusiveConnection, wasOpen: boolean, error: Error | undefined): void {
    this.#all.delete(connection)
    if (wasOpen) {
      // Its place may be what somebody waits for.
      this.#connectIfNeeded()
      return
    }
    this.#connecting -= 1
    this.#cluster.onConnectFailed(this.#endpoint)
    const exchange = this.#waiting.shift()
    if (exchange !== undefined) this.#core.dispatcher.retry(exchange, error?.message ?? 'closed')
    // Where connections are few, others wait for the place of this one.
    this.#connectIfNeeded()
  }

  /** Takes no more requests. */
  onUnusable(connection: ExclusiveConnection): void {
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  /** It can take a request: one that waits, or the next that comes. */
  onFree(connection: ExclusiveConnection): void {
    const waiting = this.#waiting.shift(connection.tag)
    if (waiting !== undefined) {
      connection.send(waiting, undefined)
    } else if (this.#waiting.length > 0 || this.#retired || this.#idle.length >= this.#core.limits.maxIdleConnections) {
      // (Those that wait are of another tag: it makes room for them.)
      connection.retire()
    } else {
      this.#idle.push(connection)
    }
  }

  #takeIdle(tag: number): ExclusiveConnection | undefined {
    const idle = this.#idle
    for (let at = idle.length - 1; at >= 0; at -= 1) {
      const connection = idle[at] as ExclusiveConnection
      if (connection.tag === tag || connection.tag === undefined) {
        if (at === idle.length - 1) idle.pop()
        else idle.splice(at, 1)
        return connection
      }
    }
    return undefined
  }

  #connectIfNeeded(): void {
    while (this.#waiting.length > this.#connecting) {
      if (!this.#cluster.mayConnect(this.#endpoint)) {
        this.#cluster.stats.connectionsOverflow.value += 1
        // An idle one of another tag is in the way.
        this.#idle.shift()?.retire()
        return
      }
      const connection = new ExclusiveConnection(this.#core, this.#cluster, this.#endpoint, this.protocol, this)
      this.#all.add(connection)
      this.#connecting += 1
      connection.connect()
    }
  }
}

class ExclusiveConnection extends UpstreamConnection implements ExchangeHolder {
  /** Of the requests it carries; undefined before the first. */
  tag: number | undefined = undefined
  readonly #pool: ExclusivePool
  #exchange: Exchange | undefined = undefined

  constructor(core: Core, cluster: Cluster, endpoint: Endpoint, protocol: Protocol, pool: ExclusivePool) {
    super(core, cluster, endpoint, protocol)
    this.#pool = pool
  }

  get activeRequests(): number {
    return this.#exchange === undefined ? 0 : 1
  }

  send(exchange: Exchange, frame: Frame | undefined): void {
    if (this.dropsCopy(exchange)) {
      this.#pool.onFree(this)
      return
    }
    // Not another request before this one is through, whatever becomes of it.
    this.#exchange = exchange
    try {
      if (frame === undefined)
        replay(this.core, exchange, (kept) => kept.write(this.output(), kept.idHigh, kept.idLow, undefined))
      else frame.write(this.output(), exchange.idHigh, exchange.idLow, exchange.route?.requestMutation)
    } catch (error) {
      this.#exchange = undefined
      this.#pool.onFree(this)
      throw error
    }
    this.tag = exchange.tag
    exchange.holder = this
    const { oneway, client } = exchange
    if (oneway) {
      this.#exchange = undefined
      exchange.holder = undefined
    }
    this.core.exchanges.sent(exchange)
    if (this.isBackedUp) client?.onUpstreamBackedUp(this)
    if (oneway) this.#free()
  }

  onFrame(frame: Frame): boolean {
    switch (frame.kind) {
      case 'response':
        this.#onResponse(frame)
        break
      case 'heartbeat':
        this.protocol.writeHeartbeatReply(this.output(), replyTo(frame))
        break
      case 'goaway':
        this.retire()
        break
      case 'heartbeat-reply':
        break
      default:
        this.cluster.stats.unexpectedResponses.value += 1
    }
    return this.state !== 'closed'
  }

  /** The response could come in the middle of the next request: the connection is of no more use. */
  abandon(exchange: Exchange): void {
    if (this.#exchange !== exchange) return
    this.#exchange = undefined
    this.destroy()
  }

  protected failAll(type: LocalErrorType, message: string): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#exchange = undefined
    exchange.holder = undefined
    this.cluster.onGatewayFailure(this.endpoint)
    this.core.exchanges.fail(exchange, type, message)
  }

  protected leave(): void {
    this.#pool.onUnusable(this)
  }

  protected connected(): void {
    this.#pool.onConnected(this)
  }

  protected disconnected(wasOpen: boolean, error: Error | undefined): void {
    this.#pool.onDisconnected(this, wasOpen, error)
  }

  #onResponse(frame: Frame): void {
    const exchange = this.#exchange
    if (exchange === undefined) {
      // Nobody asked: what it belongs to can't be known, nor what comes next.
      this.cluster.stats.unexpectedResponses.value += 1
      this.destroy()
      return
    }
    this.core.exchanges.respond(exchange, frame)
    this.#exchange = undefined
    this.#free()
  }

  #free(): void {
    if (this.state === 'open') this.#pool.onFree(this)
    else this.closeIfDone()
  }
}
