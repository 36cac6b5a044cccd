/**
 * A connection for each client, for as long as the client stays: for protocols with a state, and for those whose
 * servers speak unasked. Responses come in the order of the requests; what nobody asked for goes to the client as it is.
 */
import type { Frame, LocalErrorType, Protocol } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { Core } from '../core.ts'
import type { DownstreamConnection } from '../downstream/connection.ts'
import type { Exchange, ExchangeHolder } from '../exchange/exchange.ts'
import { UpstreamConnection, type ConnectionOwner } from './connection.ts'
import type { UpstreamPool } from './pool.ts'
import { replay, WaitingRequests } from './waiting.ts'

export class BoundPool implements UpstreamPool, ConnectionOwner<BoundConnection> {
  readonly protocol: Protocol
  readonly #core: Core
  readonly #cluster: Cluster
  readonly #endpoint: Endpoint
  readonly #all = new Set<BoundConnection>()

  constructor(core: Core, cluster: Cluster, endpoint: Endpoint, protocol: Protocol) {
    this.#core = core
    this.#cluster = cluster
    this.#endpoint = endpoint
    this.protocol = protocol
  }

  send(exchange: Exchange, frame: Frame | undefined): void {
    const { client } = exchange
    // Copies have no client to be bound to.
    if (client === undefined) {
      this.#core.exchanges.reset(exchange)
      return
    }
    const known = client.bound
    let connection = known instanceof BoundConnection ? known : undefined
    if (connection === undefined) {
      if (!this.#cluster.mayConnect(this.#endpoint)) {
        this.#cluster.stats.connectionsOverflow.value += 1
        this.#core.exchanges.fail(exchange, 'overflow', `too many connections to cluster ${this.#cluster.name}`)
        return
      }
      connection = new BoundConnection(this.#core, this.#cluster, this.#endpoint, this.protocol, this, client)
      client.bound = connection
      this.#all.add(connection)
      connection.connect()
    }
    connection.send(exchange, frame)
  }

  /** A stateful connection ends with its client, not before. */
  retire(): void {}

  destroy(): void {
    for (const connection of this.#all) connection.destroy()
  }

  onConnected(): void {}

  onDisconnected(connection: BoundConnection, wasOpen: boolean, error: Error | undefined): void {
    this.#all.delete(connection)
    const { client } = connection
    if (client.bound === connection) client.bound = undefined
    if (wasOpen) {
      // Whatever state there was is gone.
      client.closeWhenSent()
      return
    }
    // Where the client went away first, nobody knows whether it could have been established.
    if (client.open) this.#cluster.onConnectFailed(this.#endpoint)
    for (const exchange of connection.waiting.takeAll())
      this.#core.dispatcher.retry(exchange, error?.message ?? 'closed')
  }
}

export class BoundConnection extends UpstreamConnection implements ExchangeHolder {
  readonly client: DownstreamConnection
  readonly waiting: WaitingRequests
  readonly #pool: BoundPool
  /** Those that wait for a response, oldest first; undefined where nobody does any more. */
  readonly #sent: (Exchange | undefined)[] = []

  constructor(
    core: Core,
    cluster: Cluster,
    endpoint: Endpoint,
    protocol: Protocol,
    pool: BoundPool,
    client: DownstreamConnection,
  ) {
    super(core, cluster, endpoint, protocol)
    this.#pool = pool
    this.client = client
    this.waiting = new WaitingRequests(core, cluster)
  }

  get activeRequests(): number {
    return this.#sent.length
  }

  send(exchange: Exchange, frame: Frame | undefined): void {
    if (this.state === 'connecting') this.waiting.add(exchange, frame)
    else if (frame === undefined) replay(this.core, exchange, (kept) => this.#write(exchange, kept, true))
    else this.#write(exchange, frame, false)
  }

  onFrame(frame: Frame): boolean {
    const { client } = this
    if (frame.kind === 'response' && this.#sent.length > 0) {
      const exchange = this.#sent[0]
      if (exchange !== undefined) this.core.exchanges.respond(exchange, frame)
      this.#sent.shift()
    } else if (client.open) {
      frame.write(client.output(), frame.idHigh, frame.idLow, undefined)
      // Who only listens is not idle.
      this.used()
    }
    return this.state !== 'closed'
  }

  abandon(exchange: Exchange): void {
    const at = this.#sent.indexOf(exchange)
    if (at >= 0) this.#sent[at] = undefined
  }

  protected failAll(type: LocalErrorType, message: string): void {
    for (const exchange of this.#sent.splice(0)) {
      if (exchange === undefined) continue
      exchange.holder = undefined
      this.cluster.onGatewayFailure(this.endpoint)
      this.core.exchanges.fail(exchange, type, message)
    }
  }

  /** Without it the client is of no more use: whatever state there was is gone. */
  protected leave(): void {
    if (this.state === 'retiring') this.client.closeWhenSent()
  }

  protected connected(): void {
    for (const exchange of this.waiting.takeAll()) this.send(exchange, undefined)
    // The client may have gone in the meantime.
    if (!this.client.open) this.destroy()
  }

  protected disconnected(wasOpen: boolean, error: Error | undefined): void {
    this.#pool.onDisconnected(this, wasOpen, error)
  }

  #write(exchange: Exchange, frame: Frame, mutated: boolean): void {
    const mutation = mutated ? undefined : exchange.route?.requestMutation
    frame.write(this.output(), exchange.idHigh, exchange.idLow, mutation)
    if (!exchange.oneway) {
      this.#sent.push(exchange)
      exchange.holder = this
    }
    this.core.exchanges.sent(exchange)
    if (this.isBackedUp) this.client.onUpstreamBackedUp(this)
  }
}
