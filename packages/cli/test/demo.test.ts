/** The demo as a user runs it: every process is real, and so is every call. One run at a time. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import type { Result } from '../src/demo/result.ts'
import { aeraki, COMMAND, type Ended } from './run-command.ts'

/** A temporary directory of its own shows what a run leaves behind. */
async function inOwnFolder<T>(run: (env: NodeJS.ProcessEnv, folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-demo-test-'))
  try {
    const value = await run({ ...process.env, TMPDIR: folder }, folder)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes('demo')),
      [],
      'the run left files',
    )
    return value
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function timedRun(scenario: string, ...more: string[]): Promise<Ended> {
  return inOwnFolder((env) => aeraki(['demo', scenario, '--duration', '6s', '--output', 'json', ...more], { env }))
}

function resultOf({ code, stdout, stderr }: Ended): Result {
  assert.equal(code, 0, stderr)
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 1, 'nothing but the result is on stdout')
  return JSON.parse(lines[0] ?? '') as Result
}

function assertSound(result: Result, scenario: string): void {
  const promised = [
    'scenario',
    'seconds',
    'requests',
    'failed',
    'byGroup',
    'reloads',
    'connectionsDropped',
    'p50Ms',
    'p99Ms',
  ]
  assert.deepEqual(Object.keys(result).slice(0, promised.length), promised)
  assert.equal(result.scenario, scenario)
  assert.equal(result.failed, 0)
  assert.equal(result.connectionsDropped, 0)
  assert.ok(result.reloads >= 3, `${result.reloads} reloads`)
  assert.ok(result.requests > 100, `${result.requests} requests`)
  const answered = Object.values(result.byGroup).reduce((sum, count) => sum + count, 0)
  assert.equal(answered, result.requests, 'every call is in byGroup')
  assert.ok(result.p50Ms > 0 && result.p50Ms <= result.p99Ms)
  assert.deepEqual(result.problems, [])
}

// A run that hangs is a failure, not a wait.
describe('the demo', { concurrency: false, timeout: 300_000 }, () => {
  test('traffic-split: the split is what the rule says, through four rewrites of it', async () => {
    const result = resultOf(await timedRun('traffic-split'))
    assertSound(result, 'traffic-split')
    const { v1 = 0 } = result.byGroup
    const deviation = Math.sqrt(result.requests * 0.3 * 0.7)
    assert.ok(Math.abs(v1 - 0.3 * result.requests) <= 3 * deviation)
    // The provider saw calls by the original rule and by each rewritten one.
    assert.deepEqual(Object.keys(result.byRevision).toSorted(), ['0', '1', '2', '3'])
  })

  test('batch-isolation: each kind of call has its own group', async () => {
    const result = resultOf(await timedRun('batch-isolation'))
    assertSound(result, 'batch-isolation')
    assert.deepEqual(Object.keys(result.byKind['batchJob=true'] ?? {}), ['batchjob'])
    assert.deepEqual(Object.keys(result.byKind['batchJob=false'] ?? {}), ['user'])
  })

  test('canary: the test user has v2, and v2 sees the attachment that the rule adds', async () => {
    const result = resultOf(await timedRun('canary', '--runtime', 'node'))
    assertSound(result, 'canary')
    assert.equal(result.proxyRuntime, 'node')
    assert.deepEqual(Object.keys(result.byKind['user=test'] ?? {}), ['v2'])
  })

  test('locality: calls go to the nearest group that is there, as groups go and come', async () => {
    const result = resultOf(await timedRun('locality'))
    assertSound(result, 'locality')
    const away = result.phases.map((phase) => phase.away.length)
    assert.deepEqual(away, [0, 1, 2, 1, 0])
  })

  test('SIGINT ends it in order: a result, exit code 130, no process and no file left', async () => {
    await inOwnFolder(async (env) => {
      const child = spawn(process.execPath, [COMMAND, 'demo', '--duration', '60s', '--log-level', 'debug'], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let stdout = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        // The first picture: everything is up.
        if (/reloads/.test(text)) child.kill('SIGINT')
      })
      const pids = new Set<number>()
      createInterface({ input: child.stderr }).on('line', (line) => {
        const pid = /aeraki proxy on .* process (\d+)/.exec(line)?.[1]
        if (pid !== undefined) pids.add(Number(pid))
      })
      const [code] = (await once(child, 'close')) as [number | null]
      assert.equal(code, 130, stdout)
      assert.match(stdout, /traffic-split: \d+ calls in .* 0 failed/)
      assert.equal(pids.size, 3)
      for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    })
  })

  test('a process that dies ends the demo with its name and its last words, and no file left', async () => {
    await inOwnFolder(async (env) => {
      const child = spawn(process.execPath, [COMMAND, 'demo', '--duration', '60s', '--log-level', 'debug'], {
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let stderr = ''
      createInterface({ input: child.stderr }).on('line', (line) => {
        stderr += `${line}\n`
        const pid = /consumer's proxy: .*aeraki proxy on .* process (\d+)/.exec(line)?.[1]
        if (pid !== undefined) process.kill(Number(pid), 'SIGKILL')
      })
      const [code] = (await once(child, 'close')) as [number | null]
      assert.equal(code, 1)
      assert.match(stderr, /^aeraki: consumer's proxy ended by SIGKILL$/m)
      assert.match(stderr, /\(DEMO_PROCESS_DIED\)$/m)
    })
  })

  test('without an end it works on a visible copy: editing the rule changes the split', async () => {
    await inOwnFolder(async (env, folder) => {
      const child = spawn(process.execPath, [COMMAND, 'demo'], {
        env,
        cwd: folder,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const file = join(folder, 'demo-config/traffic-split/virtual-service.yaml')
      const seen: string[] = []
      let edited = false
      for await (const line of createInterface({ input: child.stdout })) {
        seen.push(line)
        if (edited && / v1 0\/s, v2 [1-9]\d+\/s;/.test(line)) child.kill('SIGINT')
        if (edited || !/ v1 [1-9]\d*\/s/.test(line)) continue
        edited = true
        const rule = readFileSync(file, 'utf8')
        writeFileSync(file, rule.replace('weight: 30', 'weight: 0').replace('weight: 70', 'weight: 100'))
      }
      if (child.exitCode === null) await once(child, 'exit')
      assert.equal(child.exitCode, 0, seen.join('\n'))
      assert.match(seen[0] ?? '', /^Edit demo-config\/traffic-split\/virtual-service\.yaml/)
      assert.match(seen.join('\n'), /connections opened 4, dropped 0$/m)
    })
  })
})
