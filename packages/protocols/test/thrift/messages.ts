/** Thrift messages as Apache Thrift's own library for Node.js writes and reads them. */
import { createRequire } from 'node:module'
import { deflateSync } from 'node:zlib'

interface Transport {
  setWriteHeader(key: string, value: string): void
  setProtocolId(id: number): void
  setSeqId(id: number): void
}

type TransportClass = new (bytes?: Buffer, onFlush?: (bytes: Buffer) => void) => Transport

/** The part of the library's protocols that the tests use. */
export interface Writer {
  writeMessageBegin(name: string, type: number, seqid: number): void
  writeMessageEnd(): void
  writeStructBegin(name: string): void
  writeStructEnd(): void
  writeFieldBegin(name: string, type: number, id: number): void
  writeFieldEnd(): void
  writeFieldStop(): void
  writeMapBegin(keyType: number, valueType: number, size: number): void
  writeMapEnd(): void
  writeListBegin(type: number, size: number): void
  writeListEnd(): void
  writeSetBegin(type: number, size: number): void
  writeSetEnd(): void
  writeBool(value: boolean): void
  writeByte(value: number): void
  writeI16(value: number): void
  writeI32(value: number): void
  writeI64(value: number): void
  writeDouble(value: number): void
  writeString(value: string): void
  writeBinary(value: Buffer): void
  writeUuid(value: string): void
  flush(): void
}

interface Reader {
  readMessageBegin(): { fname: string | Buffer; mtype: number; rseqid: number }
}

interface ApplicationException {
  read(input: Reader): void
  readonly type: number
  readonly message: string
}

interface Library {
  TFramedTransport: TransportClass & { receiver(callback: (transport: Transport) => void): (data: Buffer) => void }
  TBufferedTransport: TransportClass & { receiver(callback: (transport: Transport) => void): (data: Buffer) => void }
  TBinaryProtocol: new (transport: Transport, strictRead?: boolean, strictWrite?: boolean) => Writer & Reader
  TCompactProtocol: new (transport: Transport) => Writer & Reader
  THeaderProtocol: new (transport: Transport) => Writer & Reader
  Thrift: { TApplicationException: new () => ApplicationException }
}

// @types/thrift knows neither the header transport nor uuids.
const require = createRequire(import.meta.url)
const header = require('thrift/lib/nodejs/lib/thrift/header_protocol.js') as Library['THeaderProtocol']
const library: Library = { ...(require('thrift') as Library), THeaderProtocol: header }

export const transportNames = ['framed', 'unframed', 'header'] as const
export const protocolNames = ['binary', 'lax', 'compact'] as const
export type TransportName = (typeof transportNames)[number]
export type ProtocolName = (typeof protocolNames)[number]

export interface Form {
  readonly transport: TransportName
  readonly protocol: ProtocolName
}

/** All that a client may use. A header frame has no old binary protocol. */
export const forms: readonly Form[] = transportNames.flatMap((transport) =>
  protocolNames.filter((it) => transport !== 'header' || it !== 'lax').map((protocol) => ({ transport, protocol })),
)

export const types = { call: 1, reply: 2, exception: 3, oneway: 4 } as const

export interface Message {
  readonly name: string
  readonly type: number
  readonly seqid: number
  /** Info headers of the header transport. */
  readonly headers?: Readonly<Record<string, string>>
  /** The header transport's own number; 0 is what Apache's clients send. */
  readonly headerSeqid?: number
  /** The fields of the struct; none by default. */
  readonly fields?: (to: Writer) => void
}

export function encode(form: Form, message: Message): Buffer {
  const chunks: Buffer[] = []
  const Transport = form.transport === 'framed' ? library.TFramedTransport : library.TBufferedTransport
  const transport = new Transport(undefined, (bytes) => chunks.push(bytes))
  let writer: Writer
  if (form.transport === 'header') {
    transport.setProtocolId(form.protocol === 'compact' ? 2 : 0)
    transport.setSeqId(message.headerSeqid ?? 0)
    for (const [key, value] of Object.entries(message.headers ?? {})) transport.setWriteHeader(key, value)
    writer = new library.THeaderProtocol(transport)
  } else if (form.protocol === 'compact') {
    writer = new library.TCompactProtocol(transport)
  } else {
    writer = new library.TBinaryProtocol(transport, false, form.protocol === 'binary')
  }
  writer.writeMessageBegin(message.name, message.type, message.seqid)
  writer.writeStructBegin('args')
  message.fields?.(writer)
  writer.writeFieldStop()
  writer.writeStructEnd()
  writer.writeMessageEnd()
  writer.flush()
  return Buffer.concat(chunks)
}

/** A header frame like this one with its payload compressed, as THeaderTransport's zlib transform does it. */
export function withZlib(frame: Buffer): Buffer {
  const sectionEnd = 14 + frame.readUInt16BE(12) * 4
  // One transform more takes a byte: of the padding, or of a new word of it.
  const section = Buffer.concat([frame.subarray(14, 15), Buffer.from([1, 1]), frame.subarray(16, sectionEnd)])
  const padded = Buffer.concat([section], (section.length + 3) & ~3)
  const whole = Buffer.concat([frame.subarray(0, 14), padded, deflateSync(frame.subarray(sectionEnd))])
  whole.writeUInt32BE(whole.length - 4, 0)
  whole.writeUInt16BE(padded.length / 4, 12)
  return whole
}

export interface ReadException {
  readonly name: string
  readonly seqid: number
  readonly type: number
  readonly message: string
}

/** Reads a reply as the library's clients do, which throw what this returns. */
export function readException(form: Form, reply: Buffer): ReadException {
  const read: ReadException[] = []
  const Transport = form.transport === 'framed' ? library.TFramedTransport : library.TBufferedTransport
  const receive = Transport.receiver((transport) => {
    let reader: Reader
    if (form.transport === 'header') reader = new library.THeaderProtocol(transport)
    else if (form.protocol === 'compact') reader = new library.TCompactProtocol(transport)
    else reader = new library.TBinaryProtocol(transport, form.protocol === 'binary')
    const begin = reader.readMessageBegin()
    if (begin.mtype !== types.exception) throw new Error(`message type ${begin.mtype}`)
    const exception = new library.Thrift.TApplicationException()
    exception.read(reader)
    read.push({ name: String(begin.fname), seqid: begin.rseqid, type: exception.type, message: exception.message })
  })
  receive(reply)
  const [exception] = read
  if (exception === undefined) throw new Error('the client waits for more bytes')
  return exception
}
