/**
 * The header of a Dubbo 2 frame
 * (https://dubbo.apache.org/en/overview/reference/protocols/tcp/):
 *
 *   frame  = magic(da bb) flags(1) status(1) id(8) length(4) body(length)     all big-endian
 *   flags  = request(80) | two-way(40) | event(20) | serialization(1f)
 *   status = 20 ok, others are errors; only in responses
 *
 *   body of a request   = dubbo-version path service-version method parameter-types argument* attachments
 *   body of a response  = status 20: kind [value or exception] [attachments]; else: the error's message
 *   kind                = 0 exception, 1 value, 2 null; 3, 4, 5 the same with attachments
 *   body of an event    = null (heartbeat) | "R" (read-only: no new requests, please) | "W" (writeable again)
 */
import { ProtocolError } from '../errors.ts'
import type { Limits } from '../contract.ts'
import type { FrameGrammar } from '../framing.ts'

export const headerLength = 16

export const magicHigh = 0xda
export const magicLow = 0xbb

export const flagRequest = 0x80
export const flagTwoWay = 0x40
export const flagEvent = 0x20
export const serializationMask = 0x1f

/** Content type ids of Dubbo's serializations that this codec reads. Others pass as opaque bodies. */
export const serialization = { hessian2: 2, fastjson: 6, gson: 16, fastjson2: 23 } as const

export const status = {
  ok: 20,
  serverTimeout: 31,
  badResponse: 50,
  serviceNotFound: 60,
  serviceError: 70,
  serverError: 80,
  serverThreadpoolExhausted: 100,
} as const

export function dubboGrammar(limits: Limits): FrameGrammar {
  return {
    headerBytes: headerLength,
    lengthAt(bytes, at, available) {
      if (bytes[at] !== magicHigh || (available > 1 && bytes[at + 1] !== magicLow)) {
        throw new ProtocolError('PROTOCOL_BAD_MAGIC', 'Dubbo: a frame does not begin with da bb')
      }
      if (available < headerLength) return 0
      // Unsigned, so that a length with the high bit set is what it is: too large.
      const length = headerLength + bytes.readUInt32BE(at + 12)
      if (length > limits.maxFrameBytes) {
        const message = `Dubbo: a frame of ${length} bytes, the limit is ${limits.maxFrameBytes}`
        throw new ProtocolError('PROTOCOL_FRAME_TOO_LARGE', message)
      }
      return length
    },
  }
}
