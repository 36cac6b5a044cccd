/**
 * Variable-length integers: 7 bits per byte, the lowest first; the top bit says that another byte follows.
 * Reading is two steps, the length and then the value, so that nothing is allocated.
 */
import { malformed } from './wire.ts'

const longest = 10

/** How many bytes the number at `at` takes; 0 when it goes on at `end`. Throws when it is longer than 64 bits are. */
export function varintLength(bytes: Buffer, at: number, end: number): number {
  const last = Math.min(end, at + longest)
  for (let index = at; index < last; index += 1) {
    if ((bytes[index] as number) < 0x80) return index - at + 1
  }
  if (last === at + longest) throw malformed('a number of more than 10 bytes')
  return 0
}

/** The low 32 bits, signed. `length` is from `varintLength`. */
export function varintValue(bytes: Buffer, at: number, length: number): number {
  let value = 0
  const used = length > 5 ? 5 : length
  for (let index = 0; index < used; index += 1) value |= ((bytes[at + index] as number) & 0x7f) << (7 * index)
  return value
}

/** The value where it is a length or a count: throws when it is not within 0 and 2^31-1. */
export function varintSize(bytes: Buffer, at: number, length: number): number {
  const value = varintValue(bytes, at, length)
  if (length > 5 || value < 0 || (length === 5 && (bytes[at + 4] as number) > 0x07))
    throw malformed('a negative length')
  return value
}

/** How many bytes these 32 bits take. */
export function varintBytes(value: number): number {
  const bits = 32 - Math.clz32(value | 0)
  return bits === 0 ? 1 : Math.ceil(bits / 7)
}

/** Writes these 32 bits; returns where the next byte goes. */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value >>> 0
  let next = at
  while (rest >= 0x80) {
    bytes[next] = (rest & 0x7f) | 0x80
    rest >>>= 7
    next += 1
  }
  bytes[next] = rest
  return next + 1
}
