import type { ByteSink, LocalError, LocalErrorType, Mutation, ReplyTo } from '../contract.ts'
import { replyName } from './attributes.ts'
import type { ThriftFrame } from './frame.ts'
import { fixedHeaderBytes, headerSeqidAt, headerWordsAt, protocolIds, rebuildSection } from './header.ts'
import { varintBytes, writeVarint } from './varint.ts'
import type { Encoding } from './wire.ts'
import { compactProtocolId, compactVersion, encodingOf, encodings, headerMagic, messageTypes } from './wire.ts'
import { strictVersion, transportOf, transports } from './wire.ts'
import { deflate, inflateAll } from './zlib.ts'

/** Types of TApplicationException that clients of all ages know. */
export const exceptionTypes = { unknownMethod: 1, internalError: 6, protocolError: 7 } as const

/** Appends a frame with this id and these mutations; what they don't touch is copied. */
export function writeFrame(out: ByteSink, frame: ThriftFrame, id: number, mutation: Mutation | undefined): void {
  const { bytes, at, length, envelope, header } = frame
  const inHeader = frame.transport === transports.header
  const mutates = inHeader && mutation !== undefined && mutation.set.length > 0
  const newInner = id !== frame.idLow && envelope.seqid === frame.idLow
  const newOuter = id !== frame.idLow && inHeader && header.seqid === frame.idLow
  const sameLength = encodingOf(frame.tag) !== encodings.compact || varintBytes(id) === envelope.seqidLength
  const inPlace = !newInner || (sameLength && !(inHeader && header.zlib))
  if (!mutates && inPlace) {
    const start = out.reserve(length)
    bytes.copy(out.bytes, start, at, at + length)
    if (newOuter) out.bytes.writeInt32BE(id, start + headerSeqidAt)
    if (newInner) writeSeqid(out.bytes, start + envelope.seqidAt - at, encodingOf(frame.tag), id)
    out.commit(start + length)
    return
  }
  const payload = newInner ? payloadWithId(frame, id) : bytes.subarray(inHeader ? header.end : at, at + length)
  if (!inHeader) {
    const framed = frame.transport === transports.framed
    const start = out.reserve(payload.length + 4)
    if (framed) out.bytes.writeUInt32BE(payload.length, start)
    const end = framed ? start + 4 : start
    payload.copy(out.bytes, end)
    out.commit(end + payload.length)
    return
  }
  const section = mutates
    ? rebuildSection(bytes, at, header, mutation)
    : bytes.subarray(at + fixedHeaderBytes, header.end)
  const total = fixedHeaderBytes + section.length + payload.length
  const start = out.reserve(total)
  bytes.copy(out.bytes, start, at, at + fixedHeaderBytes)
  out.bytes.writeUInt32BE(total - 4, start)
  if (newOuter) out.bytes.writeInt32BE(id, start + headerSeqidAt)
  out.bytes.writeUInt16BE(section.length / 4, start + headerWordsAt)
  section.copy(out.bytes, start + fixedHeaderBytes)
  payload.copy(out.bytes, start + fixedHeaderBytes + section.length)
  out.commit(start + total)
}

/** Appends a TApplicationException that answers the request, in its transport and protocol. */
export function writeException(out: ByteSink, to: ReplyTo, error: LocalError): void {
  const encoding = encodingOf(to.tag)
  const transport = transportOf(to.tag)
  const name = replyName(to.operation)
  const nameBytes = Buffer.byteLength(name)
  const messageBytes = Buffer.byteLength(error.message)
  // No encoding needs more than these for what stands around the two strings.
  const start = out.reserve(64 + nameBytes + messageBytes)
  const bytes = out.bytes
  let at = start
  if (transport !== transports.unframed) at += 4
  if (transport === transports.header) at = writeHeader(bytes, at, encoding, to.idLow)
  at = encoding === encodings.compact ? compactHead(bytes, at, name, nameBytes, to.idLow) : at
  if (encoding !== encodings.compact) at = binaryHead(bytes, at, encoding, name, nameBytes, to.idLow)
  const type = exceptionTypeOf(error.type)
  at =
    encoding === encodings.compact
      ? compactException(bytes, at, error.message, messageBytes, type)
      : binaryException(bytes, at, error.message, messageBytes, type)
  if (transport !== transports.unframed) bytes.writeUInt32BE(at - start - 4, start)
  out.commit(at)
}

/** Unknown method is what Thrift servers themselves say of a call that they have no handler for. */
function exceptionTypeOf(type: LocalErrorType): number {
  if (type === 'route-not-found') return exceptionTypes.unknownMethod
  return type === 'bad-response' ? exceptionTypes.protocolError : exceptionTypes.internalError
}

/** Magic, no flags, and a section of one word: the protocol, no transforms, no infos. */
function writeHeader(bytes: Buffer, from: number, encoding: Encoding, id: number): number {
  bytes.writeUInt16BE(headerMagic, from)
  bytes.writeUInt16BE(0, from + 2)
  bytes.writeInt32BE(id | 0, from + 4)
  bytes.writeUInt16BE(1, from + 8)
  bytes.writeUInt32BE(0, from + 10)
  bytes[from + 10] = encoding === encodings.compact ? protocolIds.compact : protocolIds.binary
  return from + 14
}

function binaryHead(
  bytes: Buffer,
  from: number,
  encoding: Encoding,
  name: string,
  nameBytes: number,
  id: number,
): number {
  let at = from
  if (encoding === encodings.strict) {
    at = bytes.writeUInt16BE(strictVersion, at)
    at = bytes.writeUInt16BE(messageTypes.exception, at)
  }
  at = bytes.writeUInt32BE(nameBytes, at)
  at += bytes.write(name, at)
  if (encoding === encodings.lax) at = bytes.writeUInt8(messageTypes.exception, at)
  return bytes.writeInt32BE(id | 0, at)
}

/** `{ 1: string message, 2: i32 type }` */
function binaryException(bytes: Buffer, from: number, message: string, messageBytes: number, type: number): number {
  let at = bytes.writeUInt8(11, from)
  at = bytes.writeInt16BE(1, at)
  at = bytes.writeUInt32BE(messageBytes, at)
  at += bytes.write(message, at)
  at = bytes.writeUInt8(8, at)
  at = bytes.writeInt16BE(2, at)
  at = bytes.writeInt32BE(type, at)
  return bytes.writeUInt8(0, at)
}

function compactHead(bytes: Buffer, from: number, name: string, nameBytes: number, id: number): number {
  let at = bytes.writeUInt8(compactProtocolId, from)
  at = bytes.writeUInt8((messageTypes.exception << 5) | compactVersion, at)
  at = writeVarint(bytes, at, id)
  at = writeVarint(bytes, at, nameBytes)
  return at + bytes.write(name, at)
}

function compactException(bytes: Buffer, from: number, message: string, messageBytes: number, type: number): number {
  let at = bytes.writeUInt8(0x18, from)
  at = writeVarint(bytes, at, messageBytes)
  at += bytes.write(message, at)
  at = bytes.writeUInt8(0x15, at)
  at = writeVarint(bytes, at, type << 1)
  return bytes.writeUInt8(0, at)
}

/** The message (and, inflated and deflated again, what is around it) with another id, whatever length that has. */
function payloadWithId(frame: ThriftFrame, id: number): Buffer {
  const { envelope, header } = frame
  const zlib = frame.transport === transports.header && header.zlib
  const end = frame.at + frame.length
  // What was inflated for the envelope may be only the beginning of the message; the offsets are the same.
  const message = zlib ? inflateAll(frame.bytes.subarray(header.end, end), frame.limits) : frame.message
  const from = zlib ? 0 : messageStart(frame)
  const to = zlib ? message.length : end
  const seqid = Buffer.alloc(5)
  const seqidBytes = writeSeqid(seqid, 0, encodingOf(frame.tag), id)
  const rewritten = Buffer.concat([
    message.subarray(from, envelope.seqidAt),
    seqid.subarray(0, seqidBytes),
    message.subarray(envelope.seqidAt + envelope.seqidLength, to),
  ])
  return zlib ? deflate(rewritten) : rewritten
}

function messageStart(frame: ThriftFrame): number {
  if (frame.transport === transports.header) return frame.header.end
  return frame.transport === transports.framed ? frame.at + 4 : frame.at
}

/** Returns where the next byte goes. */
function writeSeqid(bytes: Buffer, at: number, encoding: Encoding, id: number): number {
  return encoding === encodings.compact ? writeVarint(bytes, at, id) : bytes.writeInt32BE(id, at)
}
