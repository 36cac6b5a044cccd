/**
 * A protocol for tests of the data path, as small as one can be with ids and attributes:
 *
 *   frame   = length kind id-high id-low *(text) body
 *   length  = u32 of the whole frame           kind = u8, see below
 *   pairs   = u16 count, then count times key and value; text = u16 length and bytes
 *   body    = the rest
 */
import {
  ProtocolError,
  type ByteSink,
  type ConnectionModel,
  type Decoder,
  type FrameKind,
  type Limits,
  type Mutation,
  type Protocol,
  type ResponseStatus,
} from '@aeraki/protocols'
import { LengthDecoder, type PointableFrame } from '../../../protocols/src/framing.ts'

export const kinds: readonly FrameKind[] = [
  'request',
  'oneway',
  'response',
  'heartbeat',
  'heartbeat-reply',
  'stream',
  'goaway',
]
const statuses: readonly ResponseStatus[] = ['ok', 'exception', 'error']

export const headerLength = 13

export interface KvMessage {
  readonly kind: FrameKind
  readonly id: number
  /** High half of the id. */
  readonly high?: number
  readonly status?: ResponseStatus
  readonly pairs?: Readonly<Record<string, string>>
  readonly body?: string
}

export function encode(message: KvMessage): Buffer {
  const parts: Buffer[] = [Buffer.alloc(headerLength)]
  const pairs = Object.entries(message.pairs ?? {})
  parts.push(u16(pairs.length))
  for (const [key, value] of pairs) parts.push(text(key), text(value))
  parts.push(Buffer.from(message.body ?? ''))
  const bytes = Buffer.concat(parts)
  bytes.writeUInt32BE(bytes.length)
  bytes[4] = kinds.indexOf(message.kind) | (statuses.indexOf(message.status ?? 'ok') << 4)
  bytes.writeInt32BE(message.high ?? 0, 5)
  bytes.writeInt32BE(message.id, 9)
  return bytes
}

export function decode(bytes: Buffer): Required<KvMessage> {
  const pairs: Record<string, string> = {}
  const body = readPairs(bytes, 0, bytes.length, (key, value) => {
    pairs[key] = value
  })
  return {
    kind: kinds[(bytes[4] as number) & 15] as FrameKind,
    status: statuses[(bytes[4] as number) >> 4] as ResponseStatus,
    high: bytes.readInt32BE(5),
    id: bytes.readInt32BE(9),
    pairs,
    body: bytes.toString('utf8', body),
  }
}

export interface KvOptions {
  /** Answers go out in the order of the requests. Default: false. */
  readonly ordered?: boolean
  /** The high half of a request's id is its tag. Default: false. */
  readonly tagged?: boolean
}

/** Variants of the protocol, which differ in how they use connections. */
export function kvProtocol(connection: ConnectionModel, options: KvOptions = {}): Protocol {
  return {
    name: `kv${connection}`,
    connection,
    responseOrder: options.ordered === true ? 'request' : 'any',
    attributes: [],
    decoder: (_side, limits): Decoder => new LengthDecoder(grammar(limits), new KvFrame(options.tagged === true)),
    writeError(out, to, error) {
      append(
        out,
        encode({
          kind: 'response',
          high: to.idHigh,
          id: to.idLow,
          status: 'error',
          pairs: { type: error.type, operation: to.operation },
          body: error.message,
        }),
      )
    },
    writeHeartbeatReply(out, to) {
      append(out, encode({ kind: 'heartbeat-reply', high: to.idHigh, id: to.idLow }))
    },
    writeHeartbeat(out, id) {
      append(out, encode({ kind: 'heartbeat', id }))
    },
  }
}

function grammar(limits: Limits): {
  headerBytes: number
  lengthAt(bytes: Buffer, at: number, available: number): number
} {
  return {
    headerBytes: headerLength,
    lengthAt(bytes, at, available) {
      if (available < headerLength) return 0
      const length = bytes.readUInt32BE(at)
      if (length > limits.maxFrameBytes)
        throw new ProtocolError('PROTOCOL_FRAME_TOO_LARGE', `a frame of ${length} bytes`)
      if (length < headerLength + 2) throw new ProtocolError('PROTOCOL_MALFORMED', `a frame of ${length} bytes`)
      if (kinds[(bytes[at + 4] as number) & 15] === undefined)
        throw new ProtocolError('PROTOCOL_MALFORMED', 'no such kind')
      return length
    },
  }
}

class KvFrame implements PointableFrame {
  kind: FrameKind = 'request'
  idHigh = 0
  idLow = 0
  tag = 0
  length = 0
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  readonly #tagged: boolean

  constructor(tagged: boolean) {
    this.#tagged = tagged
  }

  point(bytes: Buffer, at: number, length: number): void {
    this.#bytes = bytes
    this.#at = at
    this.length = length
    this.kind = kinds[(bytes[at + 4] as number) & 15] as FrameKind
    this.idHigh = bytes.readInt32BE(at + 5)
    this.idLow = bytes.readInt32BE(at + 9)
    if (this.#tagged) this.tag = this.idHigh
  }

  get status(): ResponseStatus {
    return statuses[(this.#bytes[this.#at + 4] as number) >> 4] as ResponseStatus
  }

  attribute(name: string): string | undefined {
    let found: string | undefined
    readPairs(this.#bytes, this.#at, this.#at + this.length, (key, value) => {
      if (key.toLowerCase() === name) found = value
    })
    return found
  }

  operation(): string {
    return this.attribute('method') ?? ''
  }

  allAttributes(): ReadonlyMap<string, string> {
    const all = new Map<string, string>()
    readPairs(this.#bytes, this.#at, this.#at + this.length, (key, value) => {
      all.set(key.toLowerCase(), value)
    })
    return all
  }

  write(out: ByteSink, idHigh: number, idLow: number, mutation: Mutation | undefined): void {
    const bytes = this.#bytes.subarray(this.#at, this.#at + this.length)
    if (mutation === undefined) {
      const at = out.reserve(bytes.length)
      bytes.copy(out.bytes, at)
      out.bytes.writeInt32BE(idHigh, at + 5)
      out.bytes.writeInt32BE(idLow, at + 9)
      out.commit(at + bytes.length)
      return
    }
    const message = decode(bytes)
    const set = Object.fromEntries(mutation.set.map(({ key, value }) => [key, value]))
    append(out, encode({ ...message, high: idHigh, id: idLow, pairs: { ...message.pairs, ...set } }))
  }
}

function append(out: ByteSink, bytes: Buffer): void {
  const at = out.reserve(bytes.length)
  bytes.copy(out.bytes, at)
  out.commit(at + bytes.length)
}

function readPairs(bytes: Buffer, from: number, end: number, use: (key: string, value: string) => void): number {
  let at = from + headerLength
  const read = (): string => {
    if (at + 2 > end) throw new ProtocolError('PROTOCOL_MALFORMED', 'a text is cut short')
    const length = bytes.readUInt16BE(at)
    at += 2 + length
    if (at > end) throw new ProtocolError('PROTOCOL_MALFORMED', 'a text is cut short')
    return bytes.toString('utf8', at - length, at)
  }
  const count = bytes.readUInt16BE(at)
  at += 2
  for (let index = 0; index < count; index += 1) use(read(), read())
  return at
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u16(bytes.length), bytes])
}
