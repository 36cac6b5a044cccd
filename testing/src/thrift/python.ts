/**
 * A server and a client on Apache's Python library (testing/thrift/peer.py) as objects.
 *
 *   const code = generateThrift()
 *   const server = await startPythonServer(code, { transport: 'header', name: 'v1' })
 *   const client = await startPythonClient(code, { port: server.port, transport: 'header' })
 *   const [call] = await client.call('sayHello', { args: ['you'], headers: { batchJob: 'true' } })
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { needPeer } from '../peers.ts'
import type {
  ThriftCall,
  ThriftClient,
  ThriftClientOptions,
  ThriftCode,
  ThriftServer,
  ThriftServerOptions,
} from './code.ts'

const testing = join(dirname(fileURLToPath(import.meta.url)), '../..')

export async function startPythonServer(code: ThriftCode, options: ThriftServerOptions): Promise<ThriftServer> {
  const python = new PythonProcess(code, 'server', options)
  const { port } = await python.line<{ port: number }>()
  return { port, stop: () => python.stop() }
}

export interface PythonClientOptions extends ThriftClientOptions {
  /** Compresses what it sends; only where the transport is `header`. */
  readonly zlib?: boolean
}

export async function startPythonClient(code: ThriftCode, options: PythonClientOptions): Promise<ThriftClient> {
  const python = new PythonProcess(code, 'client', options)
  await python.line()
  return {
    async call(method, { args = [], headers = {}, count = 1 } = {}) {
      python.write(JSON.stringify({ method, args, headers, count }))
      const calls: ThriftCall[] = []
      while (calls.length < count) calls.push(await python.line<ThriftCall>())
      return calls
    },
    stop: () => python.stop(),
  }
}

class PythonProcess {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  readonly #exited: Promise<void>
  #complaints = ''

  constructor(code: ThriftCode, role: string, options: object) {
    const flags = Object.entries(options).flatMap(([name, value]) => {
      if (value === false || value === undefined) return []
      return value === true ? [`--${name}`] : [`--${name}`, String(value)]
    })
    const args = [join(testing, 'thrift/peer.py'), role, '--gen', code.folder, ...flags]
    this.#process = spawn(needPeer('python').path, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process.stdin.on('error', () => {})
    this.#process.stderr.on('data', (text: Buffer) => (this.#complaints += text.toString()))
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#exited = new Promise((resolve) => {
      this.#process.once('exit', () => resolve())
    })
  }

  write(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  async line<T>(): Promise<T> {
    const next = await this.#lines.next()
    if (next.done === true) throw new Error(`the Python peer ended: ${this.#complaints}`)
    return JSON.parse(next.value) as T
  }

  /** Ends its input; it exits by itself, or is killed. */
  async stop(): Promise<void> {
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 2000)
    await this.#exited
    clearTimeout(timer)
  }
}
