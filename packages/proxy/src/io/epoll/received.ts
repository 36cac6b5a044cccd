const capacity = 64 * 1024
const maxViews = 1024

/**
 * Where all connections of a thread read to; used up before the next read.
 *
 * Views of it are kept: messages have few lengths, and to make one takes longer than a system call does to begin.
 */
export class Received {
  readonly bytes = Buffer.allocUnsafeSlow(capacity)
  readonly #views = new Map<number, Buffer>()

  /** The first so many bytes, valid until the next read. */
  first(length: number): Buffer {
    const kept = this.#views.get(length)
    if (kept !== undefined) return kept
    const view = this.bytes.subarray(0, length)
    if (this.#views.size < maxViews) this.#views.set(length, view)
    return view
  }
}
