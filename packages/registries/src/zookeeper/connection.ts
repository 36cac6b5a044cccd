/**
 * One connection to one ZooKeeper server, for reading with watches. A reader owns nothing in ZooKeeper, so a session is
 * worth no more than its connection: every connection has a session of its own, and when it ends, for whatever reason,
 * everything is read again over the next one. So expiry, fail-over and lost watches are one case.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TlsOptions } from '../tls.ts'
import {
  errors,
  errorText,
  type EventType,
  eventType,
  FrameReader,
  FrameSplitter,
  FrameWriter,
  operation,
  xid,
} from './wire.ts'

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectionOptions {
  readonly server: ServerAddress
  /** Milliseconds; the server may settle on another. A third of it without an answer to a ping, twice, is a loss. */
  readonly sessionTimeout: number
  readonly connectTimeout: number
  /** A server that knows less refuses us. */
  readonly lastZxid: bigint
  readonly auth: readonly { readonly scheme: string; readonly credentials: string }[]
  readonly tls: TlsOptions | undefined
  /** A node that was read with a watch has changed; the watch is spent. */
  readonly onEvent: (type: EventType, path: string) => void
  /** Gives up an attempt to connect. */
  readonly signal: AbortSignal
  /** Once, after the connection was made. */
  readonly onLost: (reason: string) => void
}

export interface Connection {
  /** Undefined where there is no such node; then the watch is for its creation. */
  children(path: string, watch: boolean): Promise<string[] | undefined>
  /** Undefined where there is no such node; then the watch is for its creation. */
  data(path: string, watch: boolean): Promise<Buffer | undefined>
  readonly lastZxid: bigint
  /** `Date.now()` of the last byte from the server. */
  readonly heardAt: number
  close(): void
}

/** Bytes of one answer: nodes with very many children, where jute.maxbuffer was raised, are longer than usual. */
const longestAnswer = 64 * 1024 * 1024

interface Pending {
  readonly xid: number
  readonly resolve: (answer: FrameReader | undefined) => void
  readonly reject: (error: Error) => void
}

/** Rejects with an Error for people when there is no connection, or the server does not take us. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { server } = options
  const socket = options.tls === undefined ? connectTcp(server) : connectTls({ ...server, ...options.tls })
  const connection = new ServerConnection(socket, options)
  await connection.opened
  return connection
}

class ServerConnection implements Connection {
  readonly opened: Promise<void>
  lastZxid: bigint
  heardAt = Date.now()
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #splitter = new FrameSplitter(longestAnswer)
  /** In the order in which they were sent, which is that of the answers. */
  #pending: Pending[] = []
  #answered = 0
  #state: 'connecting' | 'open' | 'closed' = 'connecting'
  #nextXid = 1
  #timer: NodeJS.Timeout | undefined
  #opening: { resolve: () => void; reject: (error: Error) => void } | undefined

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.lastZxid = options.lastZxid
    this.opened = new Promise((resolve, reject) => (this.#opening = { resolve, reject }))
    this.#timer = setTimeout(() => this.#lose('no answer in time'), options.connectTimeout)
    options.signal.addEventListener('abort', () => this.#lose('closed'), { once: true })
    socket.setNoDelay(true)
    socket.on(options.tls === undefined ? 'connect' : 'secureConnect', () => this.#greet())
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('error', (error) => this.#lose(error.message))
    socket.on('close', () => this.#lose('the server closed the connection'))
  }

  async children(path: string, watch: boolean): Promise<string[] | undefined> {
    const answer = await this.#read(operation.getChildren, path, watch)
    return answer?.texts()
  }

  async data(path: string, watch: boolean): Promise<Buffer | undefined> {
    const answer = await this.#read(operation.getData, path, watch)
    // The answer is a view of what came with it, and may be kept for long.
    return answer === undefined ? undefined : Buffer.from(answer.bytes())
  }

  close(): void {
    if (this.#state === 'open') {
      this.#socket.write(
        new FrameWriter()
          .int(this.#nextXid++)
          .int(operation.close)
          .frame(),
      )
      this.#socket.end()
    }
    this.#end(new Error('closed'))
    this.#socket.unref()
    setTimeout(() => this.#socket.destroy(), 200).unref()
  }

  /** A watch on a node that is not there is set by another operation than one on a node that is. */
  async #read(kind: number, path: string, watch: boolean): Promise<FrameReader | undefined> {
    for (;;) {
      const answer = await this.#request(kind, path, watch)
      if (answer !== undefined || !watch) return answer
      const exists = await this.#request(operation.exists, path, true)
      if (exists === undefined) return undefined
      // It came in between: read it.
    }
  }

  #request(kind: number, path: string, watch: boolean): Promise<FrameReader | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'open') {
        reject(new Error('not connected'))
        return
      }
      const id = this.#nextXid++
      this.#pending.push({ xid: id, resolve, reject })
      this.#socket.write(new FrameWriter().int(id).int(kind).text(path).bool(watch).frame())
    })
  }

  #greet(): void {
    const { sessionTimeout, lastZxid, auth } = this.#options
    const frame = new FrameWriter().int(0).long(lastZxid).int(sessionTimeout).long(0n).bytes(Buffer.alloc(16))
    this.#socket.write(frame.bool(false).frame())
    for (const { scheme, credentials } of auth) {
      const message = new FrameWriter().int(xid.auth).int(operation.auth).int(0).text(scheme).text(credentials)
      this.#socket.write(message.frame())
    }
  }

  #receive(chunk: Buffer): void {
    this.heardAt = Date.now()
    try {
      this.#splitter.push(chunk, (body) => this.#accept(new FrameReader(body)))
    } catch (error) {
      this.#lose(`what came is no ZooKeeper message: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #accept(message: FrameReader): void {
    if (this.#state === 'closed') return
    if (this.#state === 'connecting') {
      this.#welcome(message)
      return
    }
    const id = message.int()
    const zxid = message.long()
    const error = message.int()
    if (zxid > this.lastZxid) this.lastZxid = zxid
    if (id === xid.ping) return
    if (id === xid.auth) {
      if (error !== errors.ok) this.#lose(errorText(error))
      return
    }
    if (id === xid.event) {
      const type = eventType(message.int())
      message.int()
      const path = message.text()
      if (type !== 'other') this.#options.onEvent(type, path)
      return
    }
    this.#answer(id, error, message)
  }

  #answer(id: number, error: number, message: FrameReader): void {
    const pending = this.#pending[this.#answered]
    if (pending === undefined || pending.xid !== id) {
      this.#lose(`an answer to a request that was not made (${id})`)
      return
    }
    this.#answered += 1
    // Shifting a long array for each answer would be quadratic.
    if (this.#answered > 1000) {
      this.#pending = this.#pending.slice(this.#answered)
      this.#answered = 0
    }
    if (error === errors.ok) pending.resolve(message)
    else if (error === errors.noNode) pending.resolve(undefined)
    else pending.reject(new Error(errorText(error)))
  }

  #welcome(message: FrameReader): void {
    message.int()
    const timeout = message.int()
    if (timeout <= 0) {
      this.#lose('the server refused the session')
      return
    }
    this.#state = 'open'
    clearTimeout(this.#timer)
    const beat = Math.max(50, Math.floor(timeout / 3))
    this.#timer = setInterval(() => this.#ping(beat), beat)
    this.#opening?.resolve()
    this.#opening = undefined
  }

  #ping(beat: number): void {
    this.#socket.write(new FrameWriter().int(xid.ping).int(operation.ping).frame())
    const isSilent = (): boolean => this.#state === 'open' && Date.now() - this.heardAt > beat * 2
    if (!isSilent()) return
    // After a long turn of this process timers come first: what the server sent meanwhile is read before it is judged.
    setImmediate(() => {
      if (isSilent()) this.#lose('no answer to a ping')
    })
  }

  #lose(reason: string): void {
    if (this.#state === 'closed') return
    const wasOpen = this.#state === 'open'
    this.#end(new Error(reason))
    this.#socket.destroy()
    if (wasOpen) this.#options.onLost(reason)
  }

  #end(error: Error): void {
    this.#state = 'closed'
    clearTimeout(this.#timer)
    this.#opening?.reject(error)
    this.#opening = undefined
    const pending = this.#pending.slice(this.#answered)
    this.#pending = []
    this.#answered = 0
    for (const { reject } of pending) reject(error)
  }
}
