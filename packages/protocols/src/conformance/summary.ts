import type { Decoder, Frame, FrameReceiver, Protocol, Side } from '../contract.ts'
import { defaultLimits } from '../contract.ts'
import { ByteBuffer } from '../byte-sink.ts'

/** A frame as a value: everything the contract says about it, and its bytes as `write` gives them. */
export interface FrameSummary {
  readonly kind: string
  readonly idHigh: number
  readonly idLow: number
  readonly tag: number
  readonly status: string
  readonly length: number
  readonly operation: string
  readonly attributes: Readonly<Record<string, string>>
  readonly written: string
}

export function summarise(frame: Frame): FrameSummary {
  const sink = new ByteBuffer(16)
  frame.write(sink, frame.idHigh, frame.idLow, undefined)
  return {
    kind: frame.kind,
    idHigh: frame.idHigh,
    idLow: frame.idLow,
    tag: frame.tag,
    status: frame.status,
    length: frame.length,
    operation: frame.operation(),
    attributes: Object.fromEntries([...frame.allAttributes()].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    written: sink.view().toString('hex'),
  }
}

/** Collects summaries; `pauseAfter` frames it returns false, once. */
export class Collector implements FrameReceiver {
  readonly frames: FrameSummary[] = []
  readonly #pause: (count: number) => boolean

  constructor(pause: (count: number) => boolean = () => false) {
    this.#pause = pause
  }

  onFrame(frame: Frame): boolean {
    this.frames.push(summarise(frame))
    return !this.#pause(this.frames.length)
  }
}

/** Pushes a copy and overwrites it afterwards: a decoder that kept a reference would show garbage later. */
export function pushCopy(decoder: Decoder, bytes: Uint8Array, receiver: FrameReceiver): void {
  const chunk = Uint8Array.from(bytes)
  try {
    decoder.push(chunk, receiver)
  } finally {
    chunk.fill(0xaa)
  }
}

/** All frames of these bytes, pushed in one piece. */
export function decodeAll(protocol: Protocol, side: Side, bytes: Uint8Array): FrameSummary[] {
  const collector = new Collector()
  pushCopy(protocol.decoder(side, defaultLimits), bytes, collector)
  return collector.frames
}

/** Runs `read` on the only frame of these bytes. */
export function withFrame<T>(protocol: Protocol, side: Side, bytes: Uint8Array, read: (frame: Frame) => T): T {
  const results: T[] = []
  const receiver: FrameReceiver = {
    onFrame(frame) {
      results.push(read(frame))
      return true
    },
  }
  pushCopy(protocol.decoder(side, defaultLimits), bytes, receiver)
  const [result] = results
  if (results.length !== 1 || result === undefined) throw new Error(`expected one frame, got ${results.length}`)
  return result
}
