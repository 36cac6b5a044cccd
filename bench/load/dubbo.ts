/**
 * Dubbo 2 with Hessian2: valid calls with an argument and attachments, valid results.
 *
 *   frame = da bb , flags , status , u64 id , u32 length , body
 *
 * https://dubbo.apache.org/en/overview/reference/protocols/tcp/
 * http://hessian.caucho.com/doc/hessian-serialization.html
 */
import { payloadOf, serviceName, type Wire } from './wire.ts'

const headerLength = 16
/** Request, two-way, Hessian2. */
const requestFlags = 0xc2
const responseFlags = 0x02
const ok = 20
/** A result with a value, as a Hessian2 int. */
const withValue = 0x91

export const dubboWire: Wire = {
  headerBytes: headerLength,
  idAt: 8,
  lengthAt: (bytes, at) => headerLength + bytes.readUInt32BE(at + 12),
  request(method, payload) {
    const call = ['2.0.2', serviceName, '0.0.0', method, 'Ljava/lang/String;'].map((text) => string(Buffer.from(text)))
    const attachments = { path: serviceName, interface: serviceName, version: '0.0.0', user: 'bench' }
    const entries = Object.entries(attachments)
      .flat()
      .map((text) => string(Buffer.from(text)))
    const argument = string(payloadOf(payload))
    return frame(requestFlags, 0, Buffer.concat([...call, argument, Buffer.from('H'), ...entries, Buffer.from('Z')]))
  },
  response(_method, payload) {
    return frame(responseFlags, ok, Buffer.concat([Buffer.from([withValue]), string(payloadOf(payload))]))
  },
}

/** A Hessian2 string of ASCII bytes, shorter than 64 KiB. */
function string(bytes: Buffer): Buffer {
  const { length } = bytes
  if (length < 32) return Buffer.concat([Buffer.from([length]), bytes])
  if (length < 1024) return Buffer.concat([Buffer.from([0x30 + (length >> 8), length & 0xff]), bytes])
  return Buffer.concat([Buffer.from([0x53, length >> 8, length & 0xff]), bytes])
}

function frame(flags: number, status: number, body: Buffer): Buffer {
  const header = Buffer.alloc(headerLength)
  header.writeUInt16BE(0xdabb)
  header[2] = flags
  header[3] = status
  header.writeUInt32BE(body.length, 12)
  return Buffer.concat([header, body])
}
