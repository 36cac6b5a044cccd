/**
 * The binary protocol. All numbers are big endian.
 *
 *   message       = strict | lax
 *   strict        = 80 01 00 type , u32 length, name , i32 seqid , struct
 *   lax           = u32 length, name , u8 type , i32 seqid , struct
 *   struct        = ( u8 type , i16 id , value )* , 00
 *   value         = bool, byte: 1 byte | i16: 2 | i32: 4 | i64, double: 8 | uuid: 16
 *                 | string: u32 length, bytes | struct
 *                 | list, set: u8 type , u32 count , value* | map: u8 key type , u8 value type , u32 count , (k , v)*
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
 */
import type { Envelope } from './envelope.ts'
import { Skipper } from './skipper.ts'
import { checkName, malformed, messageTypes, strictVersion } from './wire.ts'

const types = { string: 11, struct: 12, map: 13, set: 14, list: 15 } as const

/** Bytes of a value of each type; 0 where they vary, -1 where there is no such type. */
const sizes: readonly number[] = [-1, -1, 1, 1, 8, -1, 2, -1, 4, -1, 8, 0, 0, 0, 0, 0, 16]

/** Reads a strict message's head in `bytes[at .. end)`; false when it goes on. Throws `ProtocolError`. */
export function readStrict(envelope: Envelope, bytes: Buffer, at: number, end: number): boolean {
  if (end - at < 8) return false
  if (bytes.readUInt16BE(at) !== strictVersion) throw malformed('no version where one must be')
  const nameLength = size(bytes, at + 4)
  checkName(nameLength)
  const seqidAt = at + 8 + nameLength
  if (seqidAt + 4 > end) return false
  fill(envelope, bytes, bytes[at + 3] as number, at + 8, nameLength, seqidAt)
  return true
}

/** The same for the form without a version. */
export function readLax(envelope: Envelope, bytes: Buffer, at: number, end: number): boolean {
  if (end - at < 4) return false
  const nameLength = size(bytes, at)
  checkName(nameLength)
  const seqidAt = at + 5 + nameLength
  if (seqidAt + 4 > end) return false
  fill(envelope, bytes, bytes[seqidAt - 1] as number, at + 4, nameLength, seqidAt)
  return true
}

/** Id of a struct's first field; undefined when it has none, or the bytes end. */
export function firstFieldBinary(bytes: Buffer, at: number, end: number): number | undefined {
  return at + 3 > end || bytes[at] === 0 ? undefined : bytes.readInt16BE(at + 1)
}

export class BinarySkipper extends Skipper {
  protected override field(bytes: Buffer, at: number, available: number): boolean {
    const type = bytes[at + this.position] as number
    return this.position + 3 <= available && this.value(bytes, at, available, this.position + 3, type)
  }

  protected override value(bytes: Buffer, at: number, available: number, from: number, type: number): boolean {
    const fixed = sizeOf(type)
    if (fixed > 0) {
      this.position = from + fixed
      return true
    }
    switch (type) {
      case types.string:
        if (from + 4 > available) return false
        this.position = from + 4 + size(bytes, at + from)
        return true
      case types.struct:
        this.position = from
        this.openStruct()
        return true
      case types.map:
        return this.#map(bytes, at, available, from)
      default:
        return this.#list(bytes, at, available, from)
    }
  }

  #list(bytes: Buffer, at: number, available: number, from: number): boolean {
    if (from + 5 > available) return false
    const count = size(bytes, at + from + 1)
    this.position = from + 5
    // Some libraries write no type for an empty list.
    if (count === 0) return true
    const type = bytes[at + from] as number
    const fixed = sizeOf(type)
    if (fixed > 0) this.position += count * fixed
    else this.openContainer(count, type, type)
    return true
  }

  #map(bytes: Buffer, at: number, available: number, from: number): boolean {
    if (from + 6 > available) return false
    const count = size(bytes, at + from + 2)
    this.position = from + 6
    if (count === 0) return true
    const keyType = bytes[at + from] as number
    const valueType = bytes[at + from + 1] as number
    const keyBytes = sizeOf(keyType)
    const valueBytes = sizeOf(valueType)
    if (keyBytes > 0 && valueBytes > 0) this.position += count * (keyBytes + valueBytes)
    else this.openContainer(count * 2, keyType, valueType)
    return true
  }
}

function fill(
  envelope: Envelope,
  bytes: Buffer,
  type: number,
  nameAt: number,
  nameLength: number,
  seqidAt: number,
): void {
  if (type < messageTypes.call || type > messageTypes.oneway) throw malformed(`message type ${type}`)
  envelope.type = type
  envelope.nameAt = nameAt
  envelope.nameLength = nameLength
  envelope.seqid = bytes.readInt32BE(seqidAt)
  envelope.seqidAt = seqidAt
  envelope.seqidLength = 4
  envelope.bodyAt = seqidAt + 4
}

/** A length or a count. */
function size(bytes: Buffer, at: number): number {
  const value = bytes.readInt32BE(at)
  if (value < 0) throw malformed('a negative length')
  return value
}

function sizeOf(type: number): number {
  const bytes = sizes[type] ?? -1
  if (bytes < 0) throw malformed(`a value of type ${type}`)
  return bytes
}
