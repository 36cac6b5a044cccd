/**
 * Thrift: framed transport, strict binary protocol.
 *
 *   frame   = u32 length , 80 01 00 type , u32 length of name , name , i32 seqid , struct
 *   struct  = 0b , i16 field , u32 length , string , 00
 *
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
 */
import { calledMethod, payloadOf, type Wire } from './wire.ts'

const call = 1
const reply = 2

export const thriftWire: Wire = {
  headerBytes: 4,
  idAt: 12 + calledMethod.length,
  lengthAt: (bytes, at) => 4 + bytes.readUInt32BE(at),
  request: (method, payload) => message(call, method, 1, payload),
  response: (method, payload) => message(reply, method, 0, payload),
}

function message(type: number, method: string, field: number, payload: number): Buffer {
  const name = Buffer.from(method)
  const head = Buffer.from([0x80, 0x01, 0x00, type])
  const struct = [Buffer.from([0x0b, 0x00, field]), u32(payload), payloadOf(payload), Buffer.from([0])]
  const body = Buffer.concat([head, u32(name.length), name, u32(0), ...struct])
  return Buffer.concat([u32(body.length), body])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
