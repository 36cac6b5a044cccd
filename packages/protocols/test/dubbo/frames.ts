import { DecoderV2, EncoderV2 } from 'hessian.js'
import type { ReadError } from '../../src/conformance/kit.ts'
import type { ReplyTo } from '../../src/contract.ts'

export interface Call {
  readonly id?: readonly [high: number, low: number]
  readonly path?: string
  readonly version?: string
  readonly method?: string
  readonly types?: string
  readonly arguments?: readonly unknown[]
  readonly attachments?: unknown
  /** Writes the attachments as Java writes maps other than HashMap. */
  readonly attachmentsType?: string
  readonly oneway?: boolean
}

/** A frame with this header and body. */
export function frameOf(flags: number, status: number, id: readonly [number, number], body: Uint8Array): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt16BE(0xdabb)
  header[2] = flags
  header[3] = status
  header.writeInt32BE(id[0] | 0, 4)
  header.writeInt32BE(id[1] | 0, 8)
  header.writeUInt32BE(body.length, 12)
  return Buffer.concat([header, body])
}

export const demoService = 'org.apache.dubbo.samples.basic.api.DemoService'

/** A call in Hessian2, encoded by hessian.js. */
export function hessianCall(call: Call): Buffer {
  const { path = demoService, version = '0.0.0', method = 'sayHello', types = '' } = call
  const encoder = new EncoderV2()
  for (const text of ['2.0.2', path, version, method, types]) encoder.write(text)
  for (const argument of call.arguments ?? []) encoder.write(argument)
  const parts = [encoder.get()]
  if (call.attachments !== undefined) parts.push(typed(hessian(call.attachments), call.attachmentsType))
  return frameOf(call.oneway === true ? 0x82 : 0xc2, 0, call.id ?? [0, 1], Buffer.concat(parts))
}

function typed(map: Buffer, type: string | undefined): Buffer {
  return type === undefined ? map : Buffer.concat([Buffer.from('M'), hessian(type), map.subarray(1)])
}

export function hessianResponse(status: number, id: readonly [number, number], ...values: readonly unknown[]): Buffer {
  return frameOf(0x02, status, id, hessian(...values))
}

export function hessian(...values: readonly unknown[]): Buffer {
  const encoder = new EncoderV2()
  for (const value of values) encoder.write(value)
  return Buffer.from(encoder.get())
}

/** Reads an error reply as third-party clients do: the status, and a message in the serialization of the flags. */
export function readError(reply: Buffer, _to: ReplyTo): ReadError {
  if (reply.readUInt16BE() !== 0xdabb) throw new Error('no magic')
  if (reply.readUInt32BE(12) !== reply.length - 16) throw new Error('wrong length')
  if (reply[3] === 20) throw new Error('status ok')
  return { idHigh: reply.readInt32BE(4), idLow: reply.readInt32BE(8), message: readMessage(reply) }
}

function readMessage(reply: Buffer): string {
  const body = reply.subarray(16)
  const serialization = reply[2]
  switch (serialization) {
    case 2:
      return String(new DecoderV2(body).read())
    case 6:
    case 16:
      return String(JSON.parse(body.toString()))
    case 23: {
      // Length, UTF-8 tag, a four-byte int, the text.
      if (body.readUInt32BE() !== body.length - 4 || body[4] !== 0x7a || body[5] !== 0x48) throw new Error('not JSONB')
      return body.subarray(10).toString()
    }
    default:
      throw new Error(`serialization ${serialization}`)
  }
}
