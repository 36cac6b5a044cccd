/** A work queue that looks for its work itself, some time after it was told that something has changed. */
import { createWorkQueue, type WorkQueueOptions } from './work-queue.ts'

export interface RefreshedQueue {
  /** Something has changed: looks at everything, some time later. */
  refresh(): void
  /** Resolves when nothing is left to do of what was found; see WorkQueue.idle. */
  idle(): Promise<void>
  close(): Promise<void>
}

export interface RefreshedQueueOptions extends WorkQueueOptions {
  /** The keys that there is work for. */
  readonly find: () => Iterable<string>
  /** Changes come in bursts. Milliseconds. Default 200. */
  readonly debounceMs?: number | undefined
}

export function createRefreshedQueue({ find, debounceMs = 200, ...options }: RefreshedQueueOptions): RefreshedQueue {
  const queue = createWorkQueue(options)
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    timer = undefined
    for (const key of find()) queue.add(key)
  }

  return {
    refresh() {
      timer ??= setTimeout(look, debounceMs)
    },
    idle: () => queue.idle(),
    async close() {
      clearTimeout(timer)
      await queue.close()
    },
  }
}
