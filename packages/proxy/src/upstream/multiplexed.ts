/**
 * Requests of all clients share one connection (or a few) to an endpoint. Each gets an id of ours there, which tells the
 * place of its exchange in an array and how often the place has been given away:
 *
 *   id = generation (15 bits) | slot (16 bits)       positive in 32 bits; 0 is never a request's
 *
 * A request that is given up leaves a tombstone: its slot stays taken until the late response comes, so that it can't
 * be taken for another's.
 */
import type { ByteBuffer, Frame, LocalErrorType, Protocol } from '@aeraki/protocols'
import { replyTo } from '../exchange/reply-to.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { Core } from '../core.ts'
import type { Exchange, ExchangeHolder } from '../exchange/exchange.ts'
import { UpstreamConnection, type ConnectionOwner } from './connection.ts'
import type { UpstreamPool } from './pool.ts'
import { replay, WaitingRequests } from './waiting.ts'

const slotBits = 16
const slotMask = (1 << slotBits) - 1
const generationMask = 0x7fff

export class MultiplexedPool implements UpstreamPool, ConnectionOwner<MultiplexedConnection> {
  readonly protocol: Protocol
  readonly #core: Core
  readonly #cluster: Cluster
  readonly #endpoint: Endpoint
  readonly #waiting: WaitingRequests
  /** Those that take requests, or will. */
  readonly #usable: MultiplexedConnection[] = []
  readonly #all = new Set<MultiplexedConnection>()
  #next = 0
  #retired = false

  constructor(core: Core, cluster: Cluster, endpoint: Endpoint, protocol: Protocol) {
    this.#core = core
    this.#cluster = cluster
    this.#endpoint = endpoint
    this.protocol = protocol
    this.#waiting = new WaitingRequests(core, cluster)
  }

  send(exchange: Exchange, frame: Frame | undefined): void {
    const connection = this.#pick()
    if (connection !== undefined) {
      connection.send(exchange, frame)
      return
    }
    this.#waiting.add(exchange, frame)
    if (this.#usable.length === 0) this.#connect()
  }

  retire(): void {
    this.#retired = true
    for (const connection of this.#all) connection.retire()
  }

  destroy(): void {
    for (const connection of this.#all) connection.destroy()
  }

  onConnected(connection: MultiplexedConnection): void {
    // They may be more than it has ids.
    for (const exchange of this.#waiting.takeAll()) this.send(exchange, undefined)
    if (this.#retired) connection.retire()
  }

  onDisconnected(connection: MultiplexedConnection, wasOpen: boolean, error: Error | undefined): void {
    this.#all.delete(connection)
    if (wasOpen) return
    this.#cluster.onConnectFailed(this.#endpoint)
    if (this.#usable.length > 0) return
    for (const exchange of this.#waiting.takeAll()) this.#core.dispatcher.retry(exchange, error?.message ?? 'closed')
  }

  /** Takes no more requests. */
  onUnusable(connection: MultiplexedConnection): void {
    const at = this.#usable.indexOf(connection)
    if (at >= 0) this.#usable.splice(at, 1)
  }

  /** An open connection, in turn. */
  #pick(): MultiplexedConnection | undefined {
    const usable = this.#usable
    const { length } = usable
    if (length === 1) {
      const only = usable[0] as MultiplexedConnection
      if (length < this.#core.limits.multiplexedConnections) this.#connectMore()
      return only.state === 'open' ? only : undefined
    }
    if (length > 1 && length < this.#core.limits.multiplexedConnections) this.#connectMore()
    for (let tries = 0; tries < length; tries += 1) {
      this.#next = (this.#next + 1) % length
      const connection = usable[this.#next] as MultiplexedConnection
      if (connection.state === 'open') return connection
    }
    return undefined
  }

  #connectMore(): void {
    if (!this.#retired && this.#cluster.mayConnect(this.#endpoint)) this.#connect()
  }

  #connect(): void {
    const connection = new MultiplexedConnection(this.#core, this.#cluster, this.#endpoint, this.protocol, this)
    this.#usable.push(connection)
    this.#all.add(connection)
    connection.connect()
  }
}

class MultiplexedConnection extends UpstreamConnection implements ExchangeHolder {
  activeRequests = 0
  readonly #pool: MultiplexedPool
  /** What waits for a response; undefined where the slot is free or a tombstone. Slot 0 is never used. */
  readonly #slots: (Exchange | undefined)[] = [undefined]
  /** The id under which each slot is taken; 0: it is free. */
  readonly #ids: number[] = [0]
  readonly #generations: number[] = [0]
  readonly #free: number[] = []
  #tombstones = 0

  constructor(core: Core, cluster: Cluster, endpoint: Endpoint, protocol: Protocol, pool: MultiplexedPool) {
    super(core, cluster, endpoint, protocol)
    this.#pool = pool
  }

  send(exchange: Exchange, frame: Frame | undefined): void {
    if (this.dropsCopy(exchange)) return
    if (frame === undefined) {
      replay(this.core, exchange, (kept) => this.#write(exchange, kept, true))
    } else {
      this.#write(exchange, frame, false)
    }
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
        this.#retireSelf()
        break
      case 'heartbeat-reply':
        break
      default:
        // A request of the server: it could be meant for any of the clients.
        this.cluster.stats.unexpectedResponses.value += 1
    }
    return this.state !== 'closed'
  }

  abandon(exchange: Exchange): void {
    const slot = exchange.upstreamId & slotMask
    if (this.#slots[slot] !== exchange) return
    this.#slots[slot] = undefined
    this.activeRequests -= 1
    this.#tombstones += 1
    if (this.#tombstones === this.core.limits.maxTombstones) this.#retireSelf()
    else this.closeIfDone()
  }

  protected failAll(type: LocalErrorType, message: string): void {
    const { cluster, endpoint, core } = this
    for (let slot = 1; slot < this.#slots.length; slot += 1) {
      const exchange = this.#slots[slot]
      if (exchange === undefined) continue
      this.#slots[slot] = undefined
      this.activeRequests -= 1
      exchange.holder = undefined
      cluster.onGatewayFailure(endpoint)
      core.exchanges.fail(exchange, type, message)
    }
  }

  /** Many clients share it. */
  protected override takeBuffer(): ByteBuffer {
    return this.core.buffers.takeLarge()
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
    const id = frame.idLow
    const slot = id & slotMask
    if (frame.idHigh !== 0 || id <= 0 || this.#ids[slot] !== id) {
      this.cluster.stats.unexpectedResponses.value += 1
      return
    }
    const exchange = this.#slots[slot]
    if (exchange === undefined) {
      this.#tombstones -= 1
      this.cluster.stats.lateResponses.value += 1
    } else {
      this.core.exchanges.respond(exchange, frame)
      this.#slots[slot] = undefined
      this.activeRequests -= 1
    }
    this.#ids[slot] = 0
    this.#free.push(slot)
    if (this.state === 'retiring') this.closeIfDone()
  }

  /** @param mutated the frame has its mutation already */
  #write(exchange: Exchange, frame: Frame, mutated: boolean): void {
    const mutation = mutated ? undefined : exchange.route?.requestMutation
    const { client } = exchange
    if (exchange.oneway) {
      frame.write(this.output(), 0, 0, mutation)
      this.core.exchanges.sent(exchange)
      if (this.isBackedUp) client?.onUpstreamBackedUp(this)
      return
    }
    const slot = this.#free.length > 0 ? (this.#free[this.#free.length - 1] as number) : this.#slots.length
    const generation = ((this.#generations[slot] ?? 0) + 1) & generationMask
    const id = (generation << slotBits) | slot
    // May throw: nothing has been taken yet.
    frame.write(this.output(), 0, id, mutation)
    if (slot === this.#slots.length) {
      this.#slots.push(exchange)
      this.#ids.push(id)
      this.#generations.push(generation)
      if (slot === slotMask) this.#retireSelf()
    } else {
      this.#free.pop()
      this.#slots[slot] = exchange
      this.#ids[slot] = id
      this.#generations[slot] = generation
    }
    this.activeRequests += 1
    exchange.upstreamId = id
    exchange.holder = this
    this.core.exchanges.sent(exchange)
    if (this.isBackedUp) client?.onUpstreamBackedUp(this)
  }

  #retireSelf(): void {
    if (this.state !== 'open') return
    this.cluster.stats.connectionsRetired.value += 1
    this.retire()
  }
}
