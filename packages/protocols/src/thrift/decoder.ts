/**
 * Cuts a byte stream into Thrift frames. Like `LengthDecoder` (../framing.ts) frames that arrive whole are decoded where
 * they are and only an incomplete tail is copied; unlike it, it also cuts messages that do not say their length, by
 * skipping their struct, and resumes that where the bytes ended.
 */
import type { Decoder, FrameReceiver, Limits, Side } from '../contract.ts'
import { BinarySkipper } from './binary.ts'
import { CompactSkipper } from './compact.ts'
import { Envelope } from './envelope.ts'
import { ThriftFrame, readEnvelope } from './frame.ts'
import type { Skipper } from './skipper.ts'
import { detect, encodingOf, encodings, tooLarge, transportOf, transports, undetected } from './wire.ts'

/** Buffers that grew beyond this are given back when they are empty. */
const keptCapacity = 64 * 1024

const empty = Buffer.alloc(0)

export class ThriftDecoder implements Decoder {
  readonly #limits: Limits
  readonly #frame: ThriftFrame
  readonly #envelope = new Envelope()
  #binary: Skipper | undefined
  #compact: Skipper | undefined
  /** Of the incomplete frame, when it is an unframed one whose struct has begun. */
  #skipping: Skipper | undefined
  /** Length of the incomplete frame that is kept, where it is known, else 0. */
  #expected = 0
  /** Bytes kept between calls: `#store[#start .. #end)`. */
  #store: Buffer = empty
  #start = 0
  #end = 0
  #paused = false

  constructor(side: Side, limits: Limits) {
    this.#limits = limits
    this.#frame = new ThriftFrame(side, limits)
  }

  get buffered(): number {
    return this.#end - this.#start
  }

  push(chunk: Uint8Array, receiver: FrameReceiver): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let at = 0
    if (this.buffered > 0 || this.#paused) {
      // Of a frame whose length is known no more is copied than the frame; else all, as its end must be looked for.
      const missing = this.#expected === 0 || this.#paused ? bytes.length : this.#expected - this.buffered
      at = Math.min(missing, bytes.length)
      this.#keep(bytes, 0, at)
      if (this.#paused) return
      this.#decodeKept(receiver)
      if (this.buffered > 0 || this.#paused) {
        this.#keep(bytes, at, bytes.length)
        return
      }
    }
    at = this.#decode(bytes, at, bytes.length, receiver)
    this.#keep(bytes, at, bytes.length)
  }

  resume(receiver: FrameReceiver): void {
    this.#paused = false
    this.#decodeKept(receiver)
  }

  #decodeKept(receiver: FrameReceiver): void {
    this.#start = this.#decode(this.#store, this.#start, this.#end, receiver)
    if (this.#start < this.#end) return
    this.#start = 0
    this.#end = 0
    if (this.#store.length > keptCapacity) this.#store = empty
  }

  /** Delivers whole frames; returns where the first byte is that belongs to none. */
  #decode(bytes: Buffer, from: number, end: number, receiver: FrameReceiver): number {
    let at = from
    while (at < end && !this.#paused) {
      const length = this.#lengthAt(bytes, at, end - at)
      if (length === 0 || length > end - at) {
        this.#expected = length
        break
      }
      this.#expected = 0
      this.#skipping = undefined
      this.#frame.point(bytes, at, length)
      if (!receiver.onFrame(this.#frame)) this.#paused = true
      at += length
    }
    return at
  }

  /** Length of the frame at `at`; 0 when it is not known yet. */
  #lengthAt(bytes: Buffer, at: number, available: number): number {
    if (this.#skipping !== undefined) return this.#skipping.advance(bytes, at, available)
    const tag = detect(bytes, at, available, this.#limits)
    if (tag === undetected) return 0
    return transportOf(tag) === transports.unframed
      ? this.#beginSkipping(bytes, at, available, tag)
      : bytes.readUInt32BE(at) + 4
  }

  #beginSkipping(bytes: Buffer, at: number, available: number, tag: number): number {
    const encoding = encodingOf(tag)
    const envelope = this.#envelope
    if (!readEnvelope(envelope, encoding, bytes, at, at + available)) {
      if (available > this.#limits.maxFrameBytes) throw tooLarge(available, this.#limits.maxFrameBytes)
      return 0
    }
    let skipper: Skipper
    if (encoding === encodings.compact) skipper = this.#compact ??= new CompactSkipper(this.#limits)
    else skipper = this.#binary ??= new BinarySkipper(this.#limits)
    skipper.start(envelope.bodyAt - at)
    this.#skipping = skipper
    return skipper.advance(bytes, at, available)
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    if (from === to) return
    const kept = this.#end - this.#start
    const needed = kept + to - from
    if (this.#end + to - from > this.#store.length) {
      if (needed > this.#store.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#store.length * 2, 1024))
        this.#store.copy(larger, 0, this.#start, this.#end)
        this.#store = larger
      } else {
        this.#store.copyWithin(0, this.#start, this.#end)
      }
      this.#start = 0
      this.#end = kept
    }
    bytes.copy(this.#store, this.#end, from, to)
    this.#end += to - from
  }
}
