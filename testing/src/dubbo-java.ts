/**
 * The Java peers (testing/java) as objects: a provider and a consumer of Apache Dubbo 3 in processes of their own.
 *
 *   const provider = await startJavaProvider({ port, name: 'v1' })
 *   const consumer = await startJavaConsumer({ url: `dubbo://127.0.0.1:${port}` })
 *   const [call] = await consumer.call('sayHello', { attachments: { batchJob: 'true' } })
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { peersFolder } from './peers.ts'

/**
 * Dubbo's consumer takes an address 127.x.y.z for "this machine" and dials another of its addresses instead. A name
 * that resolves to it is dialled as it is, so the consumer gets a hosts file of its own.
 */
const hostsFile = join(dirname(fileURLToPath(import.meta.url)), '../java/hosts')
const loopbackName = 'mesh.test'

export type JavaMethod = 'sayHello' | 'describe' | 'fail' | 'tell' | 'told' | 'sleep' | 'mixed'

/** What the consumer's code saw of one call. */
export interface JavaCall {
  readonly value?: unknown
  /** Attachments of the response. */
  readonly attachments?: Readonly<Record<string, unknown>>
  /** Message and class of the exception, and RpcException's code. */
  readonly error?: string
  readonly type?: string
  readonly code?: number
}

export interface JavaProvider {
  readonly port: number
  stop(): Promise<void>
}

export interface JavaConsumer {
  /** Calls so many times from so many threads; resolves when all are done, in the order in which they were. */
  call(
    method: JavaMethod,
    options?: { count?: number; threads?: number; attachments?: Readonly<Record<string, string>> },
  ): Promise<JavaCall[]>
  stop(): Promise<void>
}

export interface ProviderOptions {
  /** Must be free: Dubbo can't say which one it took for 0. */
  readonly port: number
  readonly name?: string
  readonly group?: string
  readonly version?: string
}

export interface ConsumerOptions {
  /** `dubbo://127.0.0.1:PORT`. */
  readonly url: string
  readonly serialization?: 'hessian2' | 'fastjson2'
  readonly group?: string
  readonly version?: string
  /** Milliseconds. */
  readonly timeout?: number
  readonly connections?: number
}

export async function startJavaProvider(options: ProviderOptions): Promise<JavaProvider> {
  const java = await JavaProcess.start('Provider', options)
  return { port: options.port, stop: () => java.stop() }
}

export async function startJavaConsumer(options: ConsumerOptions): Promise<JavaConsumer> {
  const java = await JavaProcess.start('Consumer', { ...options, url: options.url.replace('127.0.0.1', loopbackName) })
  return {
    async call(method, { count = 1, threads = 1, attachments = {} } = {}) {
      const pairs = Object.entries(attachments).map(([key, value]) => `${key}=${value}`)
      java.write([method, count, threads, ...pairs].join('\t'))
      const calls: JavaCall[] = []
      for (;;) {
        const line: JavaCall & { done?: number } = JSON.parse(await java.line())
        if (line.done !== undefined) return calls
        calls.push(line)
      }
    },
    stop: () => java.stop(),
  }
}

class JavaProcess {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  readonly #exited: Promise<void>
  #complaints = ''

  private constructor(main: string, options: Readonly<Record<string, unknown>>) {
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const classPath = join(peersFolder, 'dubbo-java/lib/*')
    const jvm = ['-XX:TieredStopAtLevel=1', `-Djdk.net.hosts.file=${hostsFile}`, '-cp', classPath]
    this.#process = spawn('java', [...jvm, `io.aeraki.testing.dubbo.${main}`, ...flags], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#process.stdin.on('error', () => {})
    this.#process.stderr.on('data', (text: Buffer) => (this.#complaints += text.toString()))
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#exited = new Promise((resolve) => {
      this.#process.once('exit', () => resolve())
    })
  }

  static async start(main: string, options: object): Promise<JavaProcess> {
    const java = new JavaProcess(main, { ...options })
    await java.line()
    return java
  }

  write(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  async line(): Promise<string> {
    for (;;) {
      const next = await this.#lines.next()
      if (next.done === true) throw new Error(`the Java peer ended: ${this.#complaints}`)
      if (next.value.startsWith('{')) return next.value
    }
  }

  /** Both mains end with their stdin. */
  async stop(): Promise<void> {
    this.#process.stdin.end()
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
    await this.#exited
    clearTimeout(kill)
  }
}
