import { ByteBuffer } from '@aeraki/protocols'

/** Buffers that grew beyond this are left to the garbage collector. */
const keptCapacity = 64 * 1024
const maxKept = 512

/** Output buffers go from connection to connection: one that has nothing to say owns none. */
export class BufferPool {
  readonly #free: ByteBuffer[] = []

  take(): ByteBuffer {
    return this.#free.pop() ?? new ByteBuffer()
  }

  /** The buffer must be empty. */
  give(buffer: ByteBuffer): void {
    if (buffer.bytes.length <= keptCapacity && this.#free.length < maxKept) this.#free.push(buffer)
  }
}
