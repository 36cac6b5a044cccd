/**
 * The frame of AwesomeRPC (docs/protocols/awesomerpc.md):
 *
 *   frame = length(4) id(4) kind(1) head LF LF body       length: bytes behind it; big-endian
 *   kind  = 'C' call | 'T' tell (no answer) | 'R' reply | 'E' error | 'P' ping | 'p' pong
 *   head  = method *(LF key '=' value)                    UTF-8; the method is empty in all but calls and tells
 */
import type { ByteSink, Decoder, FrameKind, Limits, Mutation, ResponseStatus, Side } from '../contract.ts'
import { ProtocolError } from '../errors.ts'
import { LengthDecoder, type PointableFrame } from '../framing.ts'
import { parseHead } from './attributes.ts'
import { writeFrame } from './encode.ts'

export const headerLength = 9

const kinds: ReadonlyMap<number | undefined, FrameKind> = new Map([
  [0x43, 'request'],
  [0x54, 'oneway'],
  [0x52, 'response'],
  [0x45, 'response'],
  [0x50, 'heartbeat'],
  [0x70, 'heartbeat-reply'],
])

export function awesomeDecoder(_side: Side, limits: Limits): Decoder {
  const lengthAt = (bytes: Buffer, at: number, available: number): number => {
    if (available < headerLength) return 0
    if (!kinds.has(bytes[at + 8])) throw new ProtocolError('PROTOCOL_BAD_MAGIC', 'AwesomeRPC: an unknown kind of frame')
    const length = 4 + bytes.readUInt32BE(at)
    if (length < headerLength) throw new ProtocolError('PROTOCOL_MALFORMED', `AwesomeRPC: a frame of ${length} bytes`)
    if (length > limits.maxFrameBytes)
      throw new ProtocolError('PROTOCOL_FRAME_TOO_LARGE', `AwesomeRPC: ${length} bytes`)
    return length
  }
  return new LengthDecoder({ headerBytes: headerLength, lengthAt }, new AwesomeFrame(limits))
}

class AwesomeFrame implements PointableFrame {
  readonly idHigh = 0
  readonly tag = 0
  kind: FrameKind = 'request'
  length = 0
  readonly #limits: Limits
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #attributes: Map<string, string> | undefined

  constructor(limits: Limits) {
    this.#limits = limits
  }

  point(bytes: Buffer, at: number, length: number): void {
    this.#bytes = bytes
    this.#at = at
    this.#attributes = undefined
    this.length = length
    this.kind = kinds.get(bytes[at + 8]) ?? 'request'
  }

  get idLow(): number {
    return this.#bytes.readInt32BE(this.#at + 4)
  }

  get status(): ResponseStatus {
    return this.#bytes[this.#at + 8] === 0x45 ? 'error' : 'ok'
  }

  attribute(name: string): string | undefined {
    for (const [key, value] of this.allAttributes()) if (key.toLowerCase() === name) return value
    return undefined
  }

  operation(): string {
    return this.attribute('method') ?? ''
  }

  allAttributes(): Map<string, string> {
    const head = this.#bytes.toString('utf8', this.#at + headerLength, this.#headEnd())
    return (this.#attributes ??= parseHead(head, this.#limits.maxAttributes))
  }

  write(out: ByteSink, _idHigh: number, idLow: number, mutation: Mutation | undefined): void {
    const kind = this.#bytes[this.#at + 8] ?? 0
    let head = this.#bytes.subarray(this.#at + headerLength, this.#headEnd())
    const body = this.#bytes.subarray(this.#headEnd() + 2, this.#at + this.length)
    if (mutation !== undefined && mutation.set.length > 0 && kind !== 0x50 && kind !== 0x70) {
      const headers = new Map(this.allAttributes())
      const method = headers.get('method') ?? ''
      headers.delete('method')
      for (const { key, value } of mutation.set) headers.set(key, value.replaceAll('\n', ' '))
      head = Buffer.from([method, ...Array.from(headers, ([key, value]) => `${key}=${value}`)].join('\n'))
    }
    writeFrame(out, idLow, kind, head, body)
  }

  #headEnd(): number {
    const end = this.#bytes.indexOf('\n\n', this.#at + headerLength)
    if (end >= 0 && end + 2 <= this.#at + this.length) return end
    throw new ProtocolError('PROTOCOL_MALFORMED', 'AwesomeRPC: a frame whose head does not end')
  }
}
