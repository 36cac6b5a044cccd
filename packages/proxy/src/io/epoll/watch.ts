/**
 * Makes the runtime's loop wait for an epoll instance, so that a proxy without traffic does next to nothing.
 *
 * Bun's `connect` takes over file descriptors. Given that of an epoll instance (a duplicate: it closes it) it waits until that is
 * readable, which means that there are events; then it tries to read, which an epoll instance refuses, and so the
 * "connection" closes. That is once per pause in the traffic, some microseconds each time.
 */
import { nothing, type BunApi, type BunSocket } from '../bun-api.ts'
import type { Libc } from './libc.ts'

/** Should it once fail to tell, a socket is overlooked for no longer than this. */
const lookAnywayMs = 1000

export class Watch {
  readonly #bun: BunApi
  readonly #libc: Libc
  readonly #epoll: number
  readonly #onReady: (told: boolean) => void
  #socket: BunSocket<undefined> | undefined
  /** While it watches. */
  #timer: NodeJS.Timeout | undefined

  /** @param onReady called from the runtime's loop; `told`: there are events, else it is to look whether there are */
  constructor(bun: BunApi, libc: Libc, epoll: number, onReady: (told: boolean) => void) {
    this.#bun = bun
    this.#libc = libc
    this.#epoll = epoll
    this.#onReady = onReady
  }

  /** Calls back once. False: not now, there are no file descriptors left. */
  start(): boolean {
    if (this.#timer !== undefined) return true
    const fd = this.#libc.calls.dup(this.#epoll)
    if (fd < 0) return false
    this.#timer = setTimeout(() => this.#ready(false), lookAnywayMs)
    const socket = {
      ...nothing,
      open: (opened: BunSocket<undefined>) => {
        this.#socket = opened
      },
      close: (closed: BunSocket<undefined>) => {
        // Not one of an earlier pause that was given up.
        if (closed === this.#socket) this.#ready(true)
      },
    }
    this.#bun.connect<undefined>({ fd, data: undefined, socket }).catch(() => this.#ready(true))
    return true
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const socket = this.#socket
    this.#socket = undefined
    socket?.terminate()
  }

  #ready(told: boolean): void {
    if (this.#timer === undefined) return
    this.stop()
    this.#onReady(told)
  }
}
