/**
 * Our proxy on Bun and on Node against HAProxy's TCP mode, side by side in one run: node bench/compare.ts [ROUNDS]
 *
 * The proxy is pinned to one core, load and backend to the other. Rounds are interleaved, figures are medians. CPU per
 * request (user and system time of the proxy's process) is the steady one on a shared machine; the rest is what this
 * load saw. Needs Bun, HAProxy (`npm run peers`) and taskset.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { needPeer } from '@aeraki/testing'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bun = needPeer('bun').path
const haproxy = needPeer('haproxy').path
const work = mkdtempSync(join(tmpdir(), 'aeraki-bench-'))
const rounds = Number(process.argv[2] ?? 3)
const seconds = 4
const shapes = [
  { connections: 32, depth: 1, frameBytes: 216 },
  { connections: 256, depth: 1, frameBytes: 216 },
  { connections: 32, depth: 1, frameBytes: 1024 },
  { connections: 1, depth: 32, frameBytes: 216 },
]

interface Contender {
  readonly name: string
  readonly start: (port: number, backend: number) => readonly string[]
}

interface Figures {
  readonly perSecond: number
  readonly cpuUs: number
  readonly p50Us: number
  readonly p99Us: number
  readonly memoryMb: number
}

const contenders: readonly Contender[] = [
  { name: 'HAProxy TCP', start: (port, backend) => [haproxy, '-q', '-f', haproxyConfig(port, backend)] },
  { name: 'Aeraki on Bun', start: (port, backend) => [bun, proxyMain(), '--bootstrap', bootstrap(port, backend)] },
  {
    name: 'Aeraki on Node',
    start: (port, backend) => [process.execPath, proxyMain(), '--bootstrap', bootstrap(port, backend)],
  },
]

function proxyMain(): string {
  return join(root, 'packages/proxy/src/main.ts')
}

function haproxyConfig(port: number, backend: number): string {
  const path = join(work, `haproxy-${port}.cfg`)
  writeFileSync(
    path,
    `global
  nbthread 1
  maxconn 5000
defaults
  mode tcp
  timeout client 1m
  timeout server 1m
  timeout connect 5s
listen bench
  bind 127.0.0.1:${port}
  server backend 127.0.0.1:${backend}
`,
  )
  return path
}

/** Ten rules by method, none of which matches, and a weighted split as the last. */
function bootstrap(port: number, backend: number): string {
  const rules = Array.from({ length: 10 }, (_, index) => ({
    name: `rule-${index}`,
    match: { metadata: [{ name: 'method', string_match: { exact: `method${index}` } }] },
    route: { cluster: 'a' },
  }))
  const split = {
    name: 'split',
    route: { weighted_clusters: { clusters: ['a', 'b'].map((name) => ({ name, weight: 50 })), total_weight: 100 } },
  }
  const endpoint = { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: backend } } } }
  const cluster = (name: string): object => ({
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [{ max_requests: 100000, max_pending_requests: 100000 }] },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  })
  const filter = {
    name: 'aeraki.meta_protocol_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
      stat_prefix: 'bench',
      protocol: { name: 'dubbo', codec: { name: 'aeraki.meta_protocol.codec.dubbo' } },
      route_config: { name: 'bench', routes: [...rules, split] },
      meta_protocol_filters: [{ name: 'aeraki.meta_protocol.filters.router' }],
    },
  }
  const listener = {
    name: 'bench',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [filter] }],
  }
  const path = join(work, `bootstrap-${port}.json`)
  const config = {
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: { listeners: [listener], clusters: [cluster('a'), cluster('b')] },
  }
  writeFileSync(path, JSON.stringify(config))
  return path
}

async function measure(contender: Contender, shape: (typeof shapes)[number]): Promise<Figures> {
  const backend = spawn('taskset', ['-c', '1', bun, join(root, 'bench/backend.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const backendPort = Number(await firstLine(backend))
  const port = await freePort()
  const [command = '', ...args] = contender.start(port, backendPort)
  const proxy = spawn('taskset', ['-c', '0', command, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    await accepting(port)
    const load = spawn(
      'taskset',
      [
        '-c',
        '1',
        bun,
        join(root, 'bench/load.ts'),
        String(port),
        ...[shape.connections, shape.depth, seconds, shape.frameBytes].map(String),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const lines = createInterface({ input: load.stdout })[Symbol.asyncIterator]()
    await lines.next()
    const before = cpuSeconds(proxy.pid as number)
    const { value } = (await lines.next()) as { value: string }
    const after = cpuSeconds(proxy.pid as number)
    const result = JSON.parse(value) as {
      requests: number
      seconds: number
      p50Us: number
      p99Us: number
      wrong: number
      closed: number
    }
    if (result.wrong > 0 || result.closed > 0 || result.requests === 0) throw new Error(`${contender.name}: ${value}`)
    return {
      perSecond: result.requests / result.seconds,
      cpuUs: ((after - before) * 1e6) / result.requests,
      p50Us: result.p50Us,
      p99Us: result.p99Us,
      memoryMb: memoryMb(proxy.pid as number),
    }
  } finally {
    proxy.kill('SIGKILL')
    backend.kill('SIGKILL')
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`ended with ${code}`)))
    createInterface({ input: child.stdout! }).once('line', resolve)
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

async function accepting(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`nothing listens on ${port}`)
}

const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout)

/** User and system time of a process, from /proc/PID/stat. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function memoryMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

try {
  for (const shape of shapes) {
    const figures = new Map<string, Figures[]>(contenders.map(({ name }) => [name, []]))
    for (let round = 0; round < rounds; round += 1) {
      for (const contender of contenders) figures.get(contender.name)?.push(await measure(contender, shape))
    }
    console.log(
      `\n${shape.connections} connections, ${shape.depth} in flight each, ${shape.frameBytes}-byte requests\n`,
    )
    console.log('| proxy | CPU us/request | requests/s | p50 us | p99 us | MB |\n|---|---|---|---|---|---|')
    for (const [name, all] of figures) {
      const of = (key: keyof Figures): string => median(all.map((one) => one[key])).toFixed(key === 'cpuUs' ? 1 : 0)
      console.log(
        `| ${name} | ${of('cpuUs')} | ${of('perSecond')} | ${of('p50Us')} | ${of('p99Us')} | ${of('memoryMb')} |`,
      )
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
