/** The load process, to the harness. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { needPeer } from '@aeraki/testing'
import { loadCore, pinned, root } from '../machine.ts'
import { start, stop } from '../processes.ts'
import type { Answer, LoadRequest, LoadResult, Ready } from './protocol.ts'

export class Load {
  readonly backends: Ready['backends']
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  static async start(): Promise<Load> {
    const child = start(...pinned(loadCore, needPeer('bun').path, [join(root, 'bench/load/main.ts')]))
    const reader: Interface = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })
    const lines = reader[Symbol.asyncIterator]()
    return new Load(child, lines, JSON.parse(await nextOf(lines)) as Ready)
  }

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, ready: Ready) {
    this.#child = child
    this.#lines = lines
    this.backends = ready.backends
  }

  /** Rejects when an answer was wrong or missing, or the backend counted otherwise. */
  async run(request: LoadRequest): Promise<LoadResult> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`)
    const answer = JSON.parse(await nextOf(this.#lines)) as Answer
    if ('error' in answer) throw new Error(answer.error)
    return answer.result
  }

  stop(): Promise<void> {
    return stop(this.#child)
  }
}

async function nextOf(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next()
  if (done === true) throw new Error('the load process has ended')
  return value
}
