/** Redis' own command-line tools (Debian `redis-tools`). */
import { spawn } from 'node:child_process'

const noWarning = '--no-auth-warning'

/** Of one certificate that is its own authority. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
}

export interface RedisLogin {
  /** Default: 127.0.0.1. */
  readonly host?: string
  readonly password?: string
  readonly username?: string
  readonly tls?: TlsFiles
}

/**
 * Runs one command by redis-cli; resolves with its answer as printed, an error answer too (`ERR ...`, `NOAUTH ...`).
 * Throws where the server can't be reached or says nothing for ten seconds.
 */
export function redisCli(port: number, command: readonly string[], login: RedisLogin = {}): Promise<string> {
  return run('redis-cli', ['-p', String(port), ...loginArguments(login), ...command])
}

/** Lines given to one redis-cli, over one connection; resolves with all answers. */
export function redisCliSession(port: number, lines: readonly string[], login: RedisLogin = {}): Promise<string> {
  return run('redis-cli', ['-p', String(port), ...loginArguments(login)], `${lines.join('\n')}\n`)
}

export interface BenchmarkOptions extends RedisLogin {
  readonly requests: number
  readonly clients: number
  /** Commands at once on each connection. Default 1. */
  readonly pipeline?: number
  /** Default `set,get`. */
  readonly tests?: string
  /** Keys are spread over so many. */
  readonly keyspace?: number
}

/** Requests a second of each test; throws when the benchmark met an error. */
export async function redisBenchmark(port: number, options: BenchmarkOptions): Promise<ReadonlyMap<string, number>> {
  const { requests, clients, pipeline = 1, tests = 'set,get', keyspace = 1000 } = options
  const login = loginArguments(options).filter((word) => word !== noWarning)
  const load = ['-n', String(requests), '-c', String(clients), '-P', String(pipeline), '-r', String(keyspace)]
  const printed = await run('redis-benchmark', ['-p', String(port), ...login, ...load, '-t', tests, '--csv'])
  const rows = printed
    .split('\n')
    .filter((line) => line.startsWith('"') && !line.startsWith('"test"'))
    .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')))
  if (rows.length === 0) throw new Error(`redis-benchmark printed no figures:\n${printed}`)
  return new Map(rows.map(([name = '', rps = '']) => [name, Number(rps)] as const))
}

/** `redis-cli --cluster ...`. */
export function redisCluster(args: readonly string[], login: RedisLogin = {}): Promise<string> {
  return run('redis-cli', [...loginArguments(login), '--cluster', ...args])
}

function loginArguments({ host, password, username, tls }: RedisLogin): string[] {
  return [
    ...(host === undefined ? [] : ['-h', host]),
    ...(tls === undefined ? [] : ['--tls', '--cert', tls.certificate, '--key', tls.key, '--cacert', tls.certificate]),
    ...(username === undefined ? [] : ['--user', username]),
    ...(password === undefined ? [] : ['-a', password, noWarning]),
  ]
}

const longestMs = 60_000

function run(tool: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, { stdio: 'pipe', timeout: longestMs, killSignal: 'SIGKILL' })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => {
      // An answer that is an error comes on stdout, and the exit code says so where there is one command alone.
      if (code === 0 || (tool === 'redis-cli' && out !== '')) resolve(out.trimEnd())
      else reject(new Error(`${tool} ${args.join(' ')} ended with ${code}: ${err}${out}`))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
