/** Third-party servers in processes of their own, with a folder that goes when they are closed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ServerProcess {
  /** Its data; empty at first. */
  readonly folder: string
  /** Starts it, again after `stop`; resolves when it serves. */
  start(): Promise<void>
  /** Ends it at once, as a power cut does; its data stays. */
  stop(): Promise<void>
  /** Ends it and removes its data. */
  close(): Promise<void>
}

export interface ServerCommand {
  readonly name: string
  /** Waited for. */
  readonly port: number
  readonly command: (folder: string) => readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  /** Whether it serves; default: its port takes connections. */
  readonly serves?: (port: number) => Promise<boolean>
  /** Milliseconds to become ready; default 60 s. */
  readonly patience?: number
}

export function serverProcess({
  name,
  port,
  command,
  env,
  serves = answers,
  patience = 60_000,
}: ServerCommand): ServerProcess {
  const folder = mkdtempSync(join(tmpdir(), `aeraki-${name}-`))
  let child: ChildProcess | undefined
  let output = ''

  async function stop(): Promise<void> {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const exited = new Promise<void>((resolve) => running.once('exit', () => resolve()))
    running.kill('SIGKILL')
    await exited
  }

  return {
    folder,
    async start() {
      const [program, ...args] = command(folder)
      const started = spawn(program, args, {
        cwd: folder,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child = started
      output = ''
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (text: Buffer) => (output = (output + text.toString()).slice(-4000)))
      }
      started.on('error', (error) => (output += String(error)))
      const end = Date.now() + patience
      while (!(await serves(port))) {
        if (started.exitCode !== null) throw new Error(`${name} ended: ${output}`)
        if (Date.now() > end) throw new Error(`${name} does not answer on port ${port}: ${output}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    stop,
    async close() {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** An address of this machine that Dubbo registers: it takes 127.0.0.1 for one that nobody else can call. */
export function callableAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}

async function answers(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
