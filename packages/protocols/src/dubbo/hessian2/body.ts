import { ProtocolError } from '../../errors.ts'
import type { KeyValue, Limits } from '../../contract.ts'
import { equalsIgnoreCase } from '../../intern.ts'
import { argumentCount, type Body } from '../body.ts'
import { Hessian2Scanner } from './scanner.ts'
import { stringBound, writeString } from './write.ts'

/** Per attachment: where its key is, its value, and what follows; and the key's characters where they are plain. */
const slots = 5
const keyAt = 0
const keyChars = 1
const keyUnits = 2
const valueAt = 3
const valueEnd = 4

type Progress = 'nothing' | 'head' | 'attachments'

/** What is there in the place of the attachments. */
type Attachments = 'map' | 'null' | 'absent' | 'opaque'

export class Hessian2Body implements Body {
  readonly #scanner = new Hessian2Scanner()
  readonly #maxAttributes: number
  #bytes: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  #side: 'request' | 'response' = 'request'
  #progress: Progress = 'nothing'
  #path: string | undefined
  #version: string | undefined
  #method: string | undefined
  /** Where the parameter types are, which say how many arguments follow. */
  #typesAt = 0
  #attachments: Attachments = 'absent'
  /** Where the attachments' place begins, where the first entry is, and where the last one ends. */
  #mapAt = 0
  #entriesEnd = 0
  #index = new Int32Array(16 * slots)
  #count = 0
  #set: readonly KeyValue[] = []

  constructor(limits: Limits) {
    this.#maxAttributes = limits.maxAttributes
  }

  reset(bytes: Buffer, at: number, end: number, side: 'request' | 'response'): void {
    this.#bytes = bytes
    this.#start = at
    this.#end = end
    this.#side = side
    this.#progress = 'nothing'
    this.#count = 0
  }

  path(): string | undefined {
    this.#readHead()
    return this.#path
  }

  version(): string | undefined {
    this.#readHead()
    return this.#version
  }

  method(): string | undefined {
    this.#readHead()
    return this.#method
  }

  attachment(lowerCaseName: string): string | undefined {
    this.#readAttachments()
    // The last one counts, as it does where the receiver fills a map.
    for (let entry = this.#count - 1; entry >= 0; entry -= 1) {
      if (!this.#keyIs(entry, lowerCaseName)) continue
      return this.#hasString(entry) ? this.#scanner.readString() : undefined
    }
    return undefined
  }

  attachments(): Map<string, string> {
    this.#readAttachments()
    const all = new Map<string, string>()
    for (let entry = 0; entry < this.#count; entry += 1) {
      const key = this.#key(entry)
      if (this.#hasString(entry)) all.set(key, this.#scanner.readString() ?? '')
      else all.delete(key)
    }
    return all
  }

  resultKind(): number | undefined {
    const kind = this.#start < this.#end ? (this.#bytes[this.#start] as number) - 0x90 : -1
    return kind >= 0 && kind <= 5 ? kind : undefined
  }

  prepare(set: readonly KeyValue[]): number {
    this.#readAttachments()
    if (this.#attachments === 'opaque') return 0
    this.#set = set
    let bound = this.#end - this.#start + 2
    for (const { key, value } of set) bound += stringBound(key) + stringBound(value)
    return bound
  }

  /**
   * Everything before the attachments stays. A key that is there with a string gets its new value in place. One that is
   * there with another value is left and added again at the end, where it counts: to take lists or objects out would
   * renumber what later references mean.
   */
  write(to: Buffer, at: number): number {
    const bytes = this.#bytes
    let out = at
    let from = this.#start
    if (this.#attachments === 'map') {
      for (let entry = 0; entry < this.#count; entry += 1) {
        const value = setValue(this.#set, this.#key(entry))
        if (value === undefined || !this.#hasString(entry)) continue
        const valueFrom = this.#slot(entry, valueAt)
        out += bytes.copy(to, out, from, valueFrom)
        out = writeString(to, out, value)
        from = this.#slot(entry, valueEnd)
      }
      out += bytes.copy(to, out, from, this.#entriesEnd)
    } else {
      out += bytes.copy(to, out, from, this.#mapAt)
      to[out] = 0x48
      out += 1
    }
    for (const { key, value } of this.#set) {
      if (setValue(this.#set, key) !== value || this.#isReplaced(key)) continue
      out = writeString(to, out, key)
      out = writeString(to, out, value)
    }
    to[out] = 0x5a
    out += 1
    // A result kind without attachments becomes the same kind with them.
    if (this.#side === 'response') to[at] = 0x93 + (((to[at] as number) - 0x90) % 3)
    return out
  }

  #readHead(): void {
    if (this.#progress !== 'nothing') return
    const scanner = this.#scanner
    scanner.reset(this.#bytes, this.#start, this.#end)
    scanner.skipString()
    this.#path = scanner.readString()
    this.#version = scanner.readString()
    this.#method = scanner.readString()
    this.#typesAt = scanner.at
    this.#progress = 'head'
  }

  #readAttachments(): void {
    if (this.#progress === 'attachments') return
    const scanner = this.#scanner
    this.#attachments = 'absent'
    if (this.#side === 'request') {
      this.#readHead()
      scanner.at = this.#typesAt
      scanner.skipValues(readArgumentCount(scanner))
    } else {
      scanner.reset(this.#bytes, this.#start, this.#end)
      const kind = this.resultKind()
      if (kind === undefined) {
        this.#attachments = 'opaque'
      } else {
        scanner.at += 1
        if (kind % 3 !== 2) scanner.skipValues(1)
      }
      if (kind !== undefined && kind < 3 && !scanner.atEnd) this.#attachments = 'opaque'
    }
    this.#mapAt = scanner.at
    if (this.#attachments === 'absent' && !scanner.atEnd) this.#indexMap()
    this.#progress = 'attachments'
  }

  #indexMap(): void {
    const scanner = this.#scanner
    const tag = scanner.peek()
    if (tag === 0x4e) {
      this.#attachments = 'null'
      return
    }
    if (tag !== 0x48 && tag !== 0x4d) {
      this.#attachments = 'opaque'
      return
    }
    this.#attachments = 'map'
    scanner.at += 1
    if (tag === 0x4d) scanner.skipType()
    let count = 0
    while (scanner.peek() !== 0x5a) {
      const key = scanner.at
      const named = scanner.isString()
      scanner.skipValue()
      const value = scanner.at
      scanner.skipValue()
      if (!named || count === this.#maxAttributes) continue
      if ((count + 1) * slots > this.#index.length) this.#growIndex()
      const base = count * slots
      const units = this.#plainUnits(key, value)
      this.#index[base + keyAt] = key
      this.#index[base + keyChars] = units < 0 ? -1 : value - units
      this.#index[base + keyUnits] = units
      this.#index[base + valueAt] = value
      this.#index[base + valueEnd] = scanner.at
      count += 1
    }
    this.#entriesEnd = scanner.at
    this.#count = count
  }

  /** Length of the string at `at .. end` where it is one chunk of ASCII characters, else -1. */
  #plainUnits(at: number, end: number): number {
    const tag = this.#bytes[at] as number
    if (tag < 0x20) return at + 1 + tag === end ? tag : -1
    if (tag >= 0x34) return -1
    const units = ((tag - 0x30) << 8) + (this.#bytes[at + 1] as number)
    return at + 2 + units === end ? units : -1
  }

  #keyIs(entry: number, lowerCaseName: string): boolean {
    const chars = this.#slot(entry, keyChars)
    if (chars >= 0) return equalsIgnoreCase(this.#bytes, chars, this.#slot(entry, keyUnits), lowerCaseName)
    return this.#key(entry).toLowerCase() === lowerCaseName
  }

  #key(entry: number): string {
    this.#scanner.at = this.#slot(entry, keyAt)
    return this.#scanner.readString() ?? ''
  }

  /** Whether the value is a string; the scanner then stands on it. */
  #hasString(entry: number): boolean {
    this.#scanner.at = this.#slot(entry, valueAt)
    return this.#scanner.isString()
  }

  /** Whether the entry that counts for this key gets its new value in place. */
  #isReplaced(key: string): boolean {
    for (let entry = this.#count - 1; entry >= 0; entry -= 1) {
      if (this.#key(entry) === key) return this.#hasString(entry)
    }
    return false
  }

  #slot(entry: number, slot: number): number {
    return this.#index[entry * slots + slot] as number
  }

  #growIndex(): void {
    const larger = new Int32Array(this.#index.length * 2)
    larger.set(this.#index)
    this.#index = larger
  }
}

/** The last one counts. */
function setValue(set: readonly KeyValue[], key: string): string | undefined {
  for (let index = set.length - 1; index >= 0; index -= 1) {
    const entry = set[index]
    if (entry !== undefined && entry.key === key) return entry.value
  }
  return undefined
}

/** Reads the parameter types and counts them. */
function readArgumentCount(scanner: Hessian2Scanner): number {
  // Dubbox has the number of arguments here, or -1 and then the types as everybody else.
  const extra = scanner.isString() || scanner.peek() === 0x4e ? -1 : scanner.readInt()
  if (extra >= 0) return extra
  const descriptor = scanner.readString() ?? ''
  const count = argumentCount(descriptor)
  if (count >= 0) return count
  throw new ProtocolError('PROTOCOL_MALFORMED', `Dubbo: ${JSON.stringify(descriptor.slice(0, 100))} names no types`)
}
