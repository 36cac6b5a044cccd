/**
 * The smallest Dubbo conversation, in bytes: a request `demo.Service.hello()` and its answer, a string.
 *
 *   0xdabb, flags (0x80 request, 0x40 two-way, 2 Hessian), status, 8 bytes id, 4 bytes length, body
 *   request body   version, path, service version, method, parameter types, attachments
 *   response body  1 (a value), the value
 *
 * See https://dubbo.apache.org/en/overview/reference/protocols/tcp/ for the header.
 */

/** @param text shorter than 32 characters */
function hessianString(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)])
}

function frame(flags: number, status: number, id: bigint, body: Buffer): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt16BE(0xdabb, 0)
  header[2] = flags
  header[3] = status
  header.writeBigUInt64BE(id, 4)
  header.writeUInt32BE(body.length, 12)
  return Buffer.concat([header, body])
}

export function dubboRequest(id: bigint): Buffer {
  const words = ['2.0.2', 'demo.Service', '1.0', 'hello', ''].map(hessianString)
  return frame(0xc2, 0, id, Buffer.concat([...words, Buffer.from('HZ')]))
}

export function dubboResponse(id: bigint, value: string): Buffer {
  return frame(0x02, 20, id, Buffer.concat([Buffer.of(0x91), hessianString(value)]))
}

/** Whole frames in the bytes so far, and the rest. */
export function dubboFrames(bytes: Buffer): { readonly frames: readonly Buffer[]; readonly rest: Buffer } {
  const frames: Buffer[] = []
  let rest = bytes
  while (rest.length >= 16 && rest.length >= 16 + rest.readUInt32BE(12)) {
    const length = 16 + rest.readUInt32BE(12)
    frames.push(rest.subarray(0, length))
    rest = rest.subarray(length)
  }
  return { frames, rest }
}

/** Of a response: its status, and its value where it has one. */
export function readResponse(bytes: Buffer): { readonly id: bigint; readonly status: number; readonly value: string } {
  return { id: bytes.readBigUInt64BE(4), status: bytes[3] ?? 0, value: bytes.subarray(18).toString() }
}
