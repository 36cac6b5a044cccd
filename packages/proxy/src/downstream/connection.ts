/** A client's connection: its bytes become requests, and the answers go back on it. */
import { ProtocolError, type ByteBuffer, type Decoder, type Frame, type FrameReceiver } from '@aeraki/protocols'
import { getLogger } from '@logtape/logtape'
import type { Core } from '../core.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { replyTo } from '../exchange/reply-to.ts'
import type { Connection, ConnectionHandler } from '../io/io.ts'
import type { FilterState } from '../listener/filter.ts'
import { earlyFlushBytes, muchBytes } from '../turn/buffers.ts'
import { TimerEntry } from '../turn/timer-wheel.ts'
import type { Flushable } from '../turn/flusher.ts'
import type { BackedUpClient, UpstreamConnection } from '../upstream/connection.ts'

/**
 *  - `open`;
 *  - `closing`: no new requests; closes when the answers to the old ones have been sent;
 *  - `closed`.
 */
export type DownstreamState = 'open' | 'closing' | 'closed'

/** The listener, to its connections. */
export interface DownstreamOwner {
  onClosed(connection: DownstreamConnection): void
}

/** Why the connection is not read from: bits. */
const pausedForRequests = 1
const pausedForOutput = 2
const pausedForUpstream = 4

const log = getLogger(['aeraki', 'proxy', 'downstream'])

export class DownstreamConnection
  extends TimerEntry
  implements ConnectionHandler, FrameReceiver, Flushable, BackedUpClient
{
  flushQueued = false
  resumeQueued = false
  state: DownstreamState = 'open'
  /** The filter in force; replaced when the configuration changes. */
  filter: FilterState
  /** Whether answers have to go out in the order of the requests. */
  readonly ordered: boolean
  /** The upstream connection that belongs to this client (stateful protocols). */
  bound: UpstreamConnection | undefined = undefined
  /** Requests without an answer, oldest first: linked through `next`. */
  first: Exchange | undefined = undefined
  #last: Exchange | undefined = undefined
  #inFlight = 0
  #out: ByteBuffer | undefined = undefined
  /** It asks much at once, and its answers would make a small buffer grow each time. */
  #writesMuch = false
  /** Bytes of answers that wait for their turn. */
  #held = 0
  /** The kernel has not taken all yet: what comes is collected until it has. */
  #blocked = false
  #paused = 0
  #lastActivity: number
  /** Since when the bytes of an incomplete frame have been waiting for the rest; 0: there are none. */
  #incompleteSince = 0
  #framesDecoded = 0
  /** `onFrame` has stopped the decoder. */
  #decoderStopped = false
  #closeWhenIdle = false
  /** The client has ended its side. */
  #ended = false
  readonly #core: Core
  readonly #connection: Connection
  readonly #decoder: Decoder
  readonly #owner: DownstreamOwner

  constructor(core: Core, connection: Connection, filter: FilterState, owner: DownstreamOwner) {
    super()
    this.#core = core
    this.#connection = connection
    this.#owner = owner
    this.filter = filter
    this.ordered = filter.protocol.responseOrder === 'request'
    const { maxFrameBytes, maxAttributes } = core.limits
    this.#decoder = filter.protocol.decoder('request', { maxFrameBytes, maxAttributes })
    this.#lastActivity = core.clock.refresh()
    filter.stats.connections.value += 1
    filter.stats.connectionsActive.value += 1
    this.#watch()
  }

  get open(): boolean {
    return this.state !== 'closed'
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Where to write; it goes out at the end of this turn of the event loop, or when it is much. */
  output(): ByteBuffer {
    if (this.#out !== undefined && this.#out.length >= earlyFlushBytes && !this.#blocked) this.#send(this.#out)
    this.#out ??= this.#writesMuch ? this.#core.buffers.takeLarge() : this.#core.buffers.take()
    if (!this.flushQueued) this.#core.flusher.add(this)
    return this.#out
  }

  /** Whether the answer to this request may go out now. */
  isNext(exchange: Exchange): boolean {
    return !this.ordered || this.first === exchange
  }

  link(exchange: Exchange): void {
    exchange.previous = this.#last
    exchange.next = undefined
    if (this.#last === undefined) this.first = exchange
    else this.#last.next = exchange
    this.#last = exchange
    this.#inFlight += 1
    if (this.#inFlight >= this.#core.limits.maxInFlightPerConnection) this.#pause(pausedForRequests)
  }

  unlink(exchange: Exchange): void {
    const { next, previous } = exchange
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    exchange.next = undefined
    exchange.previous = undefined
    this.#inFlight -= 1
    if (this.#paused !== 0) {
      if (this.#inFlight <= this.#core.limits.maxInFlightPerConnection >> 1) this.#unpause(pausedForRequests)
    }
    // It may be the last one that the connection waited for to close.
    if ((this.#closeWhenIdle || this.state === 'closing') && !this.flushQueued) this.#core.flusher.add(this)
  }

  /** Bytes of an answer began (or, negative, ended) to wait for the answers before it. */
  onHeld(bytes: number): void {
    this.#held += bytes
    // Not at once: too much would close the connection, in the middle of a request's end.
    if (this.#held > this.#core.limits.downstreamHighWatermark) this.#core.flusher.add(this)
  }

  /** Another configuration of the same protocol is in force from the next request on. */
  use(filter: FilterState): void {
    if (this.filter.stats !== filter.stats) {
      this.filter.stats.connectionsActive.value -= 1
      filter.stats.connectionsActive.value += 1
    }
    this.filter = filter
    this.#watch()
  }

  /** Its listener is gone: closes at the end of the first turn after which no request is in flight or half read. */
  closeWhenIdle(): void {
    this.#closeWhenIdle = true
    this.#core.flusher.add(this)
  }

  /** No new requests are read; closes when all answers have been sent. */
  closeWhenSent(): void {
    if (this.state !== 'open') return
    this.state = 'closing'
    this.#core.flusher.add(this)
  }

  destroy(): void {
    if (this.state !== 'closed') {
      if (this.#inFlight > 0) this.filter.stats.destroyedLocalWithRequests.value += 1
      this.#dispose()
    }
    this.#connection.destroy()
  }

  flush(): void {
    if (this.state === 'closed') return
    if (this.#out !== undefined && !this.#blocked) this.#send(this.#out)
    if (this.#blocked || this.#held > 0 || (this.#paused & pausedForOutput) !== 0) this.#checkOutput()
    if (this.#mayEnd) {
      this.#dispose()
      this.#connection.end()
      this.#core.connectionTimers.start(this, this.#core.limits.halfClosedTimeoutMs)
    }
  }

  onFrame(frame: Frame): boolean {
    const { filter } = this
    this.#framesDecoded += 1
    switch (frame.kind) {
      case 'request':
      case 'oneway':
        filter.stats.requestDecodingSuccess.value += 1
        this.#core.dispatcher.dispatch(this, filter, frame)
        if (this.#blocked) this.#checkOutput()
        break
      case 'heartbeat':
        filter.stats.requestEvent.value += 1
        filter.protocol.writeHeartbeatReply(this.output(), replyTo(frame))
        break
      case 'stream':
        filter.stats.requestStream.value += 1
        break
      default:
        // A heartbeat's reply, a goaway, or an answer to nothing: these end at the proxy.
        filter.stats.requestEvent.value += 1
    }
    this.#decoderStopped = this.#paused !== 0
    return !this.#decoderStopped && this.state === 'open'
  }

  onOpen(): void {}

  onData(chunk: Uint8Array): void {
    if (this.state !== 'open') return
    const now = this.#core.clock.refresh()
    this.#lastActivity = now
    this.filter.stats.bytesReceived.value += chunk.length
    this.#decode(chunk)
    if (this.#paused !== 0) this.#connection.pause()
  }

  resumeReading(): void {
    if (this.state !== 'open' || this.#paused !== 0) return
    this.#core.clock.refresh()
    if (this.#decoderStopped) this.#decode(undefined)
    if (this.#paused !== 0 || this.state !== 'open') return
    this.filter.stats.resumedReading.value += 1
    if (this.#ended) this.closeWhenSent()
    else this.#connection.resume()
    if (this.#closeWhenIdle) this.#core.flusher.add(this)
  }

  onEnd(): void {
    this.#ended = true
    // What was read before a pause is still to be decoded.
    if (this.#paused === 0 && !this.resumeQueued) this.closeWhenSent()
  }

  onDrain(): void {
    this.#blocked = false
    this.flush()
    this.#checkOutput()
  }

  onClose(): void {
    this.#core.connectionTimers.cancel(this)
    if (this.state !== 'closed') {
      if (this.#inFlight > 0) this.filter.stats.destroyedRemoteWithRequests.value += 1
      this.#dispose()
    }
    this.#owner.onClosed(this)
  }

  onUpstreamBackedUp(upstream: UpstreamConnection): void {
    if ((this.#paused & pausedForUpstream) !== 0) return
    this.#pause(pausedForUpstream)
    upstream.notifyWhenDrained(this)
  }

  onUpstreamDrained(): void {
    this.#unpause(pausedForUpstream)
  }

  onTimer(): void {
    const { clock, limits } = this.#core
    const { stats, idleTimeoutMs } = this.filter
    if (this.state === 'closed') {
      // The peer has had its time to end its side.
      this.#connection.destroy()
      return
    }
    if (this.#incompleteSince !== 0 && clock.now - this.#incompleteSince >= limits.incompleteFrameTimeoutMs) {
      stats.incompleteFrameTimeout.value += 1
      this.destroy()
      return
    }
    if (idleTimeoutMs > 0 && this.#inFlight === 0 && clock.now - this.#lastActivity >= idleTimeoutMs) {
      stats.idleTimeout.value += 1
      this.destroy()
      return
    }
    this.#watch()
  }

  /** @param chunk undefined: what was kept at a pause */
  #decode(chunk: Uint8Array | undefined): void {
    const before = this.#framesDecoded
    try {
      if (chunk === undefined) this.#decoder.resume(this)
      else this.#decoder.push(chunk, this)
    } catch (error) {
      this.#malformed(error)
      return
    }
    if (this.#decoder.buffered === 0 || this.#paused !== 0) this.#incompleteSince = 0
    else if (this.#incompleteSince === 0 || this.#framesDecoded !== before) this.#incompleteSince = this.#core.clock.now
  }

  #malformed(error: unknown): void {
    const { stats, protocol } = this.filter
    stats.requestDecodingError.value += 1
    const { host, port } = this.#connection.remote
    if (error instanceof ProtocolError) {
      log.info('{client} sent what is no {protocol}: {reason}', {
        client: `${host}:${port}`,
        protocol: protocol.name,
        reason: error.message,
      })
    } else {
      log.error('a request of {client} failed: {error}', { client: `${host}:${port}`, error })
    }
    // Answers to good requests before it still go out.
    if (this.#out !== undefined && !this.#blocked) this.flush()
    this.destroy()
  }

  /** Closes nothing, whatever becomes of it: a request may be in the middle of its end. */
  #send(out: ByteBuffer): void {
    this.filter.stats.bytesSent.value += out.length
    this.#lastActivity = this.#core.clock.now
    this.#writesMuch = out.length > muchBytes
    this.#blocked = !this.#connection.send(out)
    this.#out = undefined
    this.#core.buffers.give(out)
  }

  /** Whether it only waited to end, and nothing is left to wait for. */
  get #mayEnd(): boolean {
    if (this.#inFlight > 0 || this.#blocked) return false
    if (this.state === 'closing') return true
    return this.state === 'open' && this.#closeWhenIdle && this.#paused === 0 && this.#decoder.buffered === 0
  }

  #pause(reason: number): void {
    if (this.#paused === 0) this.filter.stats.pausedReading.value += 1
    this.#paused |= reason
  }

  #unpause(reason: number): void {
    if ((this.#paused & reason) === 0) return
    this.#paused &= ~reason
    if (this.#paused === 0) this.#core.flusher.resume(this)
  }

  #checkOutput(): void {
    const { downstreamHighWatermark, downstreamHardLimit } = this.#core.limits
    const waiting = this.#connection.pendingBytes + (this.#out?.length ?? 0) + this.#held
    if (waiting > downstreamHardLimit) {
      this.filter.stats.outputOverflow.value += 1
      this.destroy()
    } else if (waiting > downstreamHighWatermark) {
      if ((this.#paused & pausedForOutput) === 0) {
        this.#pause(pausedForOutput)
        this.#connection.pause()
      }
    } else if (waiting <= downstreamHighWatermark >> 1) {
      this.#unpause(pausedForOutput)
    }
  }

  /** Ends all requests; only the socket is left to close. */
  #dispose(): void {
    this.state = 'closed'
    const { stats } = this.filter
    stats.connectionsActive.value -= 1
    stats.connectionsDestroyed.value += 1
    this.#core.connectionTimers.cancel(this)
    for (let exchange = this.first; exchange !== undefined; exchange = this.first) this.#core.exchanges.reset(exchange)
    if (this.#out !== undefined) {
      this.#out.clear()
      this.#core.buffers.give(this.#out)
      this.#out = undefined
    }
    this.bound?.destroy()
    this.bound = undefined
  }

  /** Both deadlines are looked at from time to time: that costs requests nothing. */
  #watch(): void {
    const { idleTimeoutMs } = this.filter
    const { incompleteFrameTimeoutMs } = this.#core.limits
    const shortest = idleTimeoutMs > 0 ? Math.min(idleTimeoutMs, incompleteFrameTimeoutMs) : incompleteFrameTimeoutMs
    const idleFor = this.#core.clock.now - this.#lastActivity
    this.#core.connectionTimers.start(this, Math.max(shortest / 4, shortest - idleFor))
  }
}
