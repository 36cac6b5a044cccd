/** The client on both runtimes, and servers that are killed. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { needPeer } from '@aeraki/testing'
import { createAdsServer, StaticProvider, typeUrls } from '../src/index.ts'
import { startLine } from './line.ts'
import { item } from './resources.ts'
import { waitFor } from './wait-for.ts'

const bun = needPeer('bun')
const runtimes = [
  { name: 'Node', path: process.execPath, skip: false as const },
  { name: 'Bun', path: bun.path, skip: bun.skip },
]
const cds = typeUrls.cluster

describe('each in a process of its own', { concurrency: 2 }, () => {
  for (const runtime of runtimes)
    for (const variant of ['delta', 'state-of-the-world'] as const) {
      describe(`the client on ${runtime.name}, ${variant}`, { skip: runtime.skip }, () => {
        test('follows, refuses, and closes in peace', async (t) => {
          const provider = new StaticProvider()
          provider.set(item(cds, 'a'), item(cds, 'b'))
          const server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: 0 } })
          t.after(() => server.close())
          const client = start(t, runtime.path, 'client.ts', String(server.address.port), variant)
          await waitFor('the first state', () => client.lines.includes('Cluster +a +b'))
          provider.set(item(cds, 'a', 2))
          await waitFor('the change', () => client.lines.includes('Cluster +a'))
          provider.delete(cds, 'b')
          await waitFor('the removal', () => client.lines.includes('Cluster -b'))
          provider.set(item(cds, 'bad'))
          const nack = await waitFor('the NACK', () => server.clients()[0]?.types[0]?.lastNack)
          assert.equal(nack.reason, 'bad is refused')
          client.process.stdin?.end()
          assert.equal(await client.exit, 0)
          assert.deepEqual(client.lines, [
            'connecting',
            'connected',
            'Cluster +a +b',
            'Cluster +a',
            'Cluster -b',
            'Cluster +bad',
            'closed',
          ])
          await waitFor('the server to notice', () => server.counters.streams === 0)
        })

        test('outlives a server that is killed, and takes from its successor what differs', async (t) => {
          const first = start(t, process.execPath, 'server.ts', '0', '1')
          const port = await waitFor('the server', () => first.lines[0])
          const client = start(t, runtime.path, 'client.ts', port, variant)
          await waitFor('the first state', () => client.lines.includes('Cluster +changes +same'))
          first.process.kill('SIGKILL')
          await first.exit
          await waitFor('the client to notice', () => client.lines.includes('waiting'))
          start(t, process.execPath, 'server.ts', port, '2')
          await waitFor('what differs', () => client.lines.includes('Cluster +changes'))
          client.process.stdin?.end()
          assert.equal(await client.exit, 0)
          assert.deepEqual(
            client.lines.filter((line) => line.startsWith('Cluster')),
            ['Cluster +changes +same', 'Cluster +changes'],
          )
        })

        test('notices a server that goes without a word', async (t) => {
          const provider = new StaticProvider()
          provider.set(item(cds, 'a'))
          const keepalive = { intervalMs: 100, timeoutMs: 100 }
          const server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: 0 }, keepalive })
          t.after(() => server.close())
          const line = await startLine(t, server.address.port)
          const client = start(t, runtime.path, 'client.ts', String(line.port), variant, '100')
          await waitFor('the first state', () => client.lines.includes('Cluster +a'))
          line.cut()
          await waitFor('the client to notice', () => client.lines.includes('waiting'))
          line.mend()
          provider.set(item(cds, 'b'))
          await waitFor('the client to be back', () => client.lines.includes('Cluster +b'))
          client.process.stdin?.end()
          assert.equal(await client.exit, 0)
        })
      })
    }
})

function start(t: TestContext, command: string, script: string, ...args: readonly string[]) {
  const path = fileURLToPath(new URL(`processes/${script}`, import.meta.url))
  const child: ChildProcess = spawn(command, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines: string[] = []
  assert.ok(child.stdout !== null)
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve))
  t.after(async () => {
    child.kill('SIGKILL')
    await exit
  })
  return { process: child, lines, exit }
}
