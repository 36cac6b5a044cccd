/**
 * Works off keys, each with at most one worker at a time and a bounded number of workers in all; a key that failed is
 * tried again after a pause that doubles. A key that is added while it is worked on is worked on again.
 */
import { type Backoff, createBackoff, KubernetesError } from '@aeraki/kubernetes'

export interface WorkQueue {
  add(key: string): void
  /** Keys that wait, are worked on, or pause after a failure. */
  readonly size: number
  /** Resolves when nothing is left to do, not counting what pauses after a failure. */
  idle(): Promise<void>
  /** Resolves when the work under way is done; the rest is dropped. */
  close(): Promise<void>
}

export interface WorkQueueOptions {
  readonly concurrency: number
  /** Throws for a failure. */
  readonly work: (key: string) => Promise<void>
  readonly onFailure: (key: string, error: unknown) => void
  /** Milliseconds; default 200 ms and 30 s. */
  readonly firstPauseMs?: number
  readonly longestPauseMs?: number
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const waiting = new Set<string>()
  const working = new Set<string>()
  const again = new Set<string>()
  const pausing = new Map<string, NodeJS.Timeout>()
  const backoffs = new Map<string, Backoff>()
  let idlers: (() => void)[] = []
  let closed = false

  function fill(): void {
    for (const key of waiting) {
      if (working.size >= options.concurrency) break
      waiting.delete(key)
      working.add(key)
      void run(key)
    }
    if (working.size > 0) return
    for (const wake of idlers) wake()
    idlers = []
  }

  async function run(key: string): Promise<void> {
    try {
      await options.work(key)
      backoffs.delete(key)
    } catch (error) {
      options.onFailure(key, error)
      retry(key, error)
    }
    working.delete(key)
    if (again.delete(key)) add(key)
    fill()
  }

  function retry(key: string, error: unknown): void {
    if (closed) return
    const backoff =
      backoffs.get(key) ??
      createBackoff({ firstMs: options.firstPauseMs ?? 200, longestMs: options.longestPauseMs ?? 30_000 })
    backoffs.set(key, backoff)
    const asked = error instanceof KubernetesError ? (error.retryAfterMs ?? 0) : 0
    const timer = setTimeout(
      () => {
        pausing.delete(key)
        add(key)
      },
      Math.max(backoff.next(), asked),
    )
    pausing.set(key, timer)
  }

  function add(key: string): void {
    if (closed) return
    if (working.has(key)) {
      again.add(key)
      return
    }
    clearTimeout(pausing.get(key))
    pausing.delete(key)
    waiting.add(key)
    fill()
  }

  async function idle(): Promise<void> {
    if (working.size === 0) return
    await new Promise<void>((resolve) => {
      idlers.push(resolve)
    })
  }

  return {
    add,
    get size() {
      return waiting.size + working.size + pausing.size
    },
    idle,
    async close() {
      closed = true
      waiting.clear()
      for (const timer of pausing.values()) clearTimeout(timer)
      pausing.clear()
      await idle()
    },
  }
}
