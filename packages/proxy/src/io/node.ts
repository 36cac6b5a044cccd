/**
 * The driver for Node's `node:net`, with as little of its streams as possible: received bytes come straight from the
 * handle into one buffer that all connections share (`onread`), and writes skip the writable side's queue.
 *
 * `net.Server` has no `onread`. An accepted socket's handle is therefore moved into a new socket that has one; where a
 * socket shows no handle the stream's own 'data' events serve as well.
 */
import { createServer, connect, Socket, type Server, type SocketConstructorOpts } from 'node:net'
import { AerakiError } from '@aeraki/api/errors'
import type { ByteBuffer } from '@aeraki/protocols'
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

export function createNodeIo(): Io {
  return new NodeIo()
}

/** Received bytes are read here and used up before the next read. */
const receiveBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/** Writes to the handle at once, past the stream's queue, and calls back at once if the kernel took all. */
const writeKey = '_write'
/** As Node's streams call it. */
const noEncoding = 'buffer' as BufferEncoding

/** What `Socket` really takes and has, and its types don't tell. */
type AdoptOptions = Omit<SocketConstructorOpts, 'handle'> & { readonly handle: object }
const handleKey = '_handle'
interface WithHandle {
  [handleKey]: (object & { readonly fd?: number }) | null | undefined
}

class NodeIo implements Io {
  readonly runtime = 'node'

  afterReads(run: () => void): void {
    setImmediate(run)
  }

  async listen(address: SocketAddress, options: ListenOptions, accept: AcceptHandler): Promise<Listener> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
    server.on('connection', (socket) => {
      const connection = new NodeConnection()
      connection.adopt(socket)
      connection.handler = accept(connection)
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(
        {
          host: address.host,
          port: address.port,
          exclusive: true,
          backlog: options.backlog ?? 511,
          reusePort: options.reusePort === true,
        },
        () => {
          server.removeListener('error', reject)
          // Accepting may fail (EMFILE); the next one may succeed.
          server.on('error', () => undefined)
          resolve()
        },
      )
    })
    return { address: { host: address.host, port: portOf(server, address.port) }, close: () => closeServer(server) }
  }

  connect(address: SocketAddress, options: ConnectOptions, handler: ConnectionHandler): Connection {
    const connection = new NodeConnection()
    connection.handler = handler
    connection.open(address, options.timeoutMs)
    return connection
  }
}

function portOf(server: Server, fallback: number): number {
  const bound = server.address()
  return bound === null || typeof bound === 'string' ? fallback : bound.port
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}

class NodeConnection implements Connection {
  handler: ConnectionHandler = deaf
  pendingBytes = 0
  #socket: Socket | undefined
  #error: Error | undefined
  #timer: NodeJS.Timeout | undefined
  #remote: SocketAddress | undefined
  /** Lengths of the writes that the kernel has not taken yet, oldest first. */
  readonly #queued: number[] = []
  /** In `socket._write`: a call of `#onWritten` belongs to this write. */
  #writing = false
  #takenAtOnce = false
  readonly #onWritten = (error?: Error | null): void => this.#written(error)

  get remote(): SocketAddress {
    this.#remote ??= { host: this.#socket?.remoteAddress ?? '', port: this.#socket?.remotePort ?? 0 }
    return this.#remote
  }

  get local(): SocketAddress {
    return { host: this.#socket?.localAddress ?? '', port: this.#socket?.localPort ?? 0 }
  }

  get fd(): number | undefined {
    const fd = (this.#socket as WithHandle | undefined)?.[handleKey]?.fd
    return fd === undefined || fd < 0 ? undefined : fd
  }

  write(bytes: Uint8Array): boolean {
    // The kernel may leave some, and then the memory has to stay as it is.
    return this.#give(Buffer.from(bytes))
  }

  send(buffer: ByteBuffer): boolean {
    const taken = this.#give(buffer.view())
    if (taken) buffer.clear()
    else buffer.renew()
    return taken
  }

  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  end(): void {
    this.#socket?.end()
  }

  destroy(): void {
    this.#socket?.destroy()
  }

  adopt(accepted: Socket): void {
    const handle = (accepted as unknown as WithHandle)[handleKey]
    if (handle === null || handle === undefined) {
      accepted.on('data', (chunk: Buffer) => this.handler.onData(chunk))
      this.#listenTo(accepted)
      accepted.resume()
      return
    }
    const options: AdoptOptions = { handle, allowHalfOpen: true, onread: this.#onRead() }
    const socket = new Socket(options as SocketConstructorOpts)
    ;(accepted as unknown as WithHandle)[handleKey] = null
    // An empty shell now; this makes the server forget it.
    accepted.destroy()
    this.#listenTo(socket)
  }

  open(address: SocketAddress, timeoutMs: number): void {
    this.#remote = address
    const { host, port } = address
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true, onread: this.#onRead() })
    this.#listenTo(socket)
    socket.once('connect', () => {
      clearTimeout(this.#timer)
      this.handler.onOpen()
    })
    this.#timer = setTimeout(() => {
      socket.destroy(new AerakiError('ETIMEDOUT', `connect ETIMEDOUT ${host}:${port} after ${timeoutMs} ms`))
    }, timeoutMs)
  }

  #onRead(): { buffer: Buffer; callback: (length: number) => boolean } {
    return {
      buffer: receiveBuffer,
      callback: (length) => {
        this.handler.onData(receiveBuffer.subarray(0, length))
        return true
      },
    }
  }

  #listenTo(socket: Socket): void {
    this.#socket = socket
    socket.on('end', () => this.handler.onEnd())
    socket.on('error', (error) => {
      this.#error ??= error
    })
    socket.on('close', () => {
      clearTimeout(this.#timer)
      const { handler } = this
      this.handler = deaf
      handler.onClose(this.#error)
    })
  }

  #give(bytes: Buffer): boolean {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return true
    this.#writing = true
    this.#takenAtOnce = false
    socket[writeKey](bytes, noEncoding, this.#onWritten)
    this.#writing = false
    if (this.#takenAtOnce) return true
    this.pendingBytes += bytes.length
    this.#queued.push(bytes.length)
    return false
  }

  #written(error: Error | null | undefined): void {
    if (error) {
      this.#takenAtOnce = true
      this.#socket?.destroy(error)
    } else if (this.#writing) {
      this.#takenAtOnce = true
    } else {
      this.pendingBytes -= this.#queued.shift() ?? 0
      if (this.#queued.length === 0) this.handler.onDrain()
    }
  }
}
