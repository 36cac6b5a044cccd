/** A client and a server of the test protocol, on plain sockets: they know nothing of the proxy. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { decode, encode, type KvMessage } from './kv-protocol.ts'

export type Received = Required<KvMessage>

/** Cuts what a socket receives into messages. */
export function receive(socket: Socket, onMessage: (message: Received) => void): void {
  let buffered: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
    let at = 0
    while (buffered.length - at >= 4) {
      const length = buffered.readUInt32BE(at)
      if (buffered.length - at < length) break
      onMessage(decode(buffered.subarray(at, at + length)))
      at += length
    }
    buffered = buffered.subarray(at)
  })
}

/** What a server does with a message: answers, or not. */
export type Behaviour = (message: Received, connection: ServerConnection) => void

export interface ServerConnection {
  readonly socket: Socket
  send(message: KvMessage): void
}

export class KvServer {
  readonly #server: Server
  readonly sockets = new Set<Socket>()
  readonly received: Received[] = []
  /** Connections accepted so far. */
  accepted = 0
  behaviour: Behaviour

  constructor(server: Server, behaviour: Behaviour) {
    this.#server = server
    this.behaviour = behaviour
    server.on('connection', (socket) => this.#serve(socket))
  }

  static async start(behaviour: Behaviour, port = 0): Promise<KvServer> {
    const server = createServer()
    const result = new KvServer(server, behaviour)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return result
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Stops listening and breaks all connections. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  #serve(socket: Socket): void {
    this.accepted += 1
    this.sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('close', () => this.sockets.delete(socket))
    const connection: ServerConnection = { socket, send: (message) => socket.write(encode(message)) }
    receive(socket, (message) => {
      this.received.push(message)
      this.behaviour(message, connection)
    })
  }
}

/** Answers each request with its own name and what it was asked. */
export function echo(name: string): Behaviour {
  return (message, connection) => {
    if (message.kind !== 'request') return
    const { high, id, body, pairs } = message
    connection.send({ kind: 'response', high, id, pairs: { ...pairs, server: name }, body })
  }
}

export class KvClient {
  readonly socket: Socket
  readonly received: Received[] = []
  readonly closed: Promise<void>
  #isClosed = false
  readonly #waiting = new Map<number, (message: Received) => void>()
  readonly #rejecting = new Map<number, (error: Error) => void>()
  #listeners: (() => void)[] = []
  #nextId = 1

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('end', () => socket.end())
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true
        for (const reject of this.#rejecting.values()) reject(new Error('the connection was closed'))
        this.#changed()
        resolve()
      })
    })
    receive(socket, (message) => {
      this.received.push(message)
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
      this.#rejecting.delete(message.id)
      this.#changed()
    })
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<KvClient> {
    const socket = connect({ port, host, allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return new KvClient(socket)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(message: KvMessage): void {
    this.socket.write(encode(message))
  }

  /** Rejects when the connection is closed before the response comes. */
  call(pairs: Readonly<Record<string, string>>, body = ''): Promise<Received> {
    const id = this.#nextId
    this.#nextId += 1
    return this.request({ kind: 'request', id, pairs, body })
  }

  request(message: KvMessage): Promise<Received> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(message.id, resolve)
      this.#rejecting.set(message.id, reject)
      this.send(message)
    })
  }

  /** Resolves when so many messages have come. Rejects when the connection is closed before. */
  async messages(count: number): Promise<readonly Received[]> {
    while (this.received.length < count) {
      if (this.#isClosed) throw new Error(`closed after ${this.received.length} of ${count} messages`)
      await new Promise<void>((resolve) => {
        this.#listeners.push(resolve)
      })
    }
    return this.received
  }

  close(): Promise<void> {
    this.socket.destroy()
    return this.closed
  }

  #changed(): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const each of listeners) each()
  }
}
