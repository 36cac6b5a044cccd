/**
 * Numbers of the Thrift wire formats, and the recognition of a frame by its first bytes.
 *
 *   frame     = framed | unframed | header
 *   unframed  = message
 *   framed    = u32 length (of what follows) , message
 *   header    = u32 length (of what follows) , u16 0x0fff , ...            (./header.ts)
 *   message   = strict binary  80 01 ..  | compact  82 ttt00001 ..  | old ("lax") binary  u32 length of the name, name
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-rpc.md
 *
 * Every frame is recognised by itself, as servers with a THeaderTransport do it: upstream connections are shared by
 * clients that may differ in their transport, so that responses of several kinds can come on one of them.
 */
import type { Limits } from '../contract.ts'
import { ProtocolError } from '../errors.ts'

export const transports = { framed: 0, unframed: 1, header: 2 } as const
export type Transport = (typeof transports)[keyof typeof transports]

export const encodings = { strict: 0, lax: 1, compact: 2 } as const
export type Encoding = (typeof encodings)[keyof typeof encodings]

export const messageTypes = { call: 1, reply: 2, exception: 3, oneway: 4 } as const

/** Version and message type of strict binary: `0x8001` and a zero byte before the type. */
export const strictVersion = 0x8001
export const compactProtocolId = 0x82
export const compactVersion = 1
export const headerMagic = 0x0fff

/** What `Frame.tag` holds: all that an answer in the same form needs. */
export function tagOf(transport: Transport, encoding: Encoding): number {
  return transport | (encoding << 2)
}

export function transportOf(tag: number): Transport {
  return (tag & 3) as Transport
}

export function encodingOf(tag: number): Encoding {
  return ((tag >> 2) & 3) as Encoding
}

/** There are too few bytes to tell. */
export const undetected = -1
/** So many bytes always tell. */
export const detectBytes = 6

/**
 * Tag of the frame that begins here (for `header` the encoding is said later, in its header section), or `undetected`.
 * Throws `ProtocolError` when it is no Thrift, or says to be longer than the limit.
 */
export function detect(bytes: Buffer, at: number, available: number, limits: Limits): number {
  if (available < 4) return undetected
  const head = bytes.readUInt32BE(at)
  if (head >>> 16 === strictVersion) return tagOf(transports.unframed, encodings.strict)
  if (isCompact(head >>> 16)) return tagOf(transports.unframed, encodings.compact)
  if (head + 4 > limits.maxFrameBytes) throw notALength(bytes, at, head, limits)
  if (head === 0) throw new ProtocolError('PROTOCOL_MALFORMED', 'an empty Thrift frame')
  if (available < detectBytes) return undetected
  const start = bytes.readUInt16BE(at + 4)
  if (start === strictVersion) return tagOf(transports.framed, encodings.strict)
  if (isCompact(start)) return tagOf(transports.framed, encodings.compact)
  if (start === headerMagic) return tagOf(transports.header, encodings.strict)
  const first = start >>> 8
  // The length of a name, whose first byte is 0 below 16 MiB, or the first byte of a name.
  if (first === 0) return tagOf(transports.framed, encodings.lax)
  if (startsName(first)) return tagOf(transports.unframed, encodings.lax)
  if (first === 0x5b) throw new ProtocolError('PROTOCOL_UNSUPPORTED', "Thrift's JSON protocol is not supported")
  const hex = bytes.toString('hex', at, at + detectBytes)
  throw new ProtocolError('PROTOCOL_BAD_MAGIC', `no Thrift message begins with the bytes ${hex}`)
}

/** Encoding of a message by its first byte. */
export function encodingAt(bytes: Buffer, at: number): Encoding {
  if (bytes[at] === compactProtocolId) return encodings.compact
  return (bytes[at] as number) >= 0x80 ? encodings.strict : encodings.lax
}

export function tooLarge(length: number, limit: number): ProtocolError {
  const message = `a Thrift frame of at least ${length} bytes, more than the limit of ${limit}`
  return new ProtocolError('PROTOCOL_FRAME_TOO_LARGE', message)
}

/** No identifier is longer; a message whose name says to be is refused before the name has arrived. */
const maxNameBytes = 0xffff

export function checkName(length: number): void {
  if (length <= maxNameBytes) return
  const message = `a Thrift message with a name of ${length} bytes, more than ${maxNameBytes}`
  throw new ProtocolError('PROTOCOL_FRAME_TOO_LARGE', message)
}

export function malformed(what: string): ProtocolError {
  return new ProtocolError('PROTOCOL_MALFORMED', `malformed Thrift frame: ${what}`)
}

function isCompact(start: number): boolean {
  return start >>> 8 === compactProtocolId && (start & 0x1f) === compactVersion
}

/** Letters and `_`, with which identifiers of the IDL begin. */
function startsName(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f
}

/** Says what it is more likely to be than a frame that is too large. */
function notALength(bytes: Buffer, at: number, length: number, limits: Limits): ProtocolError {
  const text = bytes.toString('latin1', at, at + 4)
  if (text === 'POST' || text === 'GET ' || text === 'HTTP')
    return new ProtocolError('PROTOCOL_UNSUPPORTED', 'this is HTTP: Thrift over HTTP is not supported')
  if (text.startsWith('[1,'))
    return new ProtocolError('PROTOCOL_UNSUPPORTED', "Thrift's JSON protocol is not supported")
  return tooLarge(length + 4, limits.maxFrameBytes)
}
