/** A call of `hello` in each protocol, and its answer. */
import { dubboRequest, dubboResponse } from './dubbo-bytes.ts'
import type { Messages } from './hot-path.ts'

export const dubboMessages: Messages = {
  protocol: 'dubbo',
  request: dubboRequest(1n),
  response: dubboResponse(1n, 'hello'),
  idAt: 8,
}

/** Framed, strict binary: call 1 and reply 2, without arguments and result. */
export const thriftMessages: Messages = {
  protocol: 'thrift',
  request: thriftMessage(1),
  response: thriftMessage(2),
  idAt: 17,
}

function thriftMessage(type: number): Buffer {
  const body = Buffer.concat([
    Buffer.of(0x80, 0x01, 0x00, type, 0, 0, 0, 5),
    Buffer.from('hello'),
    Buffer.of(0, 0, 0, 1, 0),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}
