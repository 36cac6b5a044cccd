/** Processes of the benchmark: started pinned, waited for, and stopped together whatever happens. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Contender, Work } from './contenders/contender.ts'
import { pinned, proxyCores } from './machine.ts'

const running = new Set<ChildProcess>()
const folders = new Set<string>()

export interface Proxy {
  readonly name: string
  readonly port: number
  /** Empty: there is no proxy. */
  readonly pids: readonly number[]
  /** Milliseconds from its start until it accepted a connection. */
  readonly startUpMs: number
  stop(): Promise<void>
}

/** Starts a contender for this work. Rejects when it ends, or does not listen within 20 seconds. */
export async function startProxy(contender: Contender, work: Omit<Work, 'port'>): Promise<Proxy> {
  const port = await freePort()
  const launch = contender.launch({ ...work, port }, temporaryFolder())
  const { name } = contender
  if (launch === undefined) {
    const directPort = work.backends[0][0]?.port ?? 0
    return { name, port: directPort, pids: [], startUpMs: 0, stop: async () => undefined }
  }
  const startedAt = performance.now()
  // taskset becomes the command that it starts: the process is the same.
  const child = start(...pinned(proxyCores(work.workers), launch.command, launch.args))
  await accepting(port, child, name)
  const startUpMs = performance.now() - startedAt
  return { name, port, pids: [child.pid as number], startUpMs, stop: () => stop(child) }
}

/** A process of the benchmark. What it says on standard error is shown unless it is to be quiet. */
export function start(command: string, args: readonly string[], errors: 'shown' | 'quiet' = 'shown'): ChildProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', errors === 'shown' ? 'inherit' : 'ignore'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

export function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-bench-'))
  folders.add(folder)
  return folder
}

/** Ends what runs and removes what was written; at once, for exit handlers. */
export function cleanUp(): void {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  folders.clear()
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

async function accepting(port: number, child: ChildProcess, name: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline) {
    if (await accepts(port)) return
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw new Error(`${name} does not listen on port ${port}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
