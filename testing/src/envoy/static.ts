/** A real Envoy with a configuration that is all in its bootstrap. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FilterJson } from './validate.ts'

export interface StaticListener {
  readonly name: string
  readonly filters: readonly FilterJson[]
}

export interface StaticEnvoyOptions {
  readonly path: string
  /** Each gets a free port of loopback. */
  readonly listeners: readonly StaticListener[]
  /** Proto3 JSON of envoy.config.cluster.v3.Cluster. */
  readonly clusters: readonly object[]
}

export interface StaticEnvoy {
  portOf(listener: string): number
  /** Values of counters and gauges whose names match. */
  stats(filter: RegExp): Promise<ReadonlyMap<string, number>>
  /** What it wrote to its log. */
  readonly log: string
  stop(): Promise<void>
}

const longestStartMs = 20_000

/** Resolves when it listens; throws with what it said where it ends instead. */
export async function startStaticEnvoy({ path, listeners, clusters }: StaticEnvoyOptions): Promise<StaticEnvoy> {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-envoy-'))
  const config = join(folder, 'bootstrap.json')
  const adminFile = join(folder, 'admin')
  const loopback = { socket_address: { address: '127.0.0.1', port_value: 0 } }
  writeFileSync(
    config,
    JSON.stringify({
      node: { id: 'test', cluster: 'test' },
      admin: { address: loopback },
      static_resources: {
        listeners: listeners.map(({ name, filters }) => ({ name, address: loopback, filter_chains: [{ filters }] })),
        clusters,
      },
    }),
  )
  const args = ['-c', config, '--admin-address-path', adminFile, '--disable-hot-restart', '--concurrency', '1']
  const child = spawn(path, [...args, '-l', 'warning'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-100_000)))
  let over = false
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      over = true
      resolve()
    })
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  const giveUpAt = performance.now() + longestStartMs
  for (;;) {
    const ports = over ? undefined : await listening(adminFile)
    if (ports !== undefined && ports.size === listeners.length) {
      return {
        portOf(listener) {
          const port = ports.get(listener)
          if (port === undefined) throw new Error(`Envoy has no listener ${listener}`)
          return port
        },
        stats: async (filter) => parseStats(await ask(adminFile, '/stats'), filter),
        get log() {
          return log
        },
        stop,
      }
    }
    if (over || performance.now() > giveUpAt) {
      await stop()
      throw new Error(`Envoy does not start: ${log}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

interface Status {
  readonly name: string
  readonly local_address: { readonly socket_address: { readonly port_value: number } }
}

/** Ports by the names of listeners; undefined before there are any. */
async function listening(adminFile: string): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const { listener_statuses: statuses = [] } = JSON.parse(await ask(adminFile, '/listeners?format=json')) as {
      listener_statuses?: readonly Status[]
    }
    return new Map(statuses.map((status) => [status.name, status.local_address.socket_address.port_value]))
  } catch {
    return undefined
  }
}

async function ask(adminFile: string, path: string): Promise<string> {
  const response = await fetch(`http://${readFileSync(adminFile, 'utf8').trim()}${path}`)
  return await response.text()
}

function parseStats(text: string, filter: RegExp): Map<string, number> {
  const lines = text.split('\n').map((line) => /^(.*): (\d+)$/.exec(line))
  return new Map(
    lines.flatMap((match) =>
      match !== null && filter.test(match[1] ?? '') ? [[match[1] ?? '', Number(match[2])]] : [],
    ),
  )
}
