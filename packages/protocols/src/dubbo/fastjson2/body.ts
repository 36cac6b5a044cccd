import type { KeyValue, Limits } from '../../contract.ts'
import { asciiString } from '../../intern.ts'
import { argumentCount, type Body } from '../body.ts'
import { stringBound, writeString } from './write.ts'

/**
 * Bodies of the fastjson2 serialization (23): each value is JSONB behind its length, so that arguments are skipped
 * unread (https://github.com/alibaba/fastjson2/wiki/jsonb_format_en):
 *
 *   value  = length(4, big-endian) jsonb(length)
 *   jsonb  = x49-x78 ascii            string of 0 to 47 bytes
 *          | x79 int ascii | x7a int utf8 | x7c int utf16le | x7d int utf16be
 *          | xaf                      null
 *          | xa6 (jsonb jsonb)* xa5   object: what attachments are
 *          | xf0-xff | x00-x2f | x30-x3f b0 | x40-x47 b1 b0 | x48 b3..b0   int
 *          | xb0 | xb1 | xbd b0 | xbc b1 b0 | xbf b3..b0 | xbe b7..b0      booleans, byte, short, long
 *          | xd8-xef | xc8-xd7 b0 | xc0-xc7 b1 b0                          compact long
 *
 * Attachments with other values, or a type name in front, are opaque: no attributes but those before the arguments,
 * and no mutations.
 */
export class FastJson2Body implements Body {
  readonly #maxAttributes: number
  #bytes: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  #side: 'request' | 'response' = 'request'
  #head: readonly (string | undefined)[] | undefined
  #at = 0
  #mapRead = false
  #entries: readonly Entry[] | undefined
  /** Where the attachments' value begins, its length included. */
  #mapAt = 0
  #entriesEnd = 0
  #set: readonly KeyValue[] = []

  constructor(limits: Limits) {
    this.#maxAttributes = limits.maxAttributes
  }

  reset(bytes: Buffer, at: number, end: number, side: 'request' | 'response'): void {
    this.#bytes = bytes
    this.#start = at
    this.#end = end
    this.#side = side
    this.#head = undefined
    this.#mapRead = false
  }

  path(): string | undefined {
    return this.#readHead()[1]
  }

  version(): string | undefined {
    return this.#readHead()[2]
  }

  method(): string | undefined {
    return this.#readHead()[3]
  }

  attachment(lowerCaseName: string): string | undefined {
    const entries = this.#readMap()
    return entries?.findLast(({ key }) => key.toLowerCase() === lowerCaseName)?.value
  }

  attachments(): Map<string, string> {
    const all = new Map<string, string>()
    for (const { key, value } of this.#readMap() ?? []) if (value !== undefined) all.set(key, value)
    return all
  }

  resultKind(): number | undefined {
    const end = this.#valueEnd(this.#start)
    if (end < 0) return undefined
    // A byte, or whatever number the writer makes of it.
    const kind = this.#bytes[end - 1]
    return kind !== undefined && kind <= 5 && end - this.#start <= 6 ? kind : undefined
  }

  prepare(set: readonly KeyValue[]): number {
    if (this.#readMap() === undefined) return 0
    this.#set = set
    let bound = this.#end - this.#start + 6
    for (const { key, value } of set) bound += stringBound(key) + stringBound(value)
    return bound
  }

  /** Replaced strings change in place; other keys are added at the end. */
  write(to: Buffer, at: number): number {
    const bytes = this.#bytes
    const entries = this.#entries ?? []
    let out = at + bytes.copy(to, at, this.#start, this.#mapAt)
    const lengthAt = out
    out += 4
    to[out] = 0xa6
    out += 1
    let from = entries[0]?.keyAt ?? this.#entriesEnd
    for (const entry of entries) {
      const value = this.#set.findLast(({ key }) => key === entry.key)?.value
      if (value === undefined) continue
      out += bytes.copy(to, out, from, entry.valueAt)
      out = writeString(to, out, value)
      from = entry.valueEnd
    }
    out += bytes.copy(to, out, from, this.#entriesEnd)
    for (const [index, { key, value }] of this.#set.entries()) {
      if (this.#set.findLastIndex((other) => other.key === key) !== index) continue
      if (entries.some((entry) => entry.key === key)) continue
      out = writeString(to, out, key)
      out = writeString(to, out, value)
    }
    to[out] = 0xa5
    out += 1
    to.writeUInt32BE(out - lengthAt - 4, lengthAt)
    if (this.#side === 'response') {
      const kindAt = at + this.#valueEnd(this.#start) - 1 - this.#start
      to[kindAt] = 3 + ((to[kindAt] as number) % 3)
    }
    return out
  }

  /** Dubbo's version, path, service version, method, types. */
  #readHead(): readonly (string | undefined)[] {
    if (this.#head !== undefined) return this.#head
    const head: (string | undefined)[] = []
    let at = this.#start
    for (let index = 0; index < 5 && at >= 0; index += 1) {
      const end = this.#valueEnd(at)
      this.#at = at + 4
      head.push(end < 0 ? undefined : this.#readString(end))
      at = end
    }
    this.#mapAt = at
    this.#head = head
    return head
  }

  #readMap(): readonly Entry[] | undefined {
    if (this.#mapRead) return this.#entries
    this.#mapRead = true
    this.#entries = undefined
    let skip: number
    if (this.#side === 'request') {
      const types = this.#readHead()[4]
      skip = types === undefined ? -1 : argumentCount(types)
    } else {
      const kind = this.resultKind()
      this.#mapAt = this.#start
      skip = kind === undefined ? -1 : kind % 3 === 2 ? 1 : 2
    }
    let at = this.#mapAt
    for (let index = 0; index < skip && at >= 0; index += 1) at = this.#valueEnd(at)
    if (skip < 0 || at < 0) return undefined
    this.#mapAt = at
    this.#entriesEnd = at
    if (at === this.#end) this.#entries = []
    else this.#readEntries(at)
    return this.#entries
  }

  #readEntries(from: number): void {
    const end = this.#valueEnd(from)
    if (end < 0) return
    this.#at = from + 4
    const tag = this.#bytes[this.#at]
    if (tag === 0xaf && end === from + 5) this.#entries = []
    if (tag !== 0xa6 || this.#bytes[end - 1] !== 0xa5) return
    this.#at += 1
    const entries: Entry[] = []
    while (this.#at < end - 1) {
      const keyAt = this.#at
      const key = this.#readString(end - 1)
      if (key === undefined) return
      const valueAt = this.#at
      const value = this.#readString(end - 1)
      if (value === undefined && !this.#skipScalar(end - 1)) return
      if (entries.length < this.#maxAttributes) entries.push({ key, keyAt, value, valueAt, valueEnd: this.#at })
    }
    this.#entriesEnd = end - 1
    this.#entries = entries
  }

  /** End of the value whose length is at `at`; -1 when there is none. */
  #valueEnd(at: number): number {
    if (this.#end - at < 4) return -1
    const length = this.#bytes.readUInt32BE(at)
    return length === 0 || length > this.#end - at - 4 ? -1 : at + 4 + length
  }

  /** The string at `#at`, consumed; undefined, and nothing consumed, when it is none or does not end before `end`. */
  #readString(end: number): string | undefined {
    const bytes = this.#bytes
    const start = this.#at
    const tag = bytes[start] ?? 0
    let length: number | undefined
    if (tag >= 0x49 && tag <= 0x78) {
      length = tag - 0x49
      this.#at = start + 1
    } else if (tag === 0x79 || tag === 0x7a || tag === 0x7c || tag === 0x7d) {
      this.#at = start + 1
      length = this.#readInt(end)
    }
    const at = this.#at
    if (length === undefined || length < 0 || length > end - at) {
      this.#at = start
      return undefined
    }
    this.#at = at + length
    if (tag === 0x7c) return bytes.toString('utf16le', at, at + length)
    if (tag === 0x7d)
      return Buffer.from(bytes.subarray(at, at + (length & ~1)))
        .swap16()
        .toString('utf16le')
    return asciiString(bytes, at, length) ?? bytes.toString('utf8', at, at + length)
  }

  #readInt(end: number): number | undefined {
    const bytes = this.#bytes
    const at = this.#at
    const tag = bytes[at] ?? 0x90
    const size = tag <= 0x2f || tag >= 0xf0 ? 1 : tag <= 0x3f ? 2 : tag <= 0x47 ? 3 : tag === 0x48 ? 5 : 0
    if (size === 0 || size > end - at) return undefined
    this.#at = at + size
    if (size === 1) return (tag << 24) >> 24
    if (size === 2) return ((tag - 0x38) << 8) + (bytes[at + 1] as number)
    if (size === 3) return ((tag - 0x44) << 16) + bytes.readUInt16BE(at + 1)
    return bytes.readInt32BE(at + 1)
  }

  /** Skips null, a boolean or a whole number. */
  #skipScalar(end: number): boolean {
    if (this.#readInt(end) !== undefined) return true
    const size = scalarSize(this.#bytes[this.#at] ?? 0)
    if (size === 0 || size > end - this.#at) return false
    this.#at += size
    return true
  }
}

interface Entry {
  readonly key: string
  readonly keyAt: number
  /** Undefined when it is no string. */
  readonly value: string | undefined
  readonly valueAt: number
  readonly valueEnd: number
}

function scalarSize(tag: number): number {
  if (tag >= 0xaf && tag <= 0xb3) return 1
  if (tag === 0xbd) return 2
  if (tag === 0xbc) return 3
  if (tag === 0xbf) return 5
  if (tag === 0xbe || tag === 0xb5) return 9
  if (tag >= 0xd8) return 1
  if (tag >= 0xc8) return 2
  return tag >= 0xc0 ? 3 : 0
}
