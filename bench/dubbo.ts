/** Frames of the benchmark: valid Dubbo calls with Hessian2 arguments and attachments, and their responses. */

/** Where the request id stands in a Dubbo header, and the body's length. */
export const idAt = 4
export const lengthAt = 12
export const headerLength = 16

/** A call of `sayHello(String)` whose frame is exactly `length` bytes; at least 200. */
export function requestFrame(length: number): Buffer {
  const attachments = { path: service, interface: service, version: '0.0.0', user: 'bench' }
  const fixed = bodyOf(Buffer.alloc(0), attachments)
  const argument = Buffer.alloc(Math.max(0, length - headerLength - fixed.length), 'x')
  // A longer string has a longer length field.
  const excess = bodyOf(argument, attachments).length + headerLength - length
  return frame(0xc2, 0, bodyOf(argument.subarray(0, argument.length - Math.max(0, excess)), attachments))
}

/** A response with a string of so many bytes. */
export function responseFrame(length: number): Buffer {
  return frame(0x02, 20, Buffer.concat([Buffer.from([0x91]), string(Buffer.alloc(length, 'y'))]))
}

const service = 'org.apache.dubbo.samples.basic.api.DemoService'

function bodyOf(argument: Buffer, attachments: Readonly<Record<string, string>>): Buffer {
  const texts = ['2.0.2', service, '0.0.0', 'sayHello', 'Ljava/lang/String;'].map((text) => string(Buffer.from(text)))
  const entries = Object.entries(attachments).flatMap(([key, value]) => [
    string(Buffer.from(key)),
    string(Buffer.from(value)),
  ])
  return Buffer.concat([...texts, string(argument), Buffer.from('H'), ...entries, Buffer.from('Z')])
}

/** A Hessian2 string of ASCII bytes. */
function string(bytes: Buffer): Buffer {
  if (bytes.length < 32) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  if (bytes.length < 1024) return Buffer.concat([Buffer.from([0x30 + (bytes.length >> 8), bytes.length & 0xff]), bytes])
  return Buffer.concat([Buffer.from([0x53, bytes.length >> 8, bytes.length & 0xff]), bytes])
}

function frame(flags: number, status: number, body: Buffer): Buffer {
  const header = Buffer.alloc(headerLength)
  header.writeUInt16BE(0xdabb)
  header[2] = flags
  header[3] = status
  header.writeUInt32BE(body.length, lengthAt)
  return Buffer.concat([header, body])
}
