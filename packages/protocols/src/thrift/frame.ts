/**
 * One Thrift message in its transport. The grammars stand above their parsers: ./wire.ts (which transport and protocol),
 * ./binary.ts, ./compact.ts (messages), ./header.ts (THeader).
 *
 * The id is the message's seqid; where that is 0, the header transport's own (fbthrift numbers its requests there).
 * A rewritten id is written to every place that held the old one.
 */
import type { FrameKind, Limits, Mutation, ResponseStatus, Side } from '../contract.ts'
import type { ByteSink } from '../contract.ts'
import type { PointableFrame } from '../framing.ts'
import { messageName, methodName, serviceName } from './attributes.ts'
import { firstFieldBinary, readLax, readStrict } from './binary.ts'
import { firstFieldCompact, readCompact } from './compact.ts'
import { writeFrame } from './encode.ts'
import { Envelope } from './envelope.ts'
import { HeaderLayout, findInfo, protocolIds, readInfos } from './header.ts'
import type { Encoding, Transport } from './wire.ts'
import {
  detect,
  encodingAt,
  encodingOf,
  encodings,
  malformed,
  messageTypes,
  tagOf,
  transportOf,
  transports,
} from './wire.ts'
import { inflateAll, inflateHead } from './zlib.ts'

export class ThriftFrame implements PointableFrame {
  readonly limits: Limits
  readonly envelope = new Envelope()
  /** Valid for the header transport. */
  readonly header = new HeaderLayout()
  kind: FrameKind = 'request'
  readonly idHigh = 0
  idLow = 0
  tag = 0
  length = 0
  /** The frame's bytes are `bytes[at .. at + length)`. */
  bytes: Buffer = noBytes
  at = 0
  /** The message's bytes, into which the envelope points: the frame's, or what is inflated of them. */
  message: Buffer = noBytes
  messageEnd = 0
  readonly #side: Side

  constructor(side: Side, limits: Limits) {
    this.#side = side
    this.limits = limits
  }

  point(bytes: Buffer, at: number, length: number): void {
    this.bytes = bytes
    this.at = at
    this.length = length
    this.message = bytes
    this.messageEnd = at + length
    const tag = detect(bytes, at, length, this.limits)
    if (tag < 0) throw malformed('a frame that is too short')
    const transport = transportOf(tag)
    if (transport === transports.header) this.#pointHeader()
    else this.#pointMessage(transport, encodingOf(tag), transport === transports.framed ? at + 4 : at)
    this.idLow = this.envelope.seqid
    if (this.idLow === 0 && transport === transports.header) this.idLow = this.header.seqid
    this.kind = this.#kindOf(this.envelope.type)
  }

  get status(): ResponseStatus {
    if (this.envelope.type === messageTypes.exception) return 'error'
    if (this.envelope.type !== messageTypes.reply) return 'ok'
    const first = encodingOf(this.tag) === encodings.compact ? firstFieldCompact : firstFieldBinary
    // A result is field 0, a declared exception the field of its number; a void result is an empty struct.
    const id = first(this.message, this.envelope.bodyAt, this.messageEnd)
    return id === undefined || id === 0 ? 'ok' : 'exception'
  }

  get transport(): Transport {
    return transportOf(this.tag)
  }

  attribute(name: string): string | undefined {
    if (name === 'method') return methodName(this.message, this.envelope)
    if (name === 'service') return serviceName(this.message, this.envelope)
    if (this.transport !== transports.header) return undefined
    return findInfo(this.bytes, this.header, name, this.limits.maxAttributes)
  }

  operation(): string {
    return messageName(this.message, this.envelope)
  }

  allAttributes(): ReadonlyMap<string, string> {
    const all = new Map<string, string>()
    if (this.transport === transports.header) {
      for (const { key, value } of readInfos(this.bytes, this.header, this.limits.maxAttributes)) all.set(key, value)
    }
    all.set('method', methodName(this.message, this.envelope))
    const service = serviceName(this.message, this.envelope)
    if (service === undefined) all.delete('service')
    else all.set('service', service)
    return all
  }

  write(out: ByteSink, _idHigh: number, idLow: number, mutation: Mutation | undefined): void {
    writeFrame(out, this, idLow | 0, mutation)
  }

  #pointMessage(transport: Transport, encoding: Encoding, from: number): void {
    this.tag = tagOf(transport, encoding)
    if (!readEnvelope(this.envelope, encoding, this.message, from, this.messageEnd))
      throw malformed('a message that ends within its head')
  }

  #pointHeader(): void {
    const { header } = this
    header.read(this.bytes, this.at, this.length)
    if (header.end === this.messageEnd) throw malformed('a header frame without a message')
    let from = header.end
    if (header.zlib) {
      this.#inflate(inflateHead)
      from = 0
    }
    const encoding = header.protocolId === protocolIds.compact ? encodings.compact : encodingAt(this.message, from)
    this.tag = tagOf(transports.header, encoding)
    if (readEnvelope(this.envelope, encoding, this.message, from, this.messageEnd)) return
    if (!header.zlib) throw malformed('a message that ends within its head')
    this.#inflate(inflateAll)
    this.#pointMessage(transports.header, encoding, 0)
  }

  #inflate(how: (payload: Buffer, limits: Limits) => Buffer): void {
    this.message = how(this.bytes.subarray(this.header.end, this.at + this.length), this.limits)
    this.messageEnd = this.message.length
  }

  #kindOf(type: number): FrameKind {
    const request = type === messageTypes.call || type === messageTypes.oneway
    if (request !== (this.#side === 'request'))
      throw malformed(request ? 'a call from a server' : 'a reply from a client')
    if (!request) return 'response'
    return type === messageTypes.call ? 'request' : 'oneway'
  }
}

/** False when the head goes on at `end`. */
export function readEnvelope(envelope: Envelope, encoding: Encoding, bytes: Buffer, at: number, end: number): boolean {
  if (encoding === encodings.compact) return readCompact(envelope, bytes, at, end)
  return encoding === encodings.strict ? readStrict(envelope, bytes, at, end) : readLax(envelope, bytes, at, end)
}

const noBytes = Buffer.alloc(0)
