/**
 * Very many deadlines, nearly all of which are cancelled before they come: starting and cancelling one is a few
 * pointer writes, and only one system timer runs, and none while there is no deadline.
 *
 * A ring of buckets, one per tick. A deadline lies in the bucket of its tick modulo the ring; one further away than the
 * ring is long stays in its bucket for another round.
 */
import type { Clock } from './clock.ts'

/** Something with at most one deadline at a time: extend it. */
export abstract class TimerEntry {
  /** The wheel's own. */
  timerNext: TimerEntry | undefined = undefined
  timerPrevious: TimerEntry | undefined = undefined
  timerTick = 0

  /** The deadline has come. A new one may be set. */
  abstract onTimer(): void
}

class Bucket extends TimerEntry {
  constructor() {
    super()
    this.timerNext = this
    this.timerPrevious = this
  }

  onTimer(): void {}
}

const bucketCount = 1024

export class TimerWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #buckets: readonly Bucket[] = Array.from({ length: bucketCount }, () => new Bucket())
  #count = 0
  /** All deadlines of ticks up to this one have been seen to. */
  #tick: number
  #timer: NodeJS.Timeout | undefined
  readonly #onTick = (): void => this.#advance()

  /** @param tickMs a deadline comes up to this much late */
  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#tick = Math.floor(clock.now / tickMs)
  }

  /** Sets or moves the entry's deadline: not before `delayMs` from the clock's now. */
  start(entry: TimerEntry, delayMs: number): void {
    if (entry.timerNext === undefined) this.#count += 1
    else unlink(entry)
    if (this.#timer === undefined) this.#begin()
    const tick = Math.ceil((this.#clock.now + delayMs) / this.#tickMs)
    entry.timerTick = tick > this.#tick ? tick : this.#tick + 1
    const bucket = this.#buckets[entry.timerTick & (bucketCount - 1)] as Bucket
    const last = bucket.timerPrevious as TimerEntry
    last.timerNext = entry
    entry.timerPrevious = last
    entry.timerNext = bucket
    bucket.timerPrevious = entry
  }

  cancel(entry: TimerEntry): void {
    if (entry.timerNext === undefined) return
    unlink(entry)
    this.#count -= 1
  }

  /** Forgets all deadlines. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #begin(): void {
    // Nothing was due while no timer ran.
    this.#tick = Math.max(this.#tick, Math.floor(this.#clock.now / this.#tickMs) - 1)
    this.#timer = setInterval(this.#onTick, this.#tickMs)
    this.#timer.unref()
  }

  #advance(): void {
    const target = Math.floor(this.#clock.refresh() / this.#tickMs)
    // After a long halt every bucket needs to be seen once only.
    if (target - this.#tick > bucketCount) this.#tick = target - bucketCount
    while (this.#tick < target) {
      this.#tick += 1
      this.#expire(this.#buckets[this.#tick & (bucketCount - 1)] as Bucket, target)
    }
    if (this.#count === 0) this.stop()
  }

  #expire(bucket: Bucket, target: number): void {
    // `onTimer` may cancel or start others, also in this bucket: begin anew after each.
    let entry = firstDue(bucket, target)
    while (entry !== undefined) {
      unlink(entry)
      this.#count -= 1
      entry.onTimer()
      entry = firstDue(bucket, target)
    }
  }
}

function firstDue(bucket: Bucket, target: number): TimerEntry | undefined {
  let entry = bucket.timerNext as TimerEntry
  while (entry !== bucket) {
    if (entry.timerTick <= target) return entry
    entry = entry.timerNext as TimerEntry
  }
  return undefined
}

function unlink(entry: TimerEntry): void {
  const next = entry.timerNext as TimerEntry
  const previous = entry.timerPrevious as TimerEntry
  next.timerPrevious = previous
  previous.timerNext = next
  entry.timerNext = undefined
  entry.timerPrevious = undefined
}
