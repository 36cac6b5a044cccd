import type { ByteSink } from './contract.ts'

/** A growing `ByteSink`: one per output of a connection, emptied by `take` and used again. */
export class ByteBuffer implements ByteSink {
  bytes: Buffer
  /** Where the committed bytes end. */
  length = 0

  constructor(capacity = 4096) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
  }

  reserve(n: number): number {
    const needed = this.length + n
    if (needed > this.bytes.length) this.#grow(needed)
    return this.length
  }

  commit(end: number): void {
    this.length = end
  }

  /** The committed bytes, valid until the next `reserve`. */
  view(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
  }

  /** As `clear`, but leaves the memory to whoever has `view()` and takes new memory. */
  renew(capacity = 4096): void {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
    this.length = 0
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }
}
