/**
 * A cursor over Hessian 2.0 values that skips what nobody asked for. It materialises strings and nothing else.
 *
 * Grammar (https://hessian.caucho.com/doc/hessian-serialization.html, and what Java implementations write):
 *
 *   value   = 'N' | 'T' | 'F'                                       null, booleans
 *           | x80-xbf | xc0-xcf b0 | xd0-xd7 b1 b0 | 'I' b3..b0     int
 *           | xd8-xef | xf0-xff b0 | x38-x3f b1 b0 | x59 b3..b0 | 'L' b7..b0      long
 *           | x5b | x5c | x5d b0 | x5e b1 b0 | x5f b3..b0 | 'D' b7..b0            double
 *           | x4a b7..b0 | x4b b3..b0                               date: milliseconds, minutes
 *           | string | binary | list | map | object
 *           | class-def value                                       a definition stands before a value
 *           | 'Q' int                                               reference to an earlier list, map or object
 *   string  = 'R' b1 b0 chars string | 'S' b1 b0 chars | x00-x1f chars | x30-x33 b0 chars
 *   binary  = 'A' b1 b0 bytes binary | 'B' b1 b0 bytes | x20-x2f bytes | x34-x37 b0 bytes
 *   list    = x55 type value* 'Z' | 'V' type int value* | x57 value* 'Z' | x58 int value*
 *           | x70-x77 type value* | x78-x7f value*
 *   map     = 'M' type (value value)* 'Z' | 'H' (value value)* 'Z'
 *   type    = string | int                                          int: index into the types seen before
 *   class-def = 'C' string int string*
 *   object  = 'O' int value* | x60-x6f value*                       as many values as the definition has names
 *
 * String lengths count UTF-16 units; each unit is UTF-8 of its own (a surrogate pair is two times three bytes), and
 * some writers put a pair into one UTF-8 sequence of four bytes. Both are read.
 *
 * Every step consumes at least a byte, so the time is linear in the frame whatever the counts in it say. Nesting is
 * kept on a stack of its own with a limit. Malformed bytes throw `ProtocolError` PROTOCOL_MALFORMED.
 */
import { ProtocolError } from '../../errors.ts'
import { asciiString } from '../../intern.ts'

/** Containers within containers. Java's own implementations overflow their stacks well before. */
export const maxDepth = 10_000
/** Class definitions within one body. */
export const maxClasses = 10_000

/** States of an open container: `Z` ends it; in a map only before a key. Counts of values to come are >= 0. */
const untilEnd = -1
const mapKey = -2
const mapValue = -3

export class Hessian2Scanner {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  end = 0
  /** Number of fields of each class definition seen since `reset`. */
  #fields = new Int32Array(8)
  #classes = 0
  #stack = new Int32Array(16)

  reset(bytes: Buffer, at: number, end: number): void {
    this.bytes = bytes
    this.at = at
    this.end = end
    this.#classes = 0
  }

  get atEnd(): boolean {
    return this.at >= this.end
  }

  peek(): number {
    if (this.at >= this.end) throw truncated()
    return this.bytes[this.at] as number
  }

  /** Whether the value here is a string. */
  isString(): boolean {
    return isStringTag(this.peek())
  }

  /** Skips a value, with all it contains; most are strings. */
  skipValue(): void {
    if (this.isString()) this.skipString()
    else this.skipValues(1)
  }

  /** Skips so many values, with all they contain. */
  skipValues(count: number): void {
    let depth = 0
    this.#stack[0] = count
    while (depth >= 0) {
      const open = this.#stack[depth] as number
      if (open === 0) {
        depth -= 1
        continue
      }
      if (open > 0) this.#stack[depth] = open - 1
      else if (open === mapValue) this.#stack[depth] = mapKey
      else if (this.peek() === 0x5a) {
        this.at += 1
        depth -= 1
        continue
      } else if (open === mapKey) this.#stack[depth] = mapValue
      const inside = this.#skipHead()
      if (inside !== 0) {
        depth += 1
        if (depth > maxDepth) throw malformed('is nested too deeply')
        if (depth === this.#stack.length) this.#stack = doubled(this.#stack)
        this.#stack[depth] = inside
      }
    }
  }

  /** Skips a value up to what it contains; returns how many values that are, or how it ends. */
  #skipHead(): number {
    const tag = this.peek()
    if (tag < 0x20 || (tag >= 0x30 && tag <= 0x33) || tag === 0x52 || tag === 0x53) {
      this.skipString()
      return 0
    }
    if (tag < 0x38 || tag === 0x41 || tag === 0x42) {
      this.#skipBinary()
      return 0
    }
    if (tag >= 0x80) return this.#advance(tag < 0xc0 ? 1 : tag < 0xd0 ? 2 : tag < 0xd8 ? 3 : tag < 0xf0 ? 1 : 2)
    if (tag < 0x40) return this.#advance(3)
    if (tag >= 0x60) {
      this.at += 1
      if (tag < 0x70) return this.#fieldCount(tag - 0x60)
      if (tag < 0x78) this.skipType()
      return tag & 7
    }
    switch (tag) {
      case 0x4e: // null
      case 0x54: // true
      case 0x46: // false
      case 0x5b: // 0.0
      case 0x5c: // 1.0
        return this.#advance(1)
      case 0x5d:
        return this.#advance(2)
      case 0x5e:
        return this.#advance(3)
      case 0x49: // int
      case 0x59: // long of 32 bits
      case 0x5f: // double as thousandths (or a float)
      case 0x4b: // date in minutes
        return this.#advance(5)
      case 0x4c: // long
      case 0x44: // double
      case 0x4a: // date in milliseconds
        return this.#advance(9)
      case 0x51: // reference
        this.at += 1
        this.readInt()
        return 0
      case 0x43: // class definition, then a value
        this.#defineClass()
        return 1
      case 0x4f:
        this.at += 1
        return this.#fieldCount(this.readInt())
      case 0x55:
        this.at += 1
        this.skipType()
        return untilEnd
      case 0x56:
        this.at += 1
        this.skipType()
        return this.#count()
      case 0x57:
        this.at += 1
        return untilEnd
      case 0x58:
        this.at += 1
        return this.#count()
      case 0x4d:
        this.at += 1
        this.skipType()
        return mapKey
      case 0x48:
        this.at += 1
        return mapKey
      default:
        throw malformed(`has the unknown tag 0x${tag.toString(16)}`)
    }
  }

  skipType(): void {
    if (isStringTag(this.peek())) this.skipString()
    else this.readInt()
  }

  readInt(): number {
    const { bytes } = this
    const at = this.at
    const tag = this.peek()
    if (tag >= 0x80 && tag < 0xc0) {
      this.at += 1
      return tag - 0x90
    }
    if (tag >= 0xc0 && tag < 0xd0) {
      this.#advance(2)
      return ((tag - 0xc8) << 8) + (bytes[at + 1] as number)
    }
    if (tag >= 0xd0 && tag < 0xd8) {
      this.#advance(3)
      return ((tag - 0xd4) << 16) + ((bytes[at + 1] as number) << 8) + (bytes[at + 2] as number)
    }
    if (tag !== 0x49) throw malformed(`has 0x${tag.toString(16)} where an int belongs`)
    this.#advance(5)
    return bytes.readInt32BE(at + 1)
  }

  /** The string here; undefined for null, as Java's `writeUTF` writes it. */
  readString(): string | undefined {
    const tag = this.peek()
    if (tag === 0x4e) {
      this.at += 1
      return undefined
    }
    if (tag !== 0x52) {
      const units = this.#stringHead()
      const short = units <= this.end - this.at ? asciiString(this.bytes, this.at, units) : undefined
      if (short !== undefined) {
        this.at += units
        return short
      }
      return this.#decodeUnits(units)
    }
    let text = ''
    let last = false
    while (!last) {
      last = this.peek() !== 0x52
      text += this.#decodeUnits(this.#stringHead())
    }
    return text
  }

  /** Skips a string, or the null in its place. */
  skipString(): void {
    if (this.peek() === 0x4e) {
      this.at += 1
      return
    }
    let last = false
    while (!last) {
      last = this.peek() !== 0x52
      this.#skipUnits(this.#stringHead())
    }
  }

  /** Consumes tag and length of a string's chunk; returns its length in UTF-16 units. */
  #stringHead(): number {
    const { bytes } = this
    const at = this.at
    const tag = this.peek()
    if (tag < 0x20) {
      this.at += 1
      return tag
    }
    if (tag >= 0x30 && tag <= 0x33) {
      this.#advance(2)
      return ((tag - 0x30) << 8) + (bytes[at + 1] as number)
    }
    if (tag !== 0x52 && tag !== 0x53) throw malformed(`has 0x${tag.toString(16)} where a string belongs`)
    this.#advance(3)
    return ((bytes[at + 1] as number) << 8) + (bytes[at + 2] as number)
  }

  #skipUnits(units: number): void {
    const { bytes, end } = this
    let at = this.at
    let left = units
    while (left > 0) {
      if (at >= end) throw truncated()
      const byte = bytes[at] as number
      if (byte < 0x80) at += 1
      else if (byte < 0xc0) throw malformed('has a string that is not UTF-8')
      else if (byte < 0xe0) at += 2
      else if (byte < 0xf0) at += 3
      else {
        at += 4
        left -= 1
      }
      left -= 1
    }
    if (left < 0) throw malformed('has a string that ends within a character')
    if (at > end) throw truncated()
    this.at = at
  }

  /** The slow way, for strings that are not plain ASCII. */
  #decodeUnits(units: number): string {
    const start = this.at
    this.#skipUnits(units)
    const { bytes } = this
    if (!hasSurrogates(bytes, start, this.at)) return bytes.toString('utf8', start, this.at)
    const codes: number[] = []
    let at = start
    while (at < this.at) {
      const byte = bytes[at] as number
      if (byte < 0x80) {
        codes.push(byte)
        at += 1
      } else if (byte < 0xe0) {
        codes.push(((byte & 0x1f) << 6) | ((bytes[at + 1] as number) & 0x3f))
        at += 2
      } else if (byte < 0xf0) {
        codes.push(
          ((byte & 0x0f) << 12) | (((bytes[at + 1] as number) & 0x3f) << 6) | ((bytes[at + 2] as number) & 0x3f),
        )
        at += 3
      } else {
        const point = bytes.toString('utf8', at, at + 4)
        for (let index = 0; index < point.length; index += 1) codes.push(point.charCodeAt(index))
        at += 4
      }
    }
    let text = ''
    for (let from = 0; from < codes.length; from += 4096) text += String.fromCharCode(...codes.slice(from, from + 4096))
    return text
  }

  #skipBinary(): void {
    const { bytes } = this
    for (;;) {
      const at = this.at
      const tag = this.peek()
      if (tag >= 0x20 && tag < 0x30) {
        this.#advance(1 + tag - 0x20)
        return
      }
      if (tag >= 0x34 && tag < 0x38) {
        this.#advance(2)
        this.#advance(((tag - 0x34) << 8) + (bytes[at + 1] as number))
        return
      }
      if (tag !== 0x41 && tag !== 0x42) throw malformed(`has 0x${tag.toString(16)} where binary data belong`)
      this.#advance(3)
      this.#advance(((bytes[at + 1] as number) << 8) + (bytes[at + 2] as number))
      if (tag === 0x42) return
    }
  }

  #defineClass(): void {
    this.at += 1
    this.skipString()
    const fields = this.#count()
    for (let index = 0; index < fields; index += 1) this.skipString()
    if (this.#classes === maxClasses) throw malformed('defines too many classes')
    if (this.#classes === this.#fields.length) this.#fields = doubled(this.#fields)
    this.#fields[this.#classes] = fields
    this.#classes += 1
  }

  #fieldCount(reference: number): number {
    if (reference < 0 || reference >= this.#classes)
      throw malformed(`refers to class ${reference}, which is not defined`)
    return this.#fields[reference] as number
  }

  #count(): number {
    const count = this.readInt()
    if (count < 0) throw malformed(`has the length ${count}`)
    return count
  }

  #advance(count: number): 0 {
    if (count > this.end - this.at) throw truncated()
    this.at += count
    return 0
  }
}

export function isStringTag(tag: number): boolean {
  return tag < 0x20 || (tag >= 0x30 && tag <= 0x33) || tag === 0x53 || tag === 0x52
}

function hasSurrogates(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to - 1; at += 1) {
    if (bytes[at] === 0xed && (bytes[at + 1] as number) >= 0xa0) return true
  }
  return false
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2)
  larger.set(array)
  return larger
}

function malformed(what: string): ProtocolError {
  return new ProtocolError('PROTOCOL_MALFORMED', `Dubbo: the Hessian2 body ${what}`)
}

function truncated(): ProtocolError {
  return malformed('ends within a value')
}
