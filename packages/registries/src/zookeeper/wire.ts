/**
 * The messages of ZooKeeper's client protocol, as far as a reader needs them ("jute" encoding, big-endian):
 *
 *     frame      = length int32, body
 *     request    = xid int32, type int32, fields        reply = xid int32, zxid int64, error int32, fields
 *     string, buffer = length int32 (-1: none), bytes   vector = count int32 (-1: none), items
 *     connect    = version int32, last zxid int64, timeout ms int32, session int64, password buffer, read-only bool
 *     connected  = version int32, timeout ms int32, session int64, password buffer
 *     event      = type int32, state int32, path string           (with xid -1)
 *
 * https://github.com/apache/zookeeper/blob/master/zookeeper-jute/src/main/resources/zookeeper.jute
 */
import type { Buffer } from 'node:buffer'

export const operation = { exists: 3, getData: 4, getChildren: 8, ping: 11, auth: 100, close: -11 } as const

/** Ids of messages that answer no request, or need no id of their own. */
export const xid = { event: -1, ping: -2, auth: -4 } as const

export const errors = { ok: 0, noNode: -101, noAuth: -102, authFailed: -115, sessionMoved: -118 } as const

const names: Readonly<Record<number, string>> = {
  [-4]: 'connection loss',
  [-5]: 'marshalling error',
  [-6]: 'unimplemented',
  [-8]: 'bad arguments',
  [-101]: 'no such node',
  [-102]: 'not allowed: see acl and auth',
  [-112]: 'session expired',
  [-115]: 'authentication failed',
  [-118]: 'session moved',
}

export function errorText(code: number): string {
  return names[code] ?? `error ${code}`
}

export type EventType = 'created' | 'deleted' | 'data' | 'children' | 'other'

const eventTypes: Readonly<Record<number, EventType>> = { 1: 'created', 2: 'deleted', 3: 'data', 4: 'children' }

export function eventType(code: number): EventType {
  return eventTypes[code] ?? 'other'
}

/** Writes one frame. */
export class FrameWriter {
  readonly #parts: Buffer[] = []

  int(value: number): this {
    const bytes = globalThis.Buffer.alloc(4)
    bytes.writeInt32BE(value)
    this.#parts.push(bytes)
    return this
  }

  long(value: bigint): this {
    const bytes = globalThis.Buffer.alloc(8)
    bytes.writeBigInt64BE(value)
    this.#parts.push(bytes)
    return this
  }

  bool(value: boolean): this {
    this.#parts.push(globalThis.Buffer.of(value ? 1 : 0))
    return this
  }

  text(value: string): this {
    return this.bytes(globalThis.Buffer.from(value))
  }

  bytes(value: Buffer): this {
    this.int(value.length)
    this.#parts.push(value)
    return this
  }

  frame(): Buffer {
    const body = globalThis.Buffer.concat(this.#parts)
    const length = globalThis.Buffer.alloc(4)
    length.writeInt32BE(body.length)
    return globalThis.Buffer.concat([length, body])
  }
}

/** Reads the body of one frame. Throws RangeError where it ends too early. */
export class FrameReader {
  readonly #body: Buffer
  #offset = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  int(): number {
    this.#offset += 4
    return this.#body.readInt32BE(this.#offset - 4)
  }

  long(): bigint {
    this.#offset += 8
    return this.#body.readBigInt64BE(this.#offset - 8)
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int())
    if (this.#offset + length > this.#body.length) throw new RangeError('a field is longer than its message')
    this.#offset += length
    return this.#body.subarray(this.#offset - length, this.#offset)
  }

  text(): string {
    return this.bytes().toString()
  }

  texts(): string[] {
    const count = Math.max(0, this.int())
    // Each takes four bytes at least.
    if (count * 4 > this.#body.length) throw new RangeError('a list is longer than its message')
    return Array.from({ length: count }, () => this.text())
  }
}

/** Cuts a stream into the bodies of frames, whatever the chunks are. */
export class FrameSplitter {
  readonly #longest: number
  #chunks: Buffer[] = []
  #size = 0

  /** @param longest bytes of a body; ZooKeeper's own limit, jute.maxbuffer, is 1 MiB unless configured */
  constructor(longest: number) {
    this.#longest = longest
  }

  /** Throws RangeError for a frame beyond the limit. */
  push(chunk: Buffer, onFrame: (body: Buffer) => void): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    for (;;) {
      if (this.#size < 4) return
      if (this.#chunks.length > 1 && (this.#chunks[0]?.length ?? 0) < 4) this.#join()
      const length = this.#chunks[0]?.readInt32BE(0) ?? 0
      if (length < 0 || length > this.#longest) throw new RangeError(`a message of ${length} bytes`)
      if (this.#size < length + 4) return
      const whole = this.#join()
      onFrame(whole.subarray(4, length + 4))
      const rest = whole.subarray(length + 4)
      this.#chunks = rest.length === 0 ? [] : [rest]
      this.#size = rest.length
    }
  }

  #join(): Buffer {
    const whole = this.#chunks.length === 1 ? this.#chunks[0] : globalThis.Buffer.concat(this.#chunks)
    this.#chunks = whole === undefined ? [] : [whole]
    return whole ?? globalThis.Buffer.alloc(0)
  }
}
