import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { aeraki, COMMAND } from './run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'aeraki-servers-test-'))
cpSync(join(import.meta.dirname, '../../../examples/traffic-split'), folder, { recursive: true })
after(() => rmSync(folder, { recursive: true, force: true }))

const FREE = '127.0.0.1:0'
const onFreePorts = ['--config', folder, '--xds', FREE, '--admin', FREE]

describe('control-plane', () => {
  test('prints where it listens, answers there, and ends in order on SIGTERM', async () => {
    const child = spawn(process.execPath, [COMMAND, 'control-plane', ...onFreePorts], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line)
      if (lines.length < 2) continue
      const admin = /^admin (\S+)$/.exec(line)?.[1]
      assert.equal((await fetch(`http://${admin}/ready`)).status, 200)
      child.kill('SIGTERM')
    }
    const [code] = child.exitCode === null ? ((await once(child, 'exit')) as [number | null]) : [child.exitCode]
    assert.equal(code, 0)
    assert.equal(lines.length, 2)
    assert.match(lines[0] ?? '', /^xds 127\.0\.0\.1:\d+$/)
  })

  test('--log-level error silences the log on stderr', async () => {
    const child = spawn(process.execPath, [COMMAND, 'control-plane', ...onFreePorts, '--log-level', 'error'])
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    await once(child, 'close')
    assert.equal(stderr, '')
    assert.equal(child.exitCode, 0)
  })

  test('a folder that is not there is told with a code, without a stack', async () => {
    const { code, stderr } = await aeraki(['control-plane', '--config', join(folder, 'missing'), '--xds', FREE])
    assert.equal(code, 1)
    assert.match(stderr, /^aeraki: .*\(SOURCE_UNREADABLE\)$/m)
    assert.doesNotMatch(stderr, /^ +at /m)
  })

  test('a port that is taken is told with a code', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    assert.ok(address !== null && typeof address === 'object')
    const xds = `127.0.0.1:${address.port}`
    const { code, stderr } = await aeraki(['control-plane', '--config', folder, '--xds', xds, '--admin', FREE])
    taken.close()
    assert.equal(code, 1)
    assert.match(stderr, /^aeraki: .*\(XDS_LISTEN\)$/m)
  })
})

describe('proxy', () => {
  for (const runtime of ['node', 'auto']) {
    test(`--runtime ${runtime}: says what it runs on, and passes the proxy's exit code on`, async () => {
      const { code, stderr } = await aeraki(['proxy', '--runtime', runtime, '--no-such-flag'])
      assert.equal(code, 2)
      assert.match(stderr, runtime === 'node' ? /proxy runs on node/ : /proxy runs on (bun|node)/)
      assert.match(stderr, /no-such-flag/)
    })
  }

  test('is where the command was, and signals reach it', async () => {
    const args = [
      'proxy',
      '--control-plane',
      '127.0.0.1:1',
      '--node',
      'sidecar~127.0.0.1~a.default~x',
      '--admin-address',
      FREE,
    ]
    const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    const page = /admin pages on (http:\S+)/
    while (child.exitCode === null && !page.test(output)) await sleep(20)
    // An answer shows that the proxy is up, and so are its signal handlers.
    const info = (await (await fetch(new URL('/server_info', page.exec(output)?.[1]))).json()) as { pid: number }
    // Where the system lets it, the proxy is in the command's place, which costs no memory any more.
    if (process.execve !== undefined) assert.equal(info.pid, child.pid)
    child.kill('SIGTERM')
    const [code] = (await once(child, 'close')) as [number | null]
    assert.equal(code, 0, output)
  })
})
