/**
 * The proxy's tests once more, on the other runtime: Bun runs the same files, and one that is about Bun alone. Left out are
 * only those that start processes on both runtimes themselves (main, interop/intercept) or are Node's own business
 * (runtime-choice).
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { needPeer, type Peer } from '@aeraki/testing'

const files = [
  'io.test.ts',
  'epoll.bun-test.ts',
  'data-path.test.ts',
  'requests.test.ts',
  'hostile.test.ts',
  'pressure.test.ts',
  'failover.test.ts',
  'swaps.test.ts',
  'exchange-model.test.ts',
  'route-table.test.ts',
  'load-balancing.test.ts',
  'turn.test.ts',
  'stats.test.ts',
  'admin.test.ts',
  'config-bootstrap.test.ts',
  'config-conversion.test.ts',
  'config-order.test.ts',
  'config-subscriptions.test.ts',
  'control-plane.test.ts',
  'control-plane-loss.test.ts',
  'intercept.test.ts',
  'log-levels.test.ts',
  'workers.test.ts',
  'workers-stats.test.ts',
  'interop/dubbo-peers.test.ts',
  'interop/thrift-peers.test.ts',
]

const bun = needPeer('bun')

/** Suites that have nothing to run without a peer. */
const peers: Readonly<Record<string, Peer>> = { 'interop/thrift-peers.test.ts': needPeer('python') }

for (const file of files) {
  test(`${file} passes on Bun`, { skip: bun.skip || (peers[file]?.skip ?? false) }, async (t) => {
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
