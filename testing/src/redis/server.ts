/** Real Redis servers (Debian `redis-server`), without persistence, on free ports of loopback. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../ports.ts'
import { redisCli, type TlsFiles } from './tools.ts'

export interface RedisServerOptions {
  /** Default: one that is free. */
  readonly port?: number
  readonly password?: string
  /** TLS only, on the same port; clients, replicas and the other nodes of a cluster show this certificate, too. */
  readonly tls?: TlsFiles
  /** Further lines of redis.conf, such as `['cluster-enabled', 'yes']`. */
  readonly config?: readonly (readonly string[])[]
}

export interface RedisServer {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Asks the server itself, by redis-cli, past every proxy; resolves with what it printed. */
  ask(...command: readonly string[]): Promise<string>
  stop(): Promise<void>
}

const mostStarts = 3

/** Resolves when it answers. Tries another port where somebody else was quicker. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  for (let start = 1; ; start += 1) {
    const server = await tryStart(options)
    if (typeof server !== 'string') return server
    if (start === mostStarts || options.port !== undefined) throw new Error(`redis-server ended: ${server}`)
  }
}

/** What the server said when it ended at once. */
async function tryStart({ port = 0, password, tls, config = [] }: RedisServerOptions): Promise<RedisServer | string> {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-redis-'))
  const at = port === 0 ? await freePort() : port
  const settings = [
    ...(tls === undefined ? [['port', String(at)]] : tlsSettings(at, tls)),
    ['bind', '127.0.0.1'],
    ['dir', folder],
    ['save', ''],
    ['appendonly', 'no'],
    ['daemonize', 'no'],
    ...(password === undefined
      ? []
      : [
          ['requirepass', password],
          ['masterauth', password],
        ]),
    ...config,
  ]
  const args = settings.flatMap(([name = '', ...values]) => [`--${name}`, ...values])
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const hear = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-4000))
  child.stderr.on('data', hear)
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      said += error.message
      resolve()
    })
    child.once('exit', () => resolve())
  })
  const ready = new Promise<true>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      hear(chunk)
      if (said.includes('Ready to accept connections')) resolve(true)
    })
  })
  if ((await Promise.race([ready, ended])) !== true) {
    rmSync(folder, { recursive: true, force: true })
    return said
  }
  const access = { ...(password === undefined ? {} : { password }), ...(tls === undefined ? {} : { tls }) }
  return {
    host: '127.0.0.1',
    port: at,
    ask: (...command) => redisCli(at, command, access),
    async stop() {
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function tlsSettings(port: number, { certificate, key }: TlsFiles): string[][] {
  return [
    ['port', '0'],
    ['tls-port', String(port)],
    ['tls-cert-file', certificate],
    ['tls-key-file', key],
    ['tls-ca-cert-file', certificate],
    ['tls-auth-clients', 'yes'],
    ['tls-replication', 'yes'],
    ['tls-cluster', 'yes'],
  ]
}
