/** Exponential backoff with full jitter: a restarted server isn't met by all its clients at once. */
export class Backoff {
  readonly #baseMs: number
  readonly #maxMs: number
  readonly #random: () => number
  #attempt = 0

  constructor(options: { readonly baseMs: number; readonly maxMs: number }, random: () => number = Math.random) {
    this.#baseMs = options.baseMs
    this.#maxMs = options.maxMs
    this.#random = random
  }

  /** The pause before the next attempt, in milliseconds: anything from 0 to the doubling ceiling. */
  next(): number {
    const ceiling = Math.min(this.#maxMs, this.#baseMs * 2 ** this.#attempt)
    if (ceiling < this.#maxMs) this.#attempt++
    return Math.round(this.#random() * ceiling)
  }

  reset(): void {
    this.#attempt = 0
  }
}
