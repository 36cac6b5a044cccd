import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { checkConcurrency, parseConcurrency, usableCores } from '../src/concurrency.ts'

/** A machine of 8 cores with these files. */
function coresWith(files: Readonly<Record<string, string>>): number {
  const root = mkdtempSync(join(tmpdir(), 'aeraki-cores-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    return usableCores(8, root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

const v2 = (limit: string) => ({ 'proc/self/cgroup': '0::/pod/c\n', 'sys/fs/cgroup/pod/c/cpu.max': limit })

const v1 = (quota: string) => ({
  'proc/self/cgroup': '9:name=systemd:/\n2:cpu,cpuacct:/docker/x\n',
  'sys/fs/cgroup/cpu/cpu.cfs_quota_us': quota,
  'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
})

const node = (version: string) => ({ ...process.versions, bun: undefined, node: version }) as NodeJS.ProcessVersions

describe('--concurrency', () => {
  test('is a number of workers, or one per core', () => {
    assert.equal(parseConcurrency('1'), 1)
    assert.equal(parseConcurrency('12'), 12)
    assert.equal(parseConcurrency('auto'), usableCores())
    assert.equal(parseConcurrency('0'), usableCores())
    assert.ok(usableCores() >= 1 && usableCores() <= availableParallelism())
    for (const wrong of ['-1', '1.5', 'two', '', '1025', '99999999999']) {
      assert.throws(() => parseConcurrency(wrong), {
        code: 'PROXY_FLAGS_INVALID',
        message: /--concurrency ".*": give a number of workers up to 1024, or auto/,
      })
    }
  })

  test('counts the cores that the control groups leave, rounded up, and one at least', () => {
    assert.equal(coresWith({}), 8)
    assert.equal(coresWith(v2('max 100000\n')), 8)
    assert.equal(coresWith(v2('150000 100000\n')), 2)
    assert.equal(coresWith(v2('10000 100000\n')), 1)
    assert.equal(coresWith(v2('1600000 100000\n')), 8)
    // In a container's own namespace.
    assert.equal(coresWith({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '300000 100000\n' }), 3)
    assert.equal(coresWith(v1('-1\n')), 8)
    assert.equal(coresWith(v1('400000\n')), 4)
  })

  test('is refused where the kernel would not spread connections, or the runtime does not ask it to', () => {
    checkConcurrency(1, 'darwin', node('20.19.0'))
    for (const version of ['22.12.0', '23.1.0', '24.0.0']) checkConcurrency(2, 'linux', node(version))
    checkConcurrency(2, 'linux', { ...node('24.0.0'), bun: '1.4.0' })
    for (const version of ['20.19.0', '22.11.0', '23.0.1']) {
      assert.throws(() => checkConcurrency(2, 'linux', node(version)), {
        code: 'PROXY_CONCURRENCY_UNSUPPORTED',
        message: `2 workers: Node ${version} has no SO_REUSEPORT: take Node 24 or Bun; run one worker, with --concurrency 1`,
      })
    }
    assert.throws(() => checkConcurrency(2, 'darwin', node('24.0.0')), { code: 'PROXY_CONCURRENCY_UNSUPPORTED' })
  })
})
