/**
 * Gives each of many keys its turn again and again, a bounded number at the same time. A turn may last long while there
 * are few keys; the more there are, the shorter it has to be for the others.
 */

export interface Rotation<Key> {
  add(key: Key): void
  delete(key: Key): void
  readonly size: number
}

export interface RotationOptions<Key> {
  /** Turns at the same time. */
  readonly width: number
  /** Milliseconds of a turn at most, and until everybody had a turn. */
  readonly longest: number
  readonly round: number
  /** Milliseconds from the begin of a turn to that of the next one of the same key. */
  readonly pause: number
  /** `signal` ends the turn early when others wait. Must handle its own errors. */
  readonly turn: (key: Key, wait: number, signal: AbortSignal) => Promise<void>
  readonly signal: AbortSignal
}

export function rotate<Key>({ width, longest, round, pause, turn, signal }: RotationOptions<Key>): Rotation<Key> {
  /** In order; with the time before which a key does not want another turn. */
  const waiting = new Map<Key, number>()
  const busy = new Map<Key, 'kept' | 'deleted'>()
  let hurry = new AbortController()
  let timer: NodeJS.Timeout | undefined

  const size = (): number => waiting.size + [...busy.values()].filter((state) => state === 'kept').length

  function pump(): void {
    clearTimeout(timer)
    if (signal.aborted) return
    const now = performance.now()
    let soonest = Number.POSITIVE_INFINITY
    for (const [key, notBefore] of waiting) {
      if (busy.size >= width) return
      if (notBefore > now) {
        soonest = Math.min(soonest, notBefore)
        continue
      }
      waiting.delete(key)
      void run(key)
    }
    if (Number.isFinite(soonest)) timer = setTimeout(pump, soonest - now)
  }

  async function run(key: Key): Promise<void> {
    busy.set(key, 'kept')
    const begun = performance.now()
    const count = size()
    const wait = count <= width ? longest : Math.min(longest, (round * width) / count)
    await turn(key, wait, AbortSignal.any([signal, hurry.signal]))
    if (busy.get(key) === 'kept') waiting.set(key, begun + pause)
    busy.delete(key)
    pump()
  }

  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  return {
    add(key) {
      if (busy.has(key)) busy.set(key, 'kept')
      else if (!waiting.has(key)) waiting.set(key, 0)
      if (busy.size >= width && size() === width + 1) {
        // From now on turns are short; those that go on have long ones.
        hurry.abort()
        hurry = new AbortController()
      }
      pump()
    },
    delete(key) {
      waiting.delete(key)
      if (busy.has(key)) busy.set(key, 'deleted')
    },
    get size() {
      return size()
    },
  }
}
