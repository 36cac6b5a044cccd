/**
 * The header transport (THeaderTransport of Apache Thrift and fbthrift): frames with key/values beside the message.
 *
 *   frame    = u32 length (of what follows) , u16 0x0fff , u16 flags , i32 seqid , u16 words , section , payload
 *   section  = varint protocol , varint count , varint transform id * count , info* , 00-padding   (4 * words bytes)
 *   info     = varint 1 , pairs      key/values of this message
 *            | varint 2 , pairs      fbthrift: key/values that are meant for the whole connection
 *            | varint other , ...    unknown, and then all that follows is
 *   pairs    = varint count , ( varint length , key , varint length , value ) * count
 *   payload  = message, transformed (1: zlib)
 *
 * Protocols: 0 binary, 2 compact. The section is at most 65,535 words.
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/HeaderFormat.md
 */
import type { KeyValue, Mutation } from '../contract.ts'
import { ProtocolError } from '../errors.ts'
import { equalsIgnoreCase } from '../intern.ts'
import { text } from './attributes.ts'
import { varintBytes, varintLength, varintSize, varintValue, writeVarint } from './varint.ts'
import { malformed } from './wire.ts'

/** Length, magic, flags, seqid, words. */
export const fixedHeaderBytes = 14
export const headerSeqidAt = 8
export const headerWordsAt = 12
export const protocolIds = { binary: 0, compact: 2 } as const
const zlibTransform = 1
const infoIds = { padding: 0, keyValue: 1, persistent: 2 } as const
const maxSectionBytes = 0xffff * 4

/** What is read of each header at once; the infos are read on demand. One object per decoder, reused. */
export class HeaderLayout {
  seqid = 0
  protocolId = 0
  zlib = false
  /** Where the infos begin, and where the section ends and the payload begins. */
  infoAt = 0
  end = 0

  /** Throws `ProtocolError`. `length` is the whole frame's. */
  read(bytes: Buffer, at: number, length: number): void {
    if (length < fixedHeaderBytes) throw malformed('a header frame without a header')
    this.seqid = bytes.readInt32BE(at + headerSeqidAt)
    this.end = at + fixedHeaderBytes + 4 * bytes.readUInt16BE(at + headerWordsAt)
    if (this.end > at + length) throw malformed('a header longer than its frame')
    reader.start(bytes, at + fixedHeaderBytes, this.end)
    this.protocolId = reader.number()
    if (this.protocolId !== protocolIds.binary && this.protocolId !== protocolIds.compact)
      throw new ProtocolError('PROTOCOL_UNSUPPORTED', `Thrift protocol ${this.protocolId} within a header frame`)
    const transforms = reader.size()
    this.zlib = transforms === 1 && reader.number() === zlibTransform
    if (transforms > 1 || (transforms === 1 && !this.zlib))
      throw new ProtocolError('PROTOCOL_UNSUPPORTED', 'a Thrift header frame with transforms other than zlib')
    this.infoAt = reader.at
  }
}

/** Reads the parts of a section; throws `ProtocolError` where it ends too early. */
class SectionReader {
  at = 0
  #bytes: Buffer = Buffer.alloc(0)
  #end = 0
  /** The string that `skipString` found. */
  stringAt = 0
  stringLength = 0

  start(bytes: Buffer, at: number, end: number): void {
    this.#bytes = bytes
    this.at = at
    this.#end = end
  }

  get more(): boolean {
    return this.at < this.#end
  }

  number(): number {
    const from = this.at
    return varintValue(this.#bytes, from, this.#advance())
  }

  size(): number {
    const from = this.at
    return varintSize(this.#bytes, from, this.#advance())
  }

  skipString(): void {
    this.stringLength = this.size()
    this.stringAt = this.at
    this.at += this.stringLength
    if (this.at > this.#end) throw malformed('a string longer than the header')
  }

  #advance(): number {
    const length = varintLength(this.#bytes, this.at, this.#end)
    if (length === 0) throw malformed('a header that ends too early')
    this.at += length
    return length
  }
}

/** Shared: every use of it starts and ends within one call. */
const reader = new SectionReader()

/**
 * Value of the info of this name (lower case; compared without case). Of several the last counts, and one of the
 * message before one of the connection.
 */
export function findInfo(bytes: Buffer, layout: HeaderLayout, name: string, maxAttributes: number): string | undefined {
  let valueAt = -1
  let valueLength = 0
  let foundIn: number = infoIds.persistent
  let left = maxAttributes
  reader.start(bytes, layout.infoAt, layout.end)
  while (reader.more) {
    const id = reader.number()
    if (id !== infoIds.keyValue && id !== infoIds.persistent) break
    for (let count = reader.size(); count > 0; count -= 1) {
      if (left === 0) return valueAt < 0 ? undefined : text(bytes, valueAt, valueLength)
      left -= 1
      reader.skipString()
      const matches = id <= foundIn && equalsIgnoreCase(bytes, reader.stringAt, reader.stringLength, name)
      reader.skipString()
      if (!matches) continue
      foundIn = id
      valueAt = reader.stringAt
      valueLength = reader.stringLength
    }
  }
  return valueAt < 0 ? undefined : text(bytes, valueAt, valueLength)
}

/** All infos, at most so many, of the connection first: what is said later overrides. For access logs. */
export function readInfos(bytes: Buffer, layout: HeaderLayout, max: number): KeyValue[] {
  const { keyValues, persistent } = readPairs(bytes, layout, max)
  return [...persistent, ...keyValues].map((pair) => ({
    key: pair.name,
    value: text(bytes, pair.valueAt, pair.end - pair.valueAt),
  }))
}

/**
 * The section with these key/values set: keys that are there already (compared without case) are replaced, everything
 * else stays. Throws `ProtocolError` on a malformed section, and when the new one can't be that long.
 */
export function rebuildSection(bytes: Buffer, at: number, layout: HeaderLayout, mutation: Mutation): Buffer {
  const names = new Set(mutation.set.map((entry) => entry.key.toLowerCase()))
  const stays = (pair: Pair) => !names.has(pair.name)
  const raw = readPairs(bytes, layout, Infinity)
  const kept = raw.keyValues.filter(stays)
  // What stays is copied as it is: values need not be UTF-8.
  const asBytes = (pair: Pair) => bytes.subarray(pair.at, pair.end)
  const parts = [bytes.subarray(at + fixedHeaderBytes, layout.infoAt)]
  const count = kept.length + mutation.set.length
  if (count > 0) {
    parts.push(numbers(infoIds.keyValue, count), ...kept.map(asBytes))
    for (const { key, value } of mutation.set) parts.push(string(key), string(value))
  }
  const persistent = raw.persistent.filter(stays)
  if (persistent.length > 0) parts.push(numbers(infoIds.persistent, persistent.length), ...persistent.map(asBytes))
  parts.push(bytes.subarray(raw.unknownAt, layout.end))
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const padded = (length + 3) & ~3
  if (padded > maxSectionBytes)
    throw new ProtocolError('PROTOCOL_FRAME_TOO_LARGE', `a Thrift header of ${padded} bytes after a mutation`)
  return Buffer.concat(parts, padded)
}

interface Pair {
  /** Lower case. */
  readonly name: string
  /** Key and value with their lengths are `bytes[at .. end)`. */
  readonly at: number
  readonly valueAt: number
  readonly end: number
}

interface Pairs {
  readonly keyValues: readonly Pair[]
  readonly persistent: readonly Pair[]
  /** Where the infos begin that nobody here knows; `layout.end` when there are none. */
  readonly unknownAt: number
}

function readPairs(bytes: Buffer, layout: HeaderLayout, max: number): Pairs {
  const keyValues: Pair[] = []
  const persistent: Pair[] = []
  let unknownAt = layout.end
  let left = max
  reader.start(bytes, layout.infoAt, layout.end)
  while (reader.more && left > 0) {
    const start = reader.at
    const id = reader.number()
    if (id !== infoIds.keyValue && id !== infoIds.persistent) {
      if (id !== infoIds.padding) unknownAt = start
      break
    }
    const into = id === infoIds.keyValue ? keyValues : persistent
    for (let count = reader.size(); count > 0 && left > 0; count -= 1) {
      left -= 1
      const pairAt = reader.at
      reader.skipString()
      const name = text(bytes, reader.stringAt, reader.stringLength).toLowerCase()
      reader.skipString()
      into.push({ name, at: pairAt, valueAt: reader.stringAt, end: reader.at })
    }
  }
  return { keyValues, persistent, unknownAt }
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 5)
  let end = 0
  for (const value of values) end = writeVarint(bytes, end, value)
  return bytes.subarray(0, end)
}

function string(value: string): Buffer {
  const length = Buffer.byteLength(value)
  const bytes = Buffer.allocUnsafe(varintBytes(length) + length)
  bytes.write(value, writeVarint(bytes, 0, length))
  return bytes
}
