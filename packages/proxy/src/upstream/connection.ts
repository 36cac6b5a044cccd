/** What all connections to servers have in common; how requests and responses belong together is up to the kind. */
import {
  ProtocolError,
  type ByteBuffer,
  type Decoder,
  type Frame,
  type FrameReceiver,
  type LocalErrorType,
  type Protocol,
} from '@aeraki/protocols'
import { getLogger } from '@logtape/logtape'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { Core } from '../core.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Connection, ConnectionHandler } from '../io/io.ts'
import { TimerEntry } from '../turn/timer-wheel.ts'
import { earlyFlushBytes } from '../turn/buffers.ts'
import type { Flushable, Resumable } from '../turn/flusher.ts'

/**
 *  - `connecting`: requests wait in the pool;
 *  - `open`: takes requests;
 *  - `retiring`: finishes what it has, then ends;
 *  - `ending`: has ended its side, and waits for the server to end its own;
 *  - `closed`.
 */
export type UpstreamState = 'connecting' | 'open' | 'retiring' | 'ending' | 'closed'

/** A client that is not read from while a connection it writes to is backed up. */
export interface BackedUpClient extends Resumable {
  /** The connection has room again, or is gone. */
  onUpstreamDrained(): void
}

/** The pool, to its connections. */
export interface ConnectionOwner<C> {
  onConnected(connection: C): void
  /** @param wasOpen false: it could not be established */
  onDisconnected(connection: C, wasOpen: boolean, error: Error | undefined): void
}

const log = getLogger(['aeraki', 'proxy', 'upstream'])

/** After so many without a byte in return the server is taken for dead. */
const maxUnansweredHeartbeats = 3

export abstract class UpstreamConnection extends TimerEntry implements ConnectionHandler, FrameReceiver, Flushable {
  state: UpstreamState = 'connecting'
  flushQueued = false
  readonly core: Core
  readonly cluster: Cluster
  readonly endpoint: Endpoint
  readonly protocol: Protocol
  protected connection!: Connection
  protected out: ByteBuffer | undefined = undefined
  readonly #decoder: Decoder
  #wasOpen = false
  #blocked = false
  #backedUp: BackedUpClient[] = []
  #lastReceived: number
  #unansweredHeartbeats = 0
  #lastUsed: number

  constructor(core: Core, cluster: Cluster, endpoint: Endpoint, protocol: Protocol) {
    super()
    this.core = core
    this.cluster = cluster
    this.endpoint = endpoint
    this.protocol = protocol
    const { maxFrameBytes, maxAttributes } = core.limits
    this.#decoder = protocol.decoder('response', { maxFrameBytes, maxAttributes })
    this.#lastReceived = core.clock.now
    this.#lastUsed = core.clock.now
  }

  /** Requests that it has not answered. */
  abstract readonly activeRequests: number
  abstract onFrame(frame: Frame): boolean
  /** Ends all its exchanges. */
  protected abstract failAll(type: LocalErrorType, message: string): void
  /** It takes no more requests. */
  protected abstract leave(): void
  protected abstract connected(): void
  protected abstract disconnected(wasOpen: boolean, error: Error | undefined): void

  connect(): void {
    const { core, cluster, endpoint } = this
    endpoint.connections += 1
    cluster.connections += 1
    cluster.stats.connections.value += 1
    cluster.stats.connectionsActive.value += 1
    this.connection = core.io.connect(endpoint.address, { timeoutMs: cluster.config.connectTimeoutMs }, this)
  }

  /** Where to write; it goes out at the end of this turn of the event loop, or when it is much. */
  output(): ByteBuffer {
    if (this.out !== undefined && this.out.length >= earlyFlushBytes && this.state === 'open') this.flush()
    this.out ??= this.takeBuffer()
    if (!this.flushQueued) this.core.flusher.add(this)
    return this.out
  }

  protected takeBuffer(): ByteBuffer {
    return this.core.buffers.take()
  }

  /** Whether so much waits to be sent that clients should not be read from. */
  get isBackedUp(): boolean {
    if (!this.#blocked) return false
    return this.connection.pendingBytes + (this.out?.length ?? 0) > this.core.limits.upstreamHighWatermark
  }

  get open(): boolean {
    return this.state === 'open'
  }

  /** Copies are not worth memory: none is sent where so much waits. Whether that was one, which has then ended. */
  protected dropsCopy(exchange: Exchange): boolean {
    if (exchange.client !== undefined || !this.isBackedUp) return false
    this.cluster.stats.mirrorOverflow.value += 1
    this.core.exchanges.reset(exchange)
    return true
  }

  protected used(): void {
    this.#lastUsed = this.core.clock.now
  }

  /** Tells the client when there is room again. */
  notifyWhenDrained(client: BackedUpClient): void {
    if (this.#backedUp.length === 0) this.cluster.stats.backedUp.value += 1
    this.#backedUp.push(client)
  }

  flush(): void {
    const { out } = this
    if (out === undefined || this.#blocked || (this.state !== 'open' && this.state !== 'retiring')) return
    this.cluster.stats.bytesSent.value += out.length
    this.used()
    this.#blocked = !this.connection.send(out)
    this.out = undefined
    this.core.buffers.give(out)
    this.closeIfDone()
  }

  /** No new requests; closes when those in flight have ended. For open connections. */
  retire(): void {
    if (this.state !== 'open') return
    this.state = 'retiring'
    this.leave()
    this.closeIfDone()
  }

  /** Closes at once; its requests fail when it has closed, new ones go elsewhere from now on. */
  destroy(): void {
    this.state = 'closed'
    this.leave()
    this.connection.destroy()
  }

  closeIfDone(): void {
    if (this.state !== 'retiring' || this.activeRequests > 0 || this.out !== undefined || this.#blocked) return
    this.state = 'ending'
    this.connection.end()
    this.core.connectionTimers.start(this, this.core.limits.halfClosedTimeoutMs)
  }

  onOpen(): void {
    if (this.state === 'closed') return
    this.core.clock.refresh()
    this.state = 'open'
    this.#wasOpen = true
    this.#lastReceived = this.core.clock.now
    this.#lastUsed = this.core.clock.now
    this.endpoint.backoffUntil = 0
    this.#watch()
    this.connected()
  }

  onData(chunk: Uint8Array): void {
    if (this.state === 'closed') return
    this.#lastReceived = this.core.clock.refresh()
    this.#unansweredHeartbeats = 0
    this.cluster.stats.bytesReceived.value += chunk.length
    try {
      this.#decoder.push(chunk, this)
    } catch (error) {
      this.#malformed(error)
    }
  }

  onEnd(): void {
    // A server that sends no more answers nothing more.
    this.destroy()
  }

  onDrain(): void {
    this.#blocked = false
    this.flush()
    if (this.#blocked) return
    this.closeIfDone()
    this.#releaseBackedUp()
  }

  onClose(error: Error | undefined): void {
    this.core.clock.refresh()
    const { cluster, endpoint, core } = this
    const wasOpen = this.#wasOpen
    this.state = 'closed'
    this.leave()
    core.connectionTimers.cancel(this)
    endpoint.connections -= 1
    cluster.connections -= 1
    cluster.stats.connectionsActive.value -= 1
    cluster.stats.destroyed.value += 1
    if (!wasOpen) {
      cluster.stats.connectionsFailed.value += 1
      if ((error as { code?: string } | undefined)?.code === 'ETIMEDOUT') cluster.stats.connectionsTimedOut.value += 1
    }
    const active = this.activeRequests
    if (active > 0) {
      cluster.stats.destroyedWithRequests.value += 1
      cluster.stats.requestsReset.value += active
      const why = error === undefined ? 'closed the connection' : `broke the connection: ${error.message}`
      this.failAll('upstream-reset', `${endpoint.key} ${why}`)
    }
    if (this.out !== undefined) {
      this.out.clear()
      core.buffers.give(this.out)
      this.out = undefined
    }
    this.#releaseBackedUp()
    this.disconnected(wasOpen, error)
  }

  onTimer(): void {
    const { core, cluster, protocol } = this
    const { heartbeatIntervalMs, upstreamIdleTimeoutMs } = core.limits
    const { now } = core.clock
    if (this.state === 'ending') {
      // The server has had its time to end its side.
      this.destroy()
      return
    }
    if (this.activeRequests === 0 && upstreamIdleTimeoutMs > 0 && now - this.#lastUsed >= upstreamIdleTimeoutMs) {
      cluster.stats.connectionsIdleTimeout.value += 1
      // The server does not even take the last bytes of one that is retiring.
      if (this.state === 'retiring') this.destroy()
      else this.retire()
      if (this.state === 'retiring') this.#watch()
      return
    }
    const silent = now - this.#lastReceived >= heartbeatIntervalMs
    if (protocol.writeHeartbeat !== undefined && heartbeatIntervalMs > 0 && silent) {
      if (this.#unansweredHeartbeats === maxUnansweredHeartbeats) {
        cluster.stats.heartbeatTimeouts.value += 1
        this.destroy()
        return
      }
      this.#unansweredHeartbeats += 1
      cluster.stats.heartbeats.value += 1
      const lastUsed = this.#lastUsed
      protocol.writeHeartbeat(this.output(), 0)
      this.flush()
      this.#lastUsed = lastUsed
    }
    this.#watch()
  }

  #watch(): void {
    const { heartbeatIntervalMs, upstreamIdleTimeoutMs } = this.core.limits
    const heartbeat = this.protocol.writeHeartbeat === undefined ? 0 : heartbeatIntervalMs
    const interval =
      heartbeat > 0 && (upstreamIdleTimeoutMs === 0 || heartbeat < upstreamIdleTimeoutMs)
        ? heartbeat
        : upstreamIdleTimeoutMs
    if (interval > 0) this.core.connectionTimers.start(this, interval)
  }

  #malformed(error: unknown): void {
    this.cluster.stats.decodingErrors.value += 1
    const reason = error instanceof Error ? error.message : String(error)
    if (error instanceof ProtocolError) {
      log.info('{endpoint} sent what is no {protocol}: {reason}', {
        endpoint: this.endpoint.key,
        protocol: this.protocol.name,
        reason,
      })
    } else {
      log.error('a response of {endpoint} failed: {error}', { endpoint: this.endpoint.key, error })
    }
    this.destroy()
    this.failAll('bad-response', `${this.endpoint.key} sent a malformed response: ${reason}`)
  }

  #releaseBackedUp(): void {
    if (this.#backedUp.length === 0) return
    const clients = this.#backedUp
    this.#backedUp = []
    this.cluster.stats.drained.value += 1
    for (const client of clients) client.onUpstreamDrained()
  }
}
