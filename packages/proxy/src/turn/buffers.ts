import { ByteBuffer } from '@aeraki/protocols'

/**
 * A connection that has collected so much writes it at once instead of at the end of the turn: buffers need not grow
 * further. (They grew to what 512 clients ask in one turn, and were then too large to be kept: that took a quarter of
 * the memory under load.)
 */
export const earlyFlushBytes = 48 * 1024

/** Who wrote more than this the last time does well to take a large buffer the next time. */
export const muchBytes = 32 * 1024

const largeCapacity = 64 * 1024
/** Buffers that grew beyond this are left to the garbage collector. */
const keptCapacity = 128 * 1024
/** How much memory of each kind is kept, bytes. */
const maxSmallBytes = 8 * 1024 * 1024
const maxLargeBytes = 4 * 1024 * 1024

/** Output buffers go from connection to connection: one that has nothing to say owns none. */
export class BufferPool {
  readonly #small: ByteBuffer[] = []
  #smallBytes = 0
  readonly #large: ByteBuffer[] = []
  #largeBytes = 0

  /** For the answers to one client, or one request. */
  take(): ByteBuffer {
    const buffer = this.#small.pop()
    if (buffer === undefined) return new ByteBuffer()
    this.#smallBytes -= buffer.bytes.length
    return buffer
  }

  /** For a connection that many share, or that writes much. */
  takeLarge(): ByteBuffer {
    const buffer = this.#large.pop()
    if (buffer === undefined) return new ByteBuffer(largeCapacity)
    this.#largeBytes -= buffer.bytes.length
    return buffer
  }

  /** The buffer must be empty. */
  give(buffer: ByteBuffer): void {
    const capacity = buffer.bytes.length
    if (capacity < largeCapacity) {
      if (this.#smallBytes + capacity > maxSmallBytes) return
      this.#smallBytes += capacity
      this.#small.push(buffer)
    } else if (capacity <= keptCapacity && this.#largeBytes + capacity <= maxLargeBytes) {
      this.#largeBytes += capacity
      this.#large.push(buffer)
    }
  }
}
