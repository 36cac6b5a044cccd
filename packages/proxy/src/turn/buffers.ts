import { ByteBuffer } from '@aeraki/protocols'

/**
 * A connection that has collected so much writes it at once instead of at the end of the turn: buffers need not grow
 * further. (They grew to what 512 clients ask in one turn, and were then too large to be kept: that took a quarter of
 * the memory under load.)
 */
export const earlyFlushBytes = 48 * 1024

const largeCapacity = 64 * 1024
/** Buffers that grew beyond these are left to the garbage collector, or are large ones from now on. */
const keptSmall = 16 * 1024
const keptLarge = 128 * 1024
const maxSmall = 512
const maxLarge = 32

/** Output buffers go from connection to connection: one that has nothing to say owns none. */
export class BufferPool {
  readonly #small: ByteBuffer[] = []
  readonly #large: ByteBuffer[] = []

  /** For the answers to one client, or one request. */
  take(): ByteBuffer {
    return this.#small.pop() ?? new ByteBuffer()
  }

  /** For a connection that many share. */
  takeLarge(): ByteBuffer {
    return this.#large.pop() ?? new ByteBuffer(largeCapacity)
  }

  /** The buffer must be empty. */
  give(buffer: ByteBuffer): void {
    const capacity = buffer.bytes.length
    if (capacity <= keptSmall) {
      if (this.#small.length < maxSmall) this.#small.push(buffer)
    } else if (capacity <= keptLarge && this.#large.length < maxLarge) {
      this.#large.push(buffer)
    }
  }
}
