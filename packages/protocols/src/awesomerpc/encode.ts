import type { ByteSink, LocalError, ReplyTo } from '../contract.ts'

/** Writes a frame; grammar in frame.ts. */
export function writeFrame(out: ByteSink, id: number, kind: number, head: Uint8Array, body: Uint8Array): void {
  const length = 9 + head.length + 2 + body.length
  const at = out.reserve(length)
  const { bytes } = out
  bytes.writeUInt32BE(length - 4, at)
  bytes.writeInt32BE(id | 0, at + 4)
  bytes[at + 8] = kind
  bytes.set(head, at + 9)
  bytes.set([0x0a, 0x0a], at + 9 + head.length)
  bytes.set(body, at + 9 + head.length + 2)
  out.commit(at + length)
}

const nothing = new Uint8Array(0)

/** An `E` frame: the error's type is a header, its message the body. */
export function writeError(out: ByteSink, to: ReplyTo, error: LocalError): void {
  writeFrame(out, to.idLow, 0x45, Buffer.from(`\ntype=${error.type}`), Buffer.from(error.message))
}

export function writeHeartbeatReply(out: ByteSink, to: ReplyTo): void {
  writeFrame(out, to.idLow, 0x70, nothing, nothing)
}

export function writeHeartbeat(out: ByteSink, id: number): void {
  writeFrame(out, id, 0x50, nothing, nothing)
}
