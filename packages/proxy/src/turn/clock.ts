/**
 * The time as of the current event. Asking the system costs more than most of what a request needs, so that is done
 * once for each batch of bytes.
 */
export class Clock {
  /** Milliseconds, monotonic. */
  now = performance.now()

  refresh(): number {
    this.now = performance.now()
    return this.now
  }
}
