/** Waiting for others: for what becomes true, and for what a process says. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Resolves when it holds; rejects after a minute at least, with what it threw last. Until then, throwing is not holding. */
export async function eventually(condition: () => Promise<boolean>): Promise<void> {
  let failure: unknown
  for (let tries = 0; tries < 1200; tries += 1) {
    try {
      if (await condition()) return
    } catch (error) {
      failure = error
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('waited in vain', { cause: failure })
}

/** Resolves at the first line that matches; rejects with all lines when the process ends before. */
export async function says(child: ChildProcess, stream: 'stdout' | 'stderr', words: RegExp): Promise<void> {
  const source = child[stream]
  assert.ok(source !== null)
  const heard: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface(source).on('line', (line) => {
      heard.push(line)
      if (words.test(line)) resolve()
    })
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${heard.join('\n')}`)))
  })
}
