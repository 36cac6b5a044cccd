/** Pauses that double, with jitter, so that a server that comes back is not met by all its clients at once. */
export interface Backoff {
  /** Milliseconds before the next try: between half of a doubling ceiling and all of it. */
  next(): number
  reset(): void
}

export function createBackoff({ firstMs, longestMs }: { firstMs: number; longestMs: number }): Backoff {
  let ceiling = firstMs
  return {
    next() {
      const pause = ceiling * (0.5 + Math.random() / 2)
      ceiling = Math.min(longestMs, ceiling * 2)
      return pause
    },
    reset() {
      ceiling = firstMs
    },
  }
}
