/** A Dubbo client that keeps its connection, and a server that answers when the test lets it. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { dubboFrames, dubboRequest, dubboResponse, readResponse } from './dubbo-bytes.ts'

export class DubboClient {
  closed = false
  readonly #socket: Socket
  readonly #waiting = new Map<bigint, { resolve: (answer: string) => void; reject: (error: Error) => void }>()
  #lastId = 0n
  #kept = Buffer.alloc(0)

  static async connect(port: number, host = '127.0.0.1'): Promise<DubboClient> {
    const socket = connect(port, host)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new DubboClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      for (const { reject } of this.#waiting.values()) reject(new Error('the connection was closed'))
    })
  }

  /** What the server said, or `status N`. Rejects when the connection is closed first. */
  call(): Promise<string> {
    this.#lastId += 1n
    const id = this.#lastId
    const answer = new Promise<string>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
    })
    this.#socket.write(dubboRequest(id))
    return answer
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const { frames, rest } = dubboFrames(Buffer.concat([this.#kept, chunk]))
    this.#kept = Buffer.from(rest)
    for (const frame of frames) {
      const { id, status, value } = readResponse(frame)
      this.#waiting.get(id)?.resolve(status === 20 ? value : `status ${status}`)
      this.#waiting.delete(id)
    }
  }
}

export class DubboServer {
  /** Requests that have come. */
  served = 0
  /** Those that wait for `release`. */
  held: (() => void)[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(name: string, hold = false): Promise<DubboServer> {
    const server = new DubboServer(name, hold)
    await new Promise<void>((resolve) => {
      server.#server.listen(0, '127.0.0.1', resolve)
    })
    return server
  }

  private constructor(name: string, hold: boolean) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      let kept = Buffer.alloc(0)
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => {
        const { frames, rest } = dubboFrames(Buffer.concat([kept, chunk]))
        kept = Buffer.from(rest)
        for (const frame of frames) {
          this.served += 1
          const answer = (): void => {
            socket.write(dubboResponse(frame.readBigUInt64BE(4), name))
          }
          if (hold) this.held.push(answer)
          else answer()
        }
      })
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  release(): void {
    for (const answer of this.held.splice(0)) answer()
  }

  stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
