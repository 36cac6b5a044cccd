/**
 * Frame cutting for protocols whose frames say their length in a header: most of them. A protocol brings a function
 * that reads the length and a frame that can be pointed at bytes; chunking, pausing and limits are done here, once.
 *
 * Frames that arrive whole are decoded where they are. Only an incomplete tail (or what is left after a pause) is
 * copied, and its buffer grows with what really arrives: a length field alone makes nobody allocate anything.
 */
import type { Decoder, Frame, FrameReceiver } from './contract.ts'

/** The one frame object of a decoder. */
export interface PointableFrame extends Frame {
  /** Makes this the frame at `bytes[at .. at + length)`, forgetting all that was parsed before. */
  point(bytes: Buffer, at: number, length: number): void
}

export interface FrameGrammar {
  /** From so many bytes on `lengthAt` knows the length. At least 1. */
  readonly headerBytes: number
  /**
   * Length of the frame at `at`, header included; 0 when `available` (at least 1) bytes do not tell yet, which must not
   * be when there are `headerBytes`. Throws `ProtocolError` when it is no frame, as early as it can know, and when it
   * is too large.
   */
  lengthAt(bytes: Buffer, at: number, available: number): number
}

/** Buffers that grew beyond this are given back when they are empty. */
const keptCapacity = 64 * 1024

const empty = Buffer.alloc(0)

export class LengthDecoder implements Decoder {
  readonly #grammar: FrameGrammar
  readonly #frame: PointableFrame
  /** Bytes kept between calls: `#store[#start .. #end)`. */
  #store: Buffer = empty
  #start = 0
  #end = 0
  #paused = false

  constructor(grammar: FrameGrammar, frame: PointableFrame) {
    this.#grammar = grammar
    this.#frame = frame
  }

  get buffered(): number {
    return this.#end - this.#start
  }

  push(chunk: Uint8Array, receiver: FrameReceiver): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let at = 0
    if (!this.#paused && this.#end > this.#start) {
      at = this.#completeKept(bytes)
      if (at < 0) return
      this.#deliver(this.#store, this.#start, this.#end - this.#start, receiver)
      this.#discardKept()
    }
    if (!this.#paused) at = this.#decode(bytes, at, bytes.length, receiver)
    if (at < bytes.length) this.#keep(bytes, at, bytes.length)
  }

  resume(receiver: FrameReceiver): void {
    this.#paused = false
    this.#start = this.#decode(this.#store, this.#start, this.#end, receiver)
    if (this.#start === this.#end) this.#discardKept()
  }

  /** Moves bytes to the kept ones until they are one whole frame; returns how many, or -1 when there are too few. */
  #completeKept(bytes: Buffer): number {
    const { headerBytes } = this.#grammar
    let at = 0
    let kept = this.#end - this.#start
    if (kept < headerBytes) {
      at = Math.min(headerBytes - kept, bytes.length)
      this.#keep(bytes, 0, at)
      kept += at
    }
    const length = this.#grammar.lengthAt(this.#store, this.#start, kept)
    if (length > kept || length === 0) {
      const end = length === 0 ? bytes.length : Math.min(at + length - kept, bytes.length)
      this.#keep(bytes, at, end)
      kept += end - at
      at = end
    }
    if (length === 0 || kept < length) return -1
    return at
  }

  /** Delivers whole frames; returns where the first byte is that belongs to none. */
  #decode(bytes: Buffer, from: number, end: number, receiver: FrameReceiver): number {
    let at = from
    while (at < end && !this.#paused) {
      const length = this.#grammar.lengthAt(bytes, at, end - at)
      if (length === 0 || length > end - at) break
      this.#deliver(bytes, at, length, receiver)
      at += length
    }
    return at
  }

  #deliver(bytes: Buffer, at: number, length: number, receiver: FrameReceiver): void {
    this.#frame.point(bytes, at, length)
    if (!receiver.onFrame(this.#frame)) this.#paused = true
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    const kept = this.#end - this.#start
    const needed = kept + to - from
    if (needed > this.#store.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#store.length * 2, 1024))
      this.#store.copy(larger, 0, this.#start, this.#end)
      this.#store = larger
    } else if (this.#start > 0) {
      this.#store.copyWithin(0, this.#start, this.#end)
    }
    bytes.copy(this.#store, kept, from, to)
    this.#start = 0
    this.#end = needed
  }

  #discardKept(): void {
    this.#start = 0
    this.#end = 0
    if (this.#store.length > keptCapacity) this.#store = empty
  }
}
