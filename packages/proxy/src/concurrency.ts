/**
 * How many workers a proxy has. Each serves connections on a thread of its own; one is the default, as sidecars are
 * small, and costs no thread more.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'

/** More than any machine has cores: a slip of the finger. */
const maxConcurrency = 1024

/** `auto` and 0 are as many as there are cores for this process. Throws `AerakiError` PROXY_FLAGS_INVALID. */
export function parseConcurrency(text: string): number {
  if (text === 'auto') return usableCores()
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Infinity
  if (count > maxConcurrency) {
    throw new AerakiError(
      'PROXY_FLAGS_INVALID',
      `--concurrency "${text}": give a number of workers up to ${maxConcurrency}, or auto (or 0) for one per core`,
    )
  }
  return count === 0 ? usableCores() : count
}

/** Throws `AerakiError` PROXY_CONCURRENCY_UNSUPPORTED where workers can't share an address. */
export function checkConcurrency(count: number, platform = process.platform, versions = process.versions): void {
  if (count <= 1) return
  const refuse = (reason: string): AerakiError =>
    new AerakiError(
      'PROXY_CONCURRENCY_UNSUPPORTED',
      `${count} workers: ${reason}; run one worker, with --concurrency 1`,
    )
  if (platform !== 'linux') throw refuse(`this is ${platform}, and only Linux spreads connections over them`)
  if (versions['bun'] !== undefined) return
  const [major = 0, minor = 0] = versions.node.split('.').map(Number)
  if (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)) return
  throw refuse(`Node ${versions.node} has no SO_REUSEPORT: take Node 24 or Bun`)
}

/**
 * Cores that this process may use: its affinity and the quota of its control groups, rounded up.
 *
 * @param root where `/proc` and `/sys` are; for tests
 */
export function usableCores(cores = availableParallelism(), root = '/'): number {
  return Math.max(1, Math.min(cores, Math.ceil(quota(root))))
}

/** Of the nearest group that has one, version 2 (`cpu.max`: `max|QUOTA PERIOD`) or 1. */
function quota(root: string): number {
  const groups = read(root, 'proc/self/cgroup') ?? ''
  let least = Infinity
  for (const line of groups.split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    const unified = controllers === ''
    if (!unified && !controllers.split(',').includes('cpu')) continue
    // In a container the path may be the host's, while what is mounted is the container's own.
    for (const folder of [path, '']) {
      const limit = unified ? quotaV2(root, folder) : quotaV1(root, folder)
      if (limit !== undefined) least = Math.min(least, limit)
    }
  }
  return least
}

function quotaV2(root: string, folder: string): number | undefined {
  const [limit = 'max', period = '100000'] = (read(root, `sys/fs/cgroup${folder}/cpu.max`) ?? '').trim().split(' ')
  return limit === 'max' || limit === '' ? undefined : Number(limit) / Number(period)
}

function quotaV1(root: string, folder: string): number | undefined {
  const limit = Number(read(root, `sys/fs/cgroup/cpu${folder}/cpu.cfs_quota_us`))
  const period = Number(read(root, `sys/fs/cgroup/cpu${folder}/cpu.cfs_period_us`))
  return limit > 0 && period > 0 ? limit / period : undefined
}

function read(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    return undefined
  }
}
