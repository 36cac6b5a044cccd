/** A real Envoy that runs on a bootstrap. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { needPeer } from '../peers.ts'
import { type EnvoyAdmin, envoyAdmin } from './admin.ts'

export interface EnvoyOptions {
  /** Proto3 JSON of envoy.config.bootstrap.v3.Bootstrap, or a file that has it, in YAML or JSON. Its admin port may be 0. */
  readonly bootstrap: object | string
  /** How long connections of a listener that was replaced may live on, in seconds. Default 600, Envoy's own. */
  readonly drainSeconds?: number
  /** What stands before its command: a program that runs it elsewhere, as another user. */
  readonly prefix?: readonly string[]
  /** What stands before a command that can reach its admin pages. */
  readonly adminPrefix?: readonly string[]
}

export interface Envoy extends EnvoyAdmin {
  /** What it has said so far, from `warning` on. */
  readonly log: string
  stop(): Promise<void>
}

/** How long Envoy may take to begin, in milliseconds. */
const startingMs = 60_000

/** Resolves when its admin pages answer. Rejects with what it said when it ends instead. */
export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const { bootstrap, drainSeconds = 600, prefix = [], adminPrefix = [] } = options
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-envoy-'))
  const adminFile = join(folder, 'admin')
  let config = join(folder, 'bootstrap.json')
  if (typeof bootstrap === 'string') config = bootstrap
  else writeFileSync(config, JSON.stringify(bootstrap))
  const flags = ['--disable-hot-restart', '--concurrency', '1', '--drain-time-s', String(drainSeconds), '-l', 'warning']
  const envoy = [needPeer('envoy').path, '-c', config, '--admin-address-path', adminFile, ...flags]
  const [command = '', ...args] = [...prefix, ...envoy]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const admin = envoyAdmin(`http://${await addressIn(adminFile, child, () => log)}`, adminPrefix)
    return {
      ...admin,
      get log() {
        return log
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function addressIn(file: string, child: ChildProcess, log: () => string): Promise<string> {
  for (const end = performance.now() + startingMs; performance.now() < end; await sleep(20)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`Envoy ended: ${log()}`)
    try {
      const address = readFileSync(file, 'utf8').trim()
      if (address !== '') return address
    } catch {
      // Not written yet.
    }
  }
  throw new Error(`Envoy did not begin: ${log()}`)
}
