/**
 * xxHash64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) in 32-bit halves: a 64-bit BigInt costs an
 * allocation for each step. Envoy hashes with it, so the same values land on the same endpoints here and there.
 */

/** Two unsigned 32-bit halves. */
export interface Hash64 {
  high: number
  low: number
}

const prime1 = { high: 0x9e3779b1, low: 0x85ebca87 }
const prime2 = { high: 0xc2b2ae3d, low: 0x27d4eb4f }
const prime3 = { high: 0x165667b1, low: 0x9e3779f9 }
const prime4 = { high: 0x85ebca77, low: 0xc2b2ae63 }
const prime5 = { high: 0x27d4eb2f, low: 0x165667c5 }

/** Of the UTF-8 bytes of a text. Each call returns a new object. */
export function xxHash64(text: string, seed: Readonly<Hash64> = { high: 0, low: 0 }): Hash64 {
  return xxHash64Bytes(Buffer.from(text), seed)
}

export function xxHash64Bytes(bytes: Buffer, seed: Readonly<Hash64>): Hash64 {
  const { length } = bytes
  let at = 0
  let hash: Hash64
  if (length >= 32) {
    const v1 = sum(sum(seed, prime1), prime2)
    const v2 = sum(seed, prime2)
    const v3 = { ...seed }
    const v4 = difference(seed, prime1)
    for (; at <= length - 32; at += 32) {
      round(v1, bytes, at)
      round(v2, bytes, at + 8)
      round(v3, bytes, at + 16)
      round(v4, bytes, at + 24)
    }
    hash = sum(sum(rotated(v1, 1), rotated(v2, 7)), sum(rotated(v3, 12), rotated(v4, 18)))
    for (const v of [v1, v2, v3, v4]) {
      xor(hash, mixed(v))
      multiply(hash, prime1)
      add(hash, prime4)
    }
  } else {
    hash = sum(seed, prime5)
  }
  add(hash, { high: 0, low: length })
  for (; at <= length - 8; at += 8) {
    xor(hash, mixed({ high: bytes.readUInt32LE(at + 4), low: bytes.readUInt32LE(at) }))
    rotate(hash, 27)
    multiply(hash, prime1)
    add(hash, prime4)
  }
  if (at <= length - 4) {
    const word = { high: 0, low: bytes.readUInt32LE(at) }
    multiply(word, prime1)
    xor(hash, word)
    rotate(hash, 23)
    multiply(hash, prime2)
    add(hash, prime3)
    at += 4
  }
  for (; at < length; at += 1) {
    const byte = { high: 0, low: bytes[at] as number }
    multiply(byte, prime5)
    xor(hash, byte)
    rotate(hash, 11)
    multiply(hash, prime1)
  }
  xorShift(hash, 33)
  multiply(hash, prime2)
  xorShift(hash, 29)
  multiply(hash, prime3)
  xorShift(hash, 32)
  return hash
}

/** `hash mod divisor`, for divisors below 2^20. */
export function remainder(hash: Readonly<Hash64>, divisor: number): number {
  return (hash.high * (0x1_0000_0000 % divisor) + (hash.low % divisor)) % divisor
}

export function compareHashes(a: Readonly<Hash64>, b: Readonly<Hash64>): number {
  return a.high === b.high ? a.low - b.low : a.high - b.high
}

function round(v: Hash64, bytes: Buffer, at: number): void {
  const lane = { high: bytes.readUInt32LE(at + 4), low: bytes.readUInt32LE(at) }
  multiply(lane, prime2)
  add(v, lane)
  rotate(v, 31)
  multiply(v, prime1)
}

function mixed(v: Readonly<Hash64>): Hash64 {
  const result = { high: v.high, low: v.low }
  multiply(result, prime2)
  rotate(result, 31)
  multiply(result, prime1)
  return result
}

function sum(a: Readonly<Hash64>, b: Readonly<Hash64>): Hash64 {
  const result = { high: a.high, low: a.low }
  add(result, b)
  return result
}

function difference(a: Readonly<Hash64>, b: Readonly<Hash64>): Hash64 {
  const borrow = a.low < b.low ? 1 : 0
  return { high: (a.high - b.high - borrow) >>> 0, low: (a.low - b.low) >>> 0 }
}

function rotated(a: Readonly<Hash64>, bits: number): Hash64 {
  const result = { high: a.high, low: a.low }
  rotate(result, bits)
  return result
}

function add(a: Hash64, b: Readonly<Hash64>): void {
  const low = a.low + b.low
  a.high = (a.high + b.high + (low > 0xffff_ffff ? 1 : 0)) >>> 0
  a.low = low >>> 0
}

function xor(a: Hash64, b: Readonly<Hash64>): void {
  a.high = (a.high ^ b.high) >>> 0
  a.low = (a.low ^ b.low) >>> 0
}

/** By 1 to 31 bits. */
function rotate(a: Hash64, bits: number): void {
  const { high, low } = a
  a.high = ((high << bits) | (low >>> (32 - bits))) >>> 0
  a.low = ((low << bits) | (high >>> (32 - bits))) >>> 0
}

/** `a ^= a >> bits` for 1 to 63 bits. */
function xorShift(a: Hash64, bits: number): void {
  const { high, low } = a
  if (bits >= 32) {
    a.low = (low ^ (high >>> (bits - 32))) >>> 0
    return
  }
  a.high = (high ^ (high >>> bits)) >>> 0
  a.low = (low ^ ((low >>> bits) | (high << (32 - bits)))) >>> 0
}

function multiply(a: Hash64, b: Readonly<Hash64>): void {
  const a0 = a.low & 0xffff
  const a1 = a.low >>> 16
  const b0 = b.low & 0xffff
  const b1 = b.low >>> 16
  const p00 = a0 * b0
  const p01 = a0 * b1
  const p10 = a1 * b0
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff)
  const carry = a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)
  a.high = (carry + Math.imul(a.low, b.high) + Math.imul(a.high, b.low)) >>> 0
  a.low = (((middle & 0xffff) << 16) | (p00 & 0xffff)) >>> 0
}
