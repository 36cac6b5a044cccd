/** A socket of the epoll driver. All of them read into one buffer; what the kernel does not take is kept here. */
import { AerakiError } from '@aeraki/api/errors'
import { ByteBuffer } from '@aeraki/protocols'
import { deaf } from '../deaf.ts'
import type { Connection, ConnectionHandler, SocketAddress } from '../io.ts'
import { numbers, systemError, type Libc } from './libc.ts'
import type { Received } from './received.ts'
import { isNothingToDo, type Continuation, type Pollable, type Poller } from './poller.ts'
import { fromSockaddr, maxSockaddrBytes } from '../sockaddr.ts'

/** What the connections of one thread share. */
export interface Shared {
  readonly libc: Libc
  readonly poller: Poller
  readonly received: Received
}

/**
 *  - `connecting`;
 *  - `open`;
 *  - `ending`: this side ends when what is pending has been sent;
 *  - `ended`: this side has ended, the peer's has not;
 *  - `closed`: the file descriptor is gone, and `onClose` has been called or will be in a moment.
 */
type State = 'connecting' | 'open' | 'ending' | 'ended' | 'closed'

const allEvents = numbers.EPOLLIN | numbers.EPOLLOUT | numbers.EPOLLRDHUP
const failureEvents = numbers.EPOLLHUP | numbers.EPOLLERR
const hangupEvents = failureEvents | numbers.EPOLLRDHUP
const readEvents = hangupEvents | numbers.EPOLLIN

/** After so many full buffers from one connection others have a turn. */
const maxReadsAtOnce = 4

export class EpollConnection implements Connection, Pollable, Continuation {
  handler: ConnectionHandler = deaf
  #fd: number
  #state: State
  #peerEnded = false
  #paused = false
  /** There may be something to read that no event will tell of. */
  #readable = false
  /** The peer has ended or broken the connection: what there is to read has an end, which no other event tells of. */
  #hangup = false
  #continuing = false
  #pending: ByteBuffer | undefined
  #pendingFrom = 0
  #timer: NodeJS.Timeout | undefined
  #remote: SocketAddress | undefined
  #local: SocketAddress | undefined
  readonly #shared: Shared

  /**
   * @param fd a non-blocking socket, connected or connecting; the connection's from now on
   * @param remote of a connecting one
   * Throws the system's error, and has then closed the socket.
   */
  constructor(shared: Shared, fd: number, remote?: SocketAddress) {
    this.#shared = shared
    this.#fd = fd
    this.#remote = remote
    this.#state = remote === undefined ? 'open' : 'connecting'
    const { calls } = shared.libc
    calls.setsockopt(fd, numbers.IPPROTO_TCP, numbers.TCP_NODELAY, one, 4)
    try {
      shared.poller.add(fd, this, allEvents)
    } catch (error) {
      calls.close(fd)
      throw error
    }
  }

  get fd(): number | undefined {
    return this.#state === 'closed' ? undefined : this.#fd
  }

  get remote(): SocketAddress {
    this.#remote ??= this.#ask('getpeername')
    return this.#remote
  }

  get local(): SocketAddress {
    this.#local ??= this.#ask('getsockname')
    return this.#local
  }

  get pendingBytes(): number {
    return this.#pending === undefined ? 0 : this.#pending.length - this.#pendingFrom
  }

  write(bytes: Uint8Array): boolean {
    return this.#give(bytes, bytes.length)
  }

  send(buffer: ByteBuffer): boolean {
    const taken = this.#give(buffer.bytes, buffer.length)
    buffer.clear()
    return taken
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#readable) this.#continueLater()
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    if (this.#pending === undefined) this.#finish()
  }

  destroy(): void {
    this.#close(undefined)
  }

  /** Gives up an attempt to connect. */
  giveUpAfter(timeoutMs: number): void {
    this.#timer = setTimeout(() => {
      const { host, port } = this.remote
      this.#close(new AerakiError('ETIMEDOUT', `connect ETIMEDOUT ${host}:${port} after ${timeoutMs} ms`))
    }, timeoutMs)
  }

  onEvents(events: number): void {
    if (this.#state === 'connecting') this.#connected()
    if ((events & readEvents) !== 0) {
      this.#readable = true
      if ((events & hangupEvents) !== 0) this.#hangup = true
      if (!this.#paused) this.#read()
      else if ((events & failureEvents) !== 0) this.#failIfBroken()
    }
    if ((events & numbers.EPOLLOUT) !== 0 && this.#pending !== undefined) this.#drain()
  }

  continueReading(): void {
    this.#continuing = false
    if (this.#readable && !this.#paused) this.#read()
  }

  #connected(): void {
    clearTimeout(this.#timer)
    const errno = this.#socketError()
    if (errno !== 0) {
      const { host, port } = this.remote
      this.#close(systemError('connect', errno, `${host}:${port}`))
      return
    }
    this.#state = 'open'
    this.handler.onOpen()
  }

  #read(): void {
    const { libc, received } = this.#shared
    const { bytes } = received
    for (let reads = 0; reads < maxReadsAtOnce; reads += 1) {
      if (this.#paused || this.#peerEnded || this.#state === 'closed') return
      const length = libc.calls.recv(this.#fd, bytes, bytes.length, 0)
      if (length > 0) {
        // Less than there was room for: that was all, and more would be another event.
        if (length < bytes.length && !this.#hangup) this.#readable = false
        this.handler.onData(received.first(length))
        if (!this.#readable) return
      } else if (length === 0) {
        this.#readable = false
        this.#onPeerEnd()
        return
      } else {
        this.#readable = false
        const errno = libc.errno()
        if (!isNothingToDo(errno)) this.#close(systemError('read', errno))
        return
      }
    }
    this.#continueLater()
  }

  #continueLater(): void {
    if (this.#continuing || this.#state === 'closed') return
    this.#continuing = true
    this.#shared.poller.continueLater(this)
  }

  #onPeerEnd(): void {
    this.#peerEnded = true
    if (this.#state === 'ended') this.#close(undefined)
    else this.handler.onEnd()
  }

  /** Paused, and the peer is gone with a reset: nobody will read what may be left. */
  #failIfBroken(): void {
    const errno = this.#socketError()
    if (errno !== 0) this.#close(systemError('read', errno))
  }

  #drain(): void {
    const pending = this.#pending as ByteBuffer
    const taken = this.#push(pending.bytes.subarray(this.#pendingFrom, pending.length))
    if (taken < 0) return
    this.#pendingFrom += taken
    if (this.#pendingFrom < pending.length) return
    this.#pending = undefined
    if (this.#state === 'ending') this.#finish()
    else this.handler.onDrain()
  }

  #give(bytes: Uint8Array, length: number): boolean {
    if (this.#pending !== undefined) {
      keep(this.#pending, bytes, 0, length)
      return false
    }
    if (this.#state !== 'open') return true
    const { libc } = this.#shared
    let taken = libc.calls.send(this.#fd, bytes, length, numbers.MSG_NOSIGNAL)
    if (taken === length) return true
    if (taken < 0) {
      const errno = libc.errno()
      if (!isNothingToDo(errno)) {
        this.#close(systemError('write', errno))
        return true
      }
      taken = 0
    }
    this.#pending = new ByteBuffer(Math.max(4096, length - taken))
    this.#pendingFrom = 0
    keep(this.#pending, bytes, taken, length)
    return false
  }

  /** How many bytes the kernel took; negative: the connection has failed. */
  #push(bytes: Uint8Array): number {
    const { libc } = this.#shared
    const taken = libc.calls.send(this.#fd, bytes, bytes.length, numbers.MSG_NOSIGNAL)
    if (taken >= 0) return taken
    const errno = libc.errno()
    if (isNothingToDo(errno)) return 0
    this.#close(systemError('write', errno))
    return -1
  }

  #finish(): void {
    if (this.#peerEnded) {
      this.#close(undefined)
      return
    }
    this.#state = 'ended'
    this.#shared.libc.calls.shutdown(this.#fd, numbers.SHUT_WR)
  }

  /** Its handler hears of it in a moment: never inside the call that closed it. */
  #close(error: Error | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    clearTimeout(this.#timer)
    this.#pending = undefined
    this.#shared.poller.remove(this.#fd)
    this.#shared.libc.calls.close(this.#fd)
    this.#fd = -1
    queueMicrotask(() => {
      const { handler } = this
      this.handler = deaf
      handler.onClose(error)
    })
  }

  #socketError(): number {
    const length = Uint32Array.of(4)
    const value = new Int32Array(1)
    const { calls } = this.#shared.libc
    return calls.getsockopt(this.#fd, numbers.SOL_SOCKET, numbers.SO_ERROR, value, length) < 0 ? 0 : (value[0] ?? 0)
  }

  #ask(call: 'getpeername' | 'getsockname'): SocketAddress {
    const bytes = new Uint8Array(maxSockaddrBytes)
    const { calls } = this.#shared.libc
    if (calls[call](this.#fd, bytes, Uint32Array.of(bytes.length)) < 0) return { host: '', port: 0 }
    return fromSockaddr(bytes)
  }
}

const one = Int32Array.of(1)

function keep(pending: ByteBuffer, bytes: Uint8Array, from: number, to: number): void {
  const at = pending.reserve(to - from)
  pending.bytes.set(bytes.subarray(from, to), at)
  pending.commit(at + to - from)
}

/** What there is in place of a connection that could not even begin. */
export class FailedConnection implements Connection {
  readonly remote: SocketAddress
  readonly local: SocketAddress = { host: '', port: 0 }
  readonly pendingBytes = 0
  readonly fd = undefined

  constructor(remote: SocketAddress, handler: ConnectionHandler, error: Error) {
    this.remote = remote
    queueMicrotask(() => handler.onClose(error))
  }

  write(): boolean {
    return true
  }

  send(buffer: ByteBuffer): boolean {
    buffer.clear()
    return true
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}
