/**
 * Work on many changes, some in each turn of the event loop: connections to registries have to be kept alive meanwhile.
 * Of a key that changes again before its turn, the latest change counts.
 */

export interface Turns<T> {
  add(changes: Iterable<readonly [key: string, change: T]>): void
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>
  /** Forgets what is left. */
  close(): void
}

/**
 * @param work takes what it is given, which ends when the turn is over
 * @param longest milliseconds of a turn
 */
export function inTurns<T>(work: (changes: Iterable<T>) => void, longest: number): Turns<T> {
  const pending = new Map<string, T>()
  let idlers: (() => void)[] = []
  let turn: NodeJS.Immediate | undefined

  function* untilTimeIsOver(): Iterable<T> {
    const end = performance.now() + longest
    for (const [key, change] of pending) {
      pending.delete(key)
      yield change
      if (performance.now() > end) return
    }
  }

  function take(): void {
    turn = undefined
    try {
      work(untilTimeIsOver())
    } finally {
      if (pending.size > 0) turn = setImmediate(take)
      else settle()
    }
  }

  function settle(): void {
    const done = idlers
    idlers = []
    for (const resolve of done) resolve()
  }

  return {
    add(changes) {
      for (const [key, change] of changes) pending.set(key, change)
      turn ??= setImmediate(take)
    },
    async idle() {
      if (turn !== undefined) await new Promise<void>((resolve) => idlers.push(resolve))
    },
    close() {
      clearImmediate(turn)
      turn = undefined
      pending.clear()
      settle()
    },
  }
}
