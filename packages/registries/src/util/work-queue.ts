/** Keys that need work: each at most once in the queue and once at work, so many at the same time. */

export interface WorkQueue<Key> {
  /**
   * Work on this key, again if it is at work just now. It begins when the key has been quiet for the debounce time, or
   * has waited for ten times that long.
   */
  add(key: Key): void
  /** Waiting and at work. */
  readonly size: number
  /** Resolves when there is nothing to do, at once if so. */
  idle(): Promise<void>
  /** Forgets what waits; what is at work goes on. */
  clear(): void
  close(): void
}

export interface WorkQueueOptions<Key> {
  readonly concurrency: number
  /** Milliseconds; 0: none. */
  readonly debounce?: number
  /** Must handle its own errors: one that rejects is a bug. */
  readonly work: (key: Key) => Promise<void>
}

export function createWorkQueue<Key>({ concurrency, debounce = 0, work }: WorkQueueOptions<Key>): WorkQueue<Key> {
  /** With the times at which they were first and last added. */
  const waiting = new Map<Key, { first: number; due: number }>()
  const working = new Set<Key>()
  const again = new Set<Key>()
  let idlers: (() => void)[] = []
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function pump(): void {
    clearTimeout(timer)
    timer = undefined
    if (closed) return
    const now = performance.now()
    let earliest = Number.POSITIVE_INFINITY
    for (const [key, { due }] of waiting) {
      if (working.size >= concurrency) break
      if (due > now) {
        earliest = Math.min(earliest, due)
        continue
      }
      waiting.delete(key)
      void run(key)
    }
    if (waiting.size > 0 && working.size < concurrency && Number.isFinite(earliest)) {
      timer = setTimeout(pump, Math.max(1, earliest - now))
    }
    settle()
  }

  async function run(key: Key): Promise<void> {
    working.add(key)
    try {
      await work(key)
    } finally {
      working.delete(key)
      if (again.delete(key)) enqueue(key)
      pump()
    }
  }

  function enqueue(key: Key): void {
    const now = performance.now()
    const first = waiting.get(key)?.first ?? now
    waiting.set(key, { first, due: debounce === 0 ? 0 : Math.min(now + debounce, first + debounce * 10) })
  }

  function settle(): void {
    if (waiting.size + working.size > 0) return
    const done = idlers
    idlers = []
    for (const resolve of done) resolve()
  }

  return {
    add(key) {
      if (closed) return
      if (working.has(key)) {
        again.add(key)
        return
      }
      enqueue(key)
      if (debounce === 0) pump()
      else timer ??= setTimeout(pump, debounce)
    },
    get size() {
      return waiting.size + working.size
    },
    async idle() {
      if (closed || waiting.size + working.size === 0) return
      await new Promise<void>((resolve) => idlers.push(resolve))
    },
    clear() {
      waiting.clear()
      again.clear()
      settle()
    },
    close() {
      closed = true
      clearTimeout(timer)
      waiting.clear()
      again.clear()
      const done = idlers
      idlers = []
      for (const resolve of done) resolve()
    },
  }
}
