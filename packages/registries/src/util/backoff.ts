/** How long to wait before trying again: exponential, with jitter, bounded. */

export interface Backoff {
  /** Milliseconds to wait now; longer each time until `reset`. */
  next(): number
  reset(): void
  /** Failures since the last `reset`. */
  readonly attempts: number
}

export interface BackoffOptions {
  /** Milliseconds. */
  readonly least?: number
  readonly most?: number
  /** For tests. */
  readonly random?: () => number
}

/** Between half and the whole of 0.5 s, 0.8 s, 1.28 s, ... 30 s. */
export function createBackoff({ least = 500, most = 30_000, random = Math.random }: BackoffOptions = {}): Backoff {
  let attempts = 0
  return {
    next() {
      const full = Math.min(most, least * 1.6 ** attempts)
      attempts += 1
      return full * (0.5 + random() / 2)
    },
    reset() {
      attempts = 0
    },
    get attempts() {
      return attempts
    },
  }
}
