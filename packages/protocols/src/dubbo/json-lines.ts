import type { KeyValue, Limits } from '../contract.ts'
import { argumentCount, type Body } from './body.ts'

/**
 * Bodies of the fastjson (6) and gson (16) serializations: each value is JSON on a line of its own. Bodies that are
 * not so are opaque: no attributes, no mutations.
 */
export class JsonLinesBody implements Body {
  readonly #maxAttributes: number
  #bytes: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  #side: 'request' | 'response' = 'request'
  #head: readonly unknown[] | undefined
  /** Where the attachments' line begins and ends; `end` where there is none. */
  #mapAt = 0
  #mapEnd = 0
  #map: Readonly<Record<string, unknown>> | undefined
  #mapRead = false
  #prepared = ''

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
    return text(this.#readHead()[1])
  }

  version(): string | undefined {
    return text(this.#readHead()[2])
  }

  method(): string | undefined {
    return text(this.#readHead()[3])
  }

  attachment(lowerCaseName: string): string | undefined {
    let found: string | undefined
    for (const [key, value] of this.#entries()) if (key.toLowerCase() === lowerCaseName) found = value
    return found
  }

  attachments(): Map<string, string> {
    return new Map(this.#entries())
  }

  resultKind(): number | undefined {
    const kind = this.#start < this.#end ? (this.#bytes[this.#start] as number) - 0x30 : -1
    const next = this.#bytes[this.#start + 1]
    return kind >= 0 && kind <= 5 && (next === 0x0a || next === 0x0d) ? kind : undefined
  }

  prepare(set: readonly KeyValue[]): number {
    const map = this.#readMap()
    if (map === undefined) return 0
    const changed: Record<string, unknown> = { ...map }
    for (const { key, value } of set) define(changed, key, value)
    this.#prepared = `${JSON.stringify(changed)}\n`
    return this.#mapAt - this.#start + 3 * this.#prepared.length
  }

  write(to: Buffer, at: number): number {
    let out = at + this.#bytes.copy(to, at, this.#start, this.#mapAt)
    out += to.write(this.#prepared, out)
    if (this.#side === 'response') to[at] = 0x33 + (((to[at] as number) - 0x30) % 3)
    return out
  }

  /** Dubbo's version, path, service version, method, types. */
  #readHead(): readonly unknown[] {
    if (this.#head !== undefined) return this.#head
    const head: unknown[] = []
    let at = this.#start
    for (let line = 0; line < 5; line += 1) {
      const end = this.#lineEnd(at)
      head.push(parse(this.#bytes, at, end))
      at = Math.min(end + 1, this.#end)
    }
    this.#mapAt = at
    this.#head = head
    return head
  }

  #readMap(): Readonly<Record<string, unknown>> | undefined {
    if (this.#mapRead) return this.#map
    this.#mapRead = true
    this.#map = undefined
    let skip: number
    if (this.#side === 'request') {
      const [, , , method, types] = this.#readHead()
      skip = typeof method === 'string' && typeof types === 'string' ? argumentCount(types) : -1
    } else {
      const kind = this.resultKind()
      this.#mapAt = this.#start
      skip = kind === undefined ? -1 : kind % 3 === 2 ? 1 : 2
    }
    if (skip < 0) return undefined
    let at = this.#mapAt
    for (let line = 0; line < skip; line += 1) at = Math.min(this.#lineEnd(at) + 1, this.#end)
    this.#mapAt = at
    this.#mapEnd = this.#lineEnd(at)
    const map = this.#mapEnd > at ? parse(this.#bytes, at, this.#mapEnd) : {}
    if (map === null) this.#map = {}
    else if (typeof map === 'object' && !Array.isArray(map)) this.#map = map as Record<string, unknown>
    return this.#map
  }

  #entries(): [string, string][] {
    const strings: [string, string][] = []
    for (const [key, value] of Object.entries(this.#readMap() ?? {})) {
      if (typeof value === 'string' && strings.length < this.#maxAttributes) strings.push([key, value])
    }
    return strings
  }

  #lineEnd(at: number): number {
    const end = this.#bytes.indexOf(0x0a, at)
    return end < 0 || end > this.#end ? this.#end : end
  }
}

/** The JSON value there; undefined when it is none. */
function parse(bytes: Buffer, at: number, end: number): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', at, end))
  } catch {
    return undefined
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** An own property even where the key is `__proto__`. */
function define(map: Record<string, unknown>, key: string, value: string): void {
  Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
}
