/**
 * The compact protocol.
 *
 *   message  = 82 , u8 (type << 5 | 1) , varint seqid , string name , struct
 *   struct   = field* , 00
 *   field    = u8 (delta << 4 | type) , value      id = last id + delta, delta 1 to 15
 *            | u8 type , zigzag varint id , value
 *   value    = true, false: nothing in a field (the type says it), 1 byte in a container | byte: 1 byte
 *            | i16, i32, i64: zigzag varint | double: 8 bytes | uuid: 16 bytes
 *            | string: varint length, bytes | struct
 *            | list, set: u8 (count << 4 | type) , value*          count 0 to 14
 *                       | u8 (15 << 4 | type) , varint count , value*
 *            | map: 00 | varint count , u8 (key type << 4 | value type) , (key , value)*
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
import type { Envelope } from './envelope.ts'
import { Skipper } from './skipper.ts'
import { varintLength, varintSize, varintValue } from './varint.ts'
import { checkName, compactProtocolId, compactVersion, malformed, messageTypes } from './wire.ts'

const types = { true: 1, false: 2, i16: 4, i64: 6, string: 8, list: 9, set: 10, map: 11, struct: 12 } as const

/** Bytes of a value in a container; 0 where they vary, -1 where there is no such type. */
const sizes: readonly number[] = [-1, 1, 1, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 16, -1, -1]

/** Reads a message's head in `bytes[at .. end)`; false when it goes on. Throws `ProtocolError`. */
export function readCompact(envelope: Envelope, bytes: Buffer, at: number, end: number): boolean {
  if (end - at < 2) return false
  const second = bytes[at + 1] as number
  if (bytes[at] !== compactProtocolId || (second & 0x1f) !== compactVersion) throw malformed('no compact message')
  const type = second >> 5
  if (type < messageTypes.call || type > messageTypes.oneway) throw malformed(`message type ${type}`)
  const seqidAt = at + 2
  const seqidLength = varintLength(bytes, seqidAt, end)
  if (seqidLength === 0) return false
  const lengthAt = seqidAt + seqidLength
  const lengthBytes = varintLength(bytes, lengthAt, end)
  if (lengthBytes === 0) return false
  const nameAt = lengthAt + lengthBytes
  const nameLength = varintSize(bytes, lengthAt, lengthBytes)
  checkName(nameLength)
  if (nameAt + nameLength > end) return false
  envelope.type = type
  envelope.nameAt = nameAt
  envelope.nameLength = nameLength
  envelope.seqid = varintValue(bytes, seqidAt, seqidLength)
  envelope.seqidAt = seqidAt
  envelope.seqidLength = seqidLength
  envelope.bodyAt = nameAt + nameLength
  return true
}

/** Id of a struct's first field; undefined when it has none, or the bytes end. */
export function firstFieldCompact(bytes: Buffer, at: number, end: number): number | undefined {
  if (at >= end || bytes[at] === 0) return undefined
  const delta = (bytes[at] as number) >> 4
  if (delta !== 0) return delta
  const length = varintLength(bytes, at + 1, end)
  if (length === 0) return undefined
  const zigzag = varintValue(bytes, at + 1, length)
  return (zigzag >>> 1) ^ -(zigzag & 1)
}

export class CompactSkipper extends Skipper {
  protected override field(bytes: Buffer, at: number, available: number): boolean {
    const head = bytes[at + this.position] as number
    let from = this.position + 1
    if (head >> 4 === 0) {
      const idLength = varintLength(bytes, at + from, at + available)
      if (idLength === 0) return false
      from += idLength
    }
    const type = head & 0x0f
    if (type === types.true || type === types.false) {
      this.position = from
      return true
    }
    return this.value(bytes, at, available, from, type)
  }

  protected override value(bytes: Buffer, at: number, available: number, from: number, type: number): boolean {
    const fixed = sizeOf(type)
    if (fixed > 0) {
      this.position = from + fixed
      return true
    }
    if (type === types.struct) {
      this.position = from
      this.openStruct()
      return true
    }
    if (type === types.list || type === types.set) return this.#list(bytes, at, available, from)
    const length = varintLength(bytes, at + from, at + available)
    if (length === 0) return false
    if (type >= types.i16 && type <= types.i64) this.position = from + length
    else if (type === types.string) this.position = from + length + varintSize(bytes, at + from, length)
    else return this.#map(bytes, at, available, from + length, varintSize(bytes, at + from, length))
    return true
  }

  #list(bytes: Buffer, at: number, available: number, from: number): boolean {
    if (from >= available) return false
    const head = bytes[at + from] as number
    let count = head >> 4
    let next = from + 1
    if (count === 15) {
      const length = varintLength(bytes, at + next, at + available)
      if (length === 0) return false
      count = varintSize(bytes, at + next, length)
      next += length
    }
    this.position = next
    if (count === 0) return true
    const type = head & 0x0f
    const fixed = sizeOf(type)
    if (fixed > 0) this.position += count * fixed
    else this.openContainer(count, type, type)
    return true
  }

  #map(bytes: Buffer, at: number, available: number, typesAt: number, count: number): boolean {
    if (count === 0) {
      this.position = typesAt
      return true
    }
    if (typesAt >= available) return false
    const head = bytes[at + typesAt] as number
    const keyBytes = sizeOf(head >> 4)
    const valueBytes = sizeOf(head & 0x0f)
    this.position = typesAt + 1
    if (keyBytes > 0 && valueBytes > 0) this.position += count * (keyBytes + valueBytes)
    else this.openContainer(count * 2, head >> 4, head & 0x0f)
    return true
  }
}

function sizeOf(type: number): number {
  const bytes = sizes[type] ?? -1
  if (bytes < 0) throw malformed(`a value of compact type ${type}`)
  return bytes
}
