/** The machine: what it is, and which cores the proxy and the load are pinned to. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { needPeer } from '@aeraki/testing'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** A proxy with one worker has a core to itself; load and backends share the other. */
export const proxyCore = 0
export const loadCore = 1

/** Where there are no more than two cores, a proxy with two workers shares the second one with the load. */
export function proxyCores(workers: number): string {
  if (workers === 1) return String(proxyCore)
  return cpus().length > workers ? [proxyCore, ...sparedCores(workers - 1)].join(',') : `0-${cpus().length - 1}`
}

function sparedCores(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => loadCore + 1 + index)
}

/** Command and arguments that run a command on these cores. */
export function pinned(
  cores: number | string,
  command: string,
  args: readonly string[],
): readonly [string, readonly string[]] {
  return ['taskset', ['-c', String(cores), command, ...args]]
}

/** Files that a process may have open, connections included. */
export function openFilesLimit(): number {
  return Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
}

/** The harness waits most of the time; what it does, it does beside the load, not beside the proxy. */
export function pinThisProcess(): void {
  spawnSync('taskset', ['-a', '-c', '-p', String(loadCore), String(process.pid)])
}

/** Throws what is missing, with a remedy. */
export function checkMachine(): void {
  if (process.platform !== 'linux') throw new Error('the benchmark reads /proc and pins processes: it needs Linux')
  if (cpus().length < 2) throw new Error('the benchmark needs two cores: one for the proxy, one for the load')
  if (spawnSync('taskset', ['--version']).status !== 0) throw new Error('there is no taskset: install util-linux')
  for (const peer of ['bun', 'envoy', 'haproxy'] as const) {
    const { skip } = needPeer(peer)
    if (skip !== false) throw new Error(skip)
  }
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly versions: Readonly<Record<string, string>>
  readonly revision: string
  /** Of the last minute, before the benchmark began. */
  readonly load: number
}

export function describeMachine(): Machine {
  const git = (...args: readonly string[]): string => output('git', '-C', root, ...args)
  const dirty = git('status', '--porcelain', '--', 'packages') === '' ? '' : ', with changes'
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    versions: {
      Node: process.versions.node,
      Bun: output(needPeer('bun').path, '--version'),
      Envoy: /\/(\d+\.\d+\.\d+)/.exec(output(needPeer('envoy').path, '--version'))?.[1] ?? 'unknown',
      HAProxy: /version (\S+)/.exec(output(needPeer('haproxy').path, '-v'))?.[1] ?? 'unknown',
    },
    revision: `${git('rev-parse', '--short=12', 'HEAD')}${dirty}`,
    load: existsSync('/proc/loadavg') ? Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]) : 0,
  }
}

function output(command: string, ...args: readonly string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout.trim()
}
