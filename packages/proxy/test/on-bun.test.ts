/**
 * The data path's tests once more, on the other driver: Bun runs the same files. (Those of the configuration side need
 * nothing of the driver.)
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { needPeer } from '@aeraki/testing'

const files = [
  'io.test.ts',
  'data-path.test.ts',
  'requests.test.ts',
  'hostile.test.ts',
  'failover.test.ts',
  'swaps.test.ts',
  'exchange-model.test.ts',
  'route-table.test.ts',
  'load-balancing.test.ts',
  'turn.test.ts',
  'stats.test.ts',
]

const bun = needPeer('bun')

for (const file of files) {
  test(`${file} passes on Bun`, { skip: bun.skip }, async (t) => {
    const { code, output } = await run(fileURLToPath(new URL(file, import.meta.url)))
    assert.equal(code, 0, output)
    const passed = /^\s*(\d+) pass$/m.exec(output)?.[1]
    assert.ok(Number(passed) > 0, output)
    t.diagnostic(`${passed} tests`)
  })
}

function run(file: string): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(bun.path, ['test', '--timeout', '120000', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
