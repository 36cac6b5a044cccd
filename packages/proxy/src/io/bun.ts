/** The driver for Bun's native sockets: what `write` does not take is kept here until the kernel has room. */
import { AerakiError } from '@aeraki/api/errors'
import { ByteBuffer } from '@aeraki/protocols'
import type { BunApi, BunListener, BunSocket, BunSocketHandlers } from './bun-api.ts'
import { deaf } from './deaf.ts'
import type {
  AcceptHandler,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Io,
  Listener,
  ListenOptions,
  SocketAddress,
} from './io.ts'

export function createBunIo(bun: BunApi): Io {
  return new BunIo(bun)
}

type Socket = BunSocket<BunConnection | undefined>
type Handlers = BunSocketHandlers<BunConnection | undefined>

class BunIo implements Io {
  readonly runtime = 'bun'
  readonly #bun: BunApi

  constructor(bun: BunApi) {
    this.#bun = bun
  }

  afterReads(run: () => void): void {
    setImmediate(run)
  }

  async listen(address: SocketAddress, options: ListenOptions, accept: AcceptHandler): Promise<Listener> {
    let listener: BunListener
    try {
      listener = this.#bun.listen<BunConnection | undefined>({
        hostname: address.host,
        port: address.port,
        allowHalfOpen: true,
        ...(options.backlog === undefined ? {} : { backlog: options.backlog }),
        reusePort: options.reusePort === true,
        socket: {
          ...handlers,
          open(socket) {
            socket.setNoDelay(true)
            const connection = new BunConnection()
            socket.data = connection
            connection.attach(socket)
            connection.handler = accept(connection)
          },
        },
      })
    } catch (error) {
      throw listenError(address, error)
    }
    return {
      address: { host: address.host, port: listener.port },
      close: async () => listener.stop(),
    }
  }

  connect(address: SocketAddress, options: ConnectOptions, handler: ConnectionHandler): Connection {
    const connection = new BunConnection()
    connection.handler = handler
    connection.expect(address, options.timeoutMs)
    const failed = (error: unknown): void => {
      // Never inside the caller's `connect`.
      queueMicrotask(() => connection.onSocketClose(error instanceof Error ? error : new Error(String(error))))
    }
    try {
      this.#bun
        .connect<BunConnection | undefined>({
          hostname: address.host,
          port: address.port,
          allowHalfOpen: true,
          data: connection,
          socket: handlers,
        })
        .catch(failed)
    } catch (error) {
      failed(error)
    }
    return connection
  }
}

/** Outgoing connections' `open`; listeners have their own. */
const handlers: Handlers = {
  open(socket) {
    socket.setNoDelay(true)
    socket.data?.onSocketOpen(socket)
  },
  data(socket, chunk) {
    socket.data?.handler.onData(chunk)
  },
  drain(socket) {
    socket.data?.onSocketDrain()
  },
  end(socket) {
    socket.data?.onSocketEnd()
  },
  close(socket, error) {
    socket.data?.onSocketClose(error)
  },
  error(socket, error) {
    socket.data?.onSocketError(error)
  },
  connectError(socket, error) {
    socket.data?.onSocketClose(error)
  },
}

type State = 'connecting' | 'open' | 'ending' | 'ended' | 'closed'

class BunConnection implements Connection {
  handler: ConnectionHandler = deaf
  #socket: Socket | undefined
  #state: State = 'connecting'
  #peerEnded = false
  /** In a method of this class that may make Bun call back at once. */
  #busy = false
  #pending: ByteBuffer | undefined
  #pendingFrom = 0
  #error: Error | undefined
  #timer: NodeJS.Timeout | undefined
  #remote: SocketAddress | undefined
  #paused = false

  get remote(): SocketAddress {
    this.#remote ??= { host: this.#socket?.remoteAddress ?? '', port: this.#socket?.remotePort ?? 0 }
    return this.#remote
  }

  get local(): SocketAddress {
    return { host: this.#socket?.localAddress ?? '', port: this.#socket?.localPort ?? 0 }
  }

  get fd(): number | undefined {
    const fd = this.#socket?.fd
    return fd === undefined || fd < 0 ? undefined : fd
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
    if (this.#paused) return
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket?.resume()
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    if (this.#pending === undefined) this.#finish()
  }

  destroy(): void {
    if (this.#state === 'closed') return
    const socket = this.#socket
    if (socket === undefined) {
      queueMicrotask(() => this.onSocketClose(undefined))
      return
    }
    this.#busy = true
    socket.end()
    this.#busy = false
  }

  attach(socket: Socket): void {
    this.#socket = socket
    this.#state = 'open'
  }

  expect(address: SocketAddress, timeoutMs: number): void {
    this.#remote = address
    this.#timer = setTimeout(() => {
      const where = `${address.host}:${address.port}`
      this.onSocketClose(new AerakiError('ETIMEDOUT', `connect ETIMEDOUT ${where} after ${timeoutMs} ms`))
    }, timeoutMs)
  }

  onSocketOpen(socket: Socket): void {
    clearTimeout(this.#timer)
    if (this.#state === 'closed') {
      socket.data = undefined
      socket.end()
      return
    }
    this.attach(socket)
    if (this.#paused) socket.pause()
    this.handler.onOpen()
  }

  onSocketDrain(): void {
    const pending = this.#pending
    const socket = this.#socket
    if (pending === undefined || socket === undefined) return
    const written = socket.write(pending.bytes, this.#pendingFrom, pending.length - this.#pendingFrom)
    if (written < 0) return
    this.#pendingFrom += written
    if (this.#pendingFrom < pending.length) return
    this.#pending = undefined
    if (this.#state === 'ending') this.#finish()
    else this.handler.onDrain()
  }

  onSocketEnd(): void {
    this.#peerEnded = true
    if (this.#state === 'ended') this.destroy()
    else this.handler.onEnd()
  }

  onSocketError(error: Error): void {
    this.#error ??= error
    this.destroy()
  }

  onSocketClose(error: Error | undefined): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    clearTimeout(this.#timer)
    this.#pending = undefined
    const { handler } = this
    this.handler = deaf
    const reason = this.#error ?? error
    if (this.#busy) queueMicrotask(() => handler.onClose(reason))
    else handler.onClose(reason)
  }

  /** Not a view but a length: making a view for each write took a sixth of the proxy's time in user mode. */
  #give(bytes: Uint8Array, length: number): boolean {
    if (this.#pending !== undefined) {
      this.#keep(this.#pending, bytes, 0, length)
      return false
    }
    const socket = this.#socket
    if (socket === undefined || this.#state !== 'open') return true
    const written = socket.write(bytes, 0, length)
    // Negative: it is closed, and `close` will say so.
    if (written < 0 || written === length) return true
    this.#pending = new ByteBuffer(Math.max(4096, length - written))
    this.#pendingFrom = 0
    this.#keep(this.#pending, bytes, written, length)
    return false
  }

  #finish(): void {
    this.#busy = true
    this.#state = 'ended'
    if (this.#peerEnded) this.#socket?.end()
    else this.#socket?.shutdown()
    this.#busy = false
  }

  #keep(pending: ByteBuffer, bytes: Uint8Array, from: number, to: number): void {
    const at = pending.reserve(to - from)
    pending.bytes.set(bytes.subarray(from, to), at)
    pending.commit(at + to - from)
  }
}

/** As Node has it: Bun's message names neither the reason nor the port, its code does the first. */
function listenError({ host, port }: SocketAddress, cause: unknown): Error {
  const { code } = cause as { readonly code?: string }
  return Object.assign(new Error(`listen ${code ?? String(cause)}: ${host}:${port}`, { cause }), { code })
}
