/** Dubbo frames of the size that the measurements in the architecture were made with: 216 bytes. */
import { ByteBuffer } from '@aeraki/protocols'

export const frameLength = 216

/** A two-way call in Hessian2 of `com.example.DemoService.sayHello` with one long argument, and no attachments. */
export function callFrame(): Buffer {
  const texts = ['2.0.2', 'com.example.bench.DemoService', '0.0.0', 'sayHello', 'Ljava/lang/String;']
  const out = new ByteBuffer()
  for (const text of texts) writeShortString(out, text)
  const attachments = Buffer.from('H\x04path\x1dcom.example.bench.DemoServiceZ', 'latin1')
  const padding = frameLength - 16 - out.length - attachments.length - 2
  const at = out.reserve(padding + 2 + attachments.length)
  // A string of 32 to 1023 characters: 0x30 + high bits of the length, low bits.
  out.bytes[at] = 0x30 + (padding >> 8)
  out.bytes[at + 1] = padding & 0xff
  out.bytes.fill(0x78, at + 2, at + 2 + padding)
  attachments.copy(out.bytes, at + 2 + padding)
  out.commit(at + 2 + padding + attachments.length)
  return frame(0xc2, 0, out.view())
}

/** A response with a string. */
export function responseFrame(): Buffer {
  const body = Buffer.alloc(frameLength - 16, 0x78)
  // 0x91: a value follows.
  body[0] = 0x91
  body[1] = 0x30
  body[2] = body.length - 3
  return frame(0x02, 20, body)
}

function writeShortString(out: ByteBuffer, text: string): void {
  const at = out.reserve(1 + text.length)
  out.bytes[at] = text.length
  out.bytes.write(text, at + 1, 'latin1')
  out.commit(at + 1 + text.length)
}

function frame(flags: number, status: number, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(16 + body.length)
  bytes.writeUInt16BE(0xdabb)
  bytes[2] = flags
  bytes[3] = status
  bytes.writeUInt32BE(body.length, 12)
  bytes.set(body, 16)
  return bytes
}
