/** Sockets in memory: what the data path does can be counted, apart from kernel and runtime. */
import type { ByteBuffer } from '@aeraki/protocols'
import { deaf } from '../../src/io/deaf.ts'
import type {
  AcceptHandler,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Io,
  Listener,
  ListenOptions,
  SocketAddress,
} from '../../src/io/io.ts'

export class MemoryIo implements Io {
  readonly runtime = 'node'
  /** Outgoing connections, in the order they were made. */
  readonly upstream: MemoryConnection[] = []
  /** Whether they are established at once; else when a test calls `onOpen`. */
  establishes = true
  onConnect: (connection: MemoryConnection) => void = () => undefined
  #accept: AcceptHandler | undefined

  afterReads(run: () => void): void {
    setImmediate(run)
  }

  async listen(address: SocketAddress, _options: ListenOptions, accept: AcceptHandler): Promise<Listener> {
    this.#accept = accept
    return { address, close: async () => undefined }
  }

  connect(address: SocketAddress, _options: ConnectOptions, handler: ConnectionHandler): Connection {
    const connection = new MemoryConnection(address)
    connection.handler = handler
    this.upstream.push(connection)
    this.onConnect(connection)
    if (this.establishes) queueMicrotask(() => handler.onOpen())
    return connection
  }

  /** A client connects to the listener. */
  accept(): MemoryConnection {
    if (this.#accept === undefined) throw new Error('nothing listens')
    const connection = new MemoryConnection({ host: '127.0.0.1', port: 1 })
    connection.handler = this.#accept(connection)
    return connection
  }
}

/** The proxy's end of a connection: `written` is what it sent. */
export class MemoryConnection implements Connection {
  handler: ConnectionHandler = deaf
  readonly remote: SocketAddress
  readonly local: SocketAddress = { host: '127.0.0.1', port: 2 }
  readonly fd = undefined
  readonly pendingBytes = 0
  /** Calls that would each be a system call. */
  writes = 0
  ended = false
  destroyed = false
  /** Takes what is written; the bytes are valid during the call. */
  onWrite: (bytes: Uint8Array) => void = () => undefined

  constructor(remote: SocketAddress) {
    this.remote = remote
  }

  write(bytes: Uint8Array): boolean {
    this.writes += 1
    this.onWrite(bytes)
    return true
  }

  send(buffer: ByteBuffer): boolean {
    this.write(buffer.view())
    buffer.clear()
    return true
  }

  /** Bytes from the peer. */
  receive(bytes: Uint8Array): void {
    this.handler.onData(bytes)
  }

  pause(): void {}
  resume(): void {}
  end(): void {
    this.ended = true
  }

  destroy(): void {
    this.destroyed = true
    queueMicrotask(() => {
      const { handler } = this
      this.handler = deaf
      handler.onClose(undefined)
    })
  }
}
