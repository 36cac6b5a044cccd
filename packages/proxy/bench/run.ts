/**
 * CPU per request, requests per second, latency and memory of the proxy on Node and on Bun, beside HAProxy in TCP mode,
 * all in one run: `node packages/proxy/bench/run.ts [--seconds 4] [--rounds 2] [--only node,bun,haproxy]`. The proxy is pinned to one core, load and
 * backend to another. Numbers of different runs don't compare, the machine's other load is in them.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { needPeer } from '@aeraki/testing'

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '2' },
    only: { type: 'string', default: 'haproxy,bun,node' },
    connections: { type: 'string', default: '32,256' },
    depth: { type: 'string', default: '1' },
  },
})

/** USER_HZ, which is 100 on all Linux. */
const ticksPerSecond = 100
const proxyCore = '0'
const loadCore = '1'

interface Child {
  readonly process: ChildProcess
  line(): Promise<string>
}

function start(
  core: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Child {
  const child = spawn('taskset', ['-c', core, command, ...args], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    process: child,
    line: async () => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`${command} has ended`)
      return String(value)
    },
  }
}

/** Seconds of CPU time that a process has had. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function residentMegabytes(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) / 1024
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => {
    server.close(resolve)
  })
  return port
}

async function startProxy(kind: string, backendPort: number): Promise<{ child: Child; port: number }> {
  if (kind === 'haproxy') {
    const port = await freePort()
    const folder = await mkdtemp(join(tmpdir(), 'aeraki-bench-'))
    const file = join(folder, 'haproxy.cfg')
    await writeFile(
      file,
      `global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:${port}
  server one 127.0.0.1:${backendPort}
`,
    )
    const child = start(proxyCore, needPeer('haproxy').path, ['-db', '-f', file])
    await new Promise((resolve) => {
      setTimeout(resolve, 500)
    })
    return { child, port }
  }
  const command = kind === 'bun' ? needPeer('bun').path : process.execPath
  const script = new URL('proxy.ts', import.meta.url).pathname
  const child = start(proxyCore, command, [script], { BACKEND_PORT: String(backendPort) })
  return { child, port: Number(await child.line()) }
}

const load = start(loadCore, needPeer('bun').path, [new URL('load.ts', import.meta.url).pathname])
const backendPort = Number(await load.line())
console.log('proxy     conns  depth    req/s  CPU us/req    p50 ms    p99 ms    RSS MB')
for (let round = 0; round < Number(flags.rounds); round += 1) {
  for (const kind of flags.only.split(',')) {
    const { child, port } = await startProxy(kind, backendPort)
    const pid = child.process.pid as number
    for (const connections of flags.connections.split(',').map(Number)) {
      const depth = Number(flags.depth)
      load.process.stdin?.write(`${JSON.stringify({ port, connections, depth, seconds: Number(flags.seconds) })}\n`)
      await load.line()
      const before = cpuSeconds(pid)
      await load.line()
      const used = cpuSeconds(pid) - before
      const memory = residentMegabytes(pid)
      const result = JSON.parse(await load.line()) as { requests: number; seconds: number; p50: number; p99: number }
      const columns = [
        kind.padEnd(8),
        String(connections).padStart(6),
        String(depth).padStart(6),
        (result.requests / result.seconds).toFixed(0).padStart(8),
        ((used * 1e6) / result.requests).toFixed(1).padStart(11),
        result.p50.toFixed(2).padStart(9),
        result.p99.toFixed(2).padStart(9),
        memory.toFixed(0).padStart(9),
      ]
      console.log(columns.join(' '))
    }
    child.process.kill()
  }
}
load.process.stdin?.end()
