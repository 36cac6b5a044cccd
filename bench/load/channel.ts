/** One connection of the load or of its backend: whole frames in, one write for all that a chunk brought about. */
import type { BunSocket } from './bun-api.ts'
import type { Wire } from './wire.ts'

/** What is written in this turn, of whatever connection: written out before another connection has its turn. */
let out = Buffer.allocUnsafeSlow(256 * 1024)
let outLength = 0

const none = Buffer.alloc(0)

export class Channel {
  #rest: Buffer = none
  #unsent: Buffer = none

  /** Appends a copy of the frame with this id, for `flush`. */
  append(frame: Buffer, idAt: number, id: number): void {
    if (outLength + frame.length > out.length) grow(outLength + frame.length)
    frame.copy(out, outLength)
    out.writeUInt32BE(id, outLength + idAt)
    outLength += frame.length
  }

  /** Writes what was appended. */
  flush(socket: BunSocket<unknown>): void {
    if (outLength === 0) return
    const bytes = out.subarray(0, outLength)
    outLength = 0
    if (this.#unsent.length > 0) this.#unsent = Buffer.concat([this.#unsent, bytes])
    else this.#send(socket, bytes)
  }

  /** The kernel has room again. */
  drain(socket: BunSocket<unknown>): void {
    const bytes = this.#unsent
    this.#unsent = none
    if (bytes.length > 0) this.#send(socket, bytes)
  }

  /** Calls back with each whole frame; keeps the rest. */
  frames(wire: Wire, chunk: Buffer, onFrame: (bytes: Buffer, at: number, length: number) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (bytes.length - at >= wire.headerBytes) {
      const length = wire.lengthAt(bytes, at)
      if (bytes.length - at < length) break
      onFrame(bytes, at, length)
      at += length
    }
    this.#rest = at === bytes.length ? none : Buffer.from(bytes.subarray(at))
  }

  #send(socket: BunSocket<unknown>, bytes: Buffer): void {
    const sent = Math.max(0, socket.write(bytes))
    if (sent < bytes.length) this.#unsent = Buffer.from(bytes.subarray(sent))
  }
}

function grow(needed: number): void {
  const larger = Buffer.allocUnsafeSlow(needed * 2)
  out.copy(larger, 0, 0, outLength)
  out = larger
}
