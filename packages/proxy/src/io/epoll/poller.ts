/**
 * One epoll instance per thread, and the loop that asks it. In each turn what is ready is handled, then what was put off to
 * the end of the turn (`afterReads`), and then the runtime's own loop has a turn: timers, promises, its own sockets.
 *
 *  - With traffic, waiting is ours: in `epoll_wait`, where the runtime's own epoll instance is one of the entries (an epoll
 *    instance is itself a file that can be waited for), so that its sockets end the wait as well. Its timers are no files:
 *    a wait is a millisecond at most.
 *  - Without, waiting is the runtime's: it watches our epoll instance like one of its own sockets (`watch.ts`).
 *
 * Events are edge-triggered: each tells of a change, and nothing is asked of the kernel to pause a reader or to await room.
 */
import type { BunApi } from '../bun-api.ts'
import { errors, eventWords, numbers, systemError, type Libc } from './libc.ts'
import { Watch } from './watch.ts'

/** What can be in the epoll instance. */
export interface Pollable {
  /** @param events bits, `EPOLLIN` and so on */
  onEvents(events: number): void
}

/** Goes on with what one event was too much for. */
export interface Continuation {
  continueReading(): void
}

const maxEvents = 512

/** How late traffic may make a timer of the runtime. */
const waitMs = 1

/** After so many waits for nothing the runtime waits for us. */
const maxQuietTurns = 20

export class Poller {
  readonly #libc: Libc
  readonly #epoll: number
  /** That of the runtime's loop. */
  readonly #runtimes: number
  /** Whether `#runtimes` is an entry. The two can't wait for each other at the same time. */
  #nested = false
  readonly #watch: Watch
  readonly #events = new Int32Array(maxEvents * eventWords)
  readonly #event = new Int32Array(eventWords)
  /** By file descriptor. */
  readonly #entries: (Pollable | undefined)[] = []
  /** Of each file descriptor: how many entries have had it. An event may be older than the entry. */
  readonly #generations: number[] = []
  #count = 0
  #after: (() => void)[] = []
  #spareAfter: (() => void)[] = []
  #unfinished: Continuation[] = []
  /** Turns are under way; else the runtime watches for us, or there is nothing to wait for. */
  #turning = false
  /** Turns in which nothing happened, in a row. */
  #quiet = 0
  /** The runtime's loop has something to do, and may have more when it has done that: don't wait. */
  #hasten = false
  #next: NodeJS.Immediate | undefined
  #nextNumber = 0
  readonly #onTurn = (): void => this.#turn()

  /** @param runtimes file descriptor of the epoll instance in which the runtime's loop waits. Throws the system's error. */
  constructor(bun: BunApi, libc: Libc, runtimes: number) {
    this.#libc = libc
    this.#runtimes = runtimes
    this.#epoll = libc.calls.epoll_create1(numbers.EPOLL_CLOEXEC)
    if (this.#epoll < 0) throw systemError('epoll_create1', libc.errno())
    this.#watch = new Watch(bun, libc, this.#epoll, (told) => this.#start(told ? 0 : maxQuietTurns))
  }

  /** Throws the system's error. */
  add(fd: number, entry: Pollable, events: number): void {
    const generation = (this.#generations[fd] ?? 0) + 1
    this.#generations[fd] = generation
    if (this.#control(numbers.EPOLL_CTL_ADD, fd, events | numbers.EPOLLET, generation) < 0)
      throw systemError('epoll_ctl', this.#libc.errno())
    this.#entries[fd] = entry
    this.#count += 1
    this.#start()
  }

  /** Before the file descriptor is closed. */
  remove(fd: number): void {
    this.#entries[fd] = undefined
    this.#count -= 1
    if (this.#count === 0) this.#watch.stop()
  }

  /** Runs when all that is ready has been read; at the next turn if none is under way. */
  afterReads(run: () => void): void {
    this.#after.push(run)
    this.#start()
  }

  /** It has more to read than it did at once: others first. */
  continueLater(entry: Continuation): void {
    this.#unfinished.push(entry)
    this.#start()
  }

  #start(quiet = 0): void {
    if (this.#turning) return
    this.#turning = true
    this.#quiet = quiet
    this.#hasten = true
    this.#watch.stop()
    this.#schedule()
  }

  #turn(): void {
    this.#schedule()
    const leftOver = this.#after.length > 0 || this.#unfinished.length > 0
    const mayWait = !leftOver && !this.#hasten && this.#nest()
    this.#hasten = false
    const ready = this.#libc.calls.epoll_wait(this.#epoll, this.#events, maxEvents, mayWait ? waitMs : 0)
    if (ready > 0 || leftOver) this.#quiet = 0
    else this.#quiet += 1
    this.#continue()
    this.#dispatch(ready)
    this.#runAfter()
    if (this.#mayRest()) this.#rest()
  }

  /** The next turn. Immediates and timers are numbered: where others have set some since the last one, they don't wait. */
  #schedule(): void {
    this.#next = setImmediate(this.#onTurn)
    const number = Number(this.#next)
    if (number - this.#nextNumber > 1) this.#hasten = true
    this.#nextNumber = number
  }

  #mayRest(): boolean {
    if (this.#after.length > 0 || this.#unfinished.length > 0) return false
    return this.#quiet > maxQuietTurns || this.#count === 0
  }

  #rest(): void {
    if (this.#nested) this.#control(numbers.EPOLL_CTL_DEL, this.#runtimes, 0, 0)
    this.#nested = false
    if (this.#count > 0 && !this.#watch.start()) return
    clearImmediate(this.#next)
    this.#turning = false
  }

  /** False: not yet, the runtime still watches for us. */
  #nest(): boolean {
    this.#nested ||= this.#control(numbers.EPOLL_CTL_ADD, this.#runtimes, numbers.EPOLLIN, 0) >= 0
    return this.#nested
  }

  #continue(): void {
    if (this.#unfinished.length === 0) return
    const unfinished = this.#unfinished
    this.#unfinished = []
    for (const entry of unfinished) {
      try {
        entry.continueReading()
      } catch (error) {
        uncaught(error)
      }
    }
  }

  #dispatch(ready: number): void {
    const events = this.#events
    for (let at = 0, end = ready * eventWords; at < end; at += eventWords) {
      const fd = events[at + eventWords - 2] as number
      if (fd === this.#runtimes) {
        // Its turn comes after ours anyway.
        this.#hasten = true
        continue
      }
      if (events[at + eventWords - 1] !== this.#generations[fd]) continue
      try {
        this.#entries[fd]?.onEvents(events[at] as number)
      } catch (error) {
        uncaught(error)
      }
    }
  }

  #runAfter(): void {
    if (this.#after.length === 0) return
    const after = this.#after
    this.#after = this.#spareAfter
    for (let index = 0; index < after.length; index += 1) {
      try {
        ;(after[index] as () => void)()
      } catch (error) {
        uncaught(error)
      }
    }
    after.length = 0
    this.#spareAfter = after
  }

  #control(operation: number, fd: number, events: number, generation: number): number {
    this.#event[0] = events
    this.#event[eventWords - 2] = fd
    this.#event[eventWords - 1] = generation
    return this.#libc.calls.epoll_ctl(this.#epoll, operation, fd, this.#event)
  }
}

/** What one connection's handler throws is the process's business, and none of the others in this turn. */
function uncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** Whether a failed call only means that there is nothing to do now. */
export function isNothingToDo(errno: number): boolean {
  return errno === errors.EAGAIN || errno === errors.EINTR
}
