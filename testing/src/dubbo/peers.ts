/**
 * Third-party Dubbo providers and consumers, each in a process of its own, all driven alike:
 *
 *   const provider = await startDubboProvider('java', { port, name: 'v1' })
 *   const consumer = await startDubboConsumer('sofa', { address: `127.0.0.1:${port}` })
 *   const [call] = await consumer.call('sayHello', { attachments: { batchJob: 'true' } })
 *
 *  - `java`: Apache Dubbo 3 (testing/dubbo-java; needs the peers `dubbo-java` and `java`);
 *  - `sofa`: sofa-rpc-node with js-remoting-for-apache-dubbo;
 *  - `dubbo2`: dubbo2.js, a consumer only. It can't set attachments but version and group.
 *
 * They serve DemoService.sayHello and PeerService (testing/dubbo-java/src): `describe` says what the provider saw.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { peersFolder } from '../peers.ts'

export type DubboMethod = 'sayHello' | 'describe' | 'fail' | 'tell' | 'told' | 'sleep' | 'mixed'

/** What the consumer's code saw of one call. */
export interface DubboCall {
  readonly value?: unknown
  /** Attachments of the response, where the consumer shows them. */
  readonly attachments?: Readonly<Record<string, unknown>>
  /** Message and class of the exception, and the code of Java's RpcException. */
  readonly error?: string
  readonly type?: string
  readonly code?: number
}

export interface DubboProvider {
  readonly port: number
  stop(): Promise<void>
  /** Ends it at once, without a word to anybody. */
  kill(): Promise<void>
}

export interface DubboConsumer {
  /** Calls so many times, so many at once; resolves when all are done, in the order in which they were. */
  call(method: DubboMethod, options?: CallOptions): Promise<DubboCall[]>
  stop(): Promise<void>
}

export interface CallOptions {
  readonly count?: number
  /** Calls at the same time. */
  readonly threads?: number
  readonly attachments?: Readonly<Record<string, string>>
}

export interface ProviderOptions {
  /** Must be free: Java can't say which one it took for 0. */
  readonly port: number
  readonly name?: string
  readonly group?: string
  readonly version?: string
  /**
   * Java only: where it registers itself, such as `zookeeper://127.0.0.1:2181`; it then listens on all addresses. For
   * `etcd3://` (interfaces) and `etcd://` (instances) the peer `dubbo-etcd` is needed.
   */
  readonly registry?: string
  /** Default all. */
  readonly registerMode?: RegisterMode
  readonly application?: string
  /** Where an application's metadata is; default remote: in the registry. */
  readonly metadataType?: 'local' | 'remote'
  /** Dubbo's parameters of the application. */
  readonly parameters?: Readonly<Record<string, string>>
  /** What stands before its command. */
  readonly prefix?: readonly string[]
}

/** What Dubbo 3 registers: each interface, the application's instance, or both. */
export type RegisterMode = 'interface' | 'instance' | 'all'

export interface ConsumerOptions {
  /** `127.0.0.1:PORT`, or `NAME:PORT` with `hosts`. */
  readonly address: string
  /** Java only: names that it can resolve, to their addresses. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Java only. */
  readonly serialization?: 'hessian2' | 'fastjson2'
  readonly group?: string
  readonly version?: string
  /** Milliseconds. */
  readonly timeout?: number
  /** Java only. */
  readonly connections?: number
  /** Java only: sends heartbeats after so many milliseconds of idleness; 1,000 is the least. */
  readonly heartbeat?: number
  /** What stands before its command. */
  readonly prefix?: readonly string[]
}

const here = dirname(fileURLToPath(import.meta.url))

/**
 * Dubbo's Java consumer takes an address 127.x.y.z for "this machine" and dials another of its addresses instead. A
 * name that resolves to it is dialled as it is, so the consumer gets a hosts file of its own.
 */
const hostsFile = join(here, '../../dubbo-java/hosts')
const loopbackName = 'mesh.test'

export async function startDubboProvider(kind: 'java' | 'sofa', options: ProviderOptions): Promise<DubboProvider> {
  const build = /^etcd3?:/.test(options.registry ?? '') ? 'dubbo-etcd' : 'dubbo-java'
  const command = kind === 'java' ? java('Provider', { build }) : node('sofa-provider.ts')
  const { parameters = {}, prefix = [], ...others } = options
  const pairs = Object.entries(parameters).map(([key, value]) => `${key}=${value}`)
  const peer = await PeerProcess.start([...prefix, ...command, ...flags({ ...others, parameters: pairs.join(',') })])
  return { port: options.port, stop: () => peer.stop(), kill: () => peer.kill() }
}

export async function startDubboConsumer(
  kind: 'java' | 'sofa' | 'dubbo2',
  options: ConsumerOptions,
): Promise<DubboConsumer> {
  const { hosts, prefix = [], ...others } = options
  const address = kind === 'java' ? options.address.replace('127.0.0.1', loopbackName) : options.address
  const command = kind === 'java' ? java('Consumer', { hosts }) : node(`${kind}-consumer.ts`)
  const peer = await PeerProcess.start([...prefix, ...command, ...flags({ ...others, address })])
  return {
    async call(method, { count = 1, threads = 1, attachments = {} } = {}) {
      const pairs = Object.entries(attachments).map(([key, value]) => `${key}=${value}`)
      peer.write([method, count, threads, ...pairs].join('\t'))
      const calls: DubboCall[] = []
      for (;;) {
        const line: DubboCall & { done?: number } = JSON.parse(await peer.line())
        if (line.done !== undefined) return calls
        calls.push(line)
      }
    },
    stop: () => peer.stop(),
  }
}

interface JavaOptions {
  /** The peer that has the jars. */
  readonly build?: 'dubbo-java' | 'dubbo-etcd'
  readonly hosts?: Readonly<Record<string, string>> | undefined
}

function java(main: string, { build = 'dubbo-java', hosts }: JavaOptions): string[] {
  const jvm = [
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    `-Djdk.net.hosts.file=${hosts === undefined ? hostsFile : writeHosts(hosts)}`,
    '-Ddubbo.service.shutdown.wait=100',
    '-cp',
    join(peersFolder, build, 'lib/*'),
  ]
  return ['java', ...jvm, `io.aeraki.testing.dubbo.${main}`]
}

/** Small and gone with the machine's temporary files: a JVM reads it whenever it resolves a name. */
function writeHosts(hosts: Readonly<Record<string, string>>): string {
  const path = join(mkdtempSync(join(tmpdir(), 'aeraki-hosts-')), 'hosts')
  writeFileSync(
    path,
    Object.entries(hosts)
      .map(([name, address]) => `${address} ${name}\n`)
      .join(''),
  )
  return path
}

function node(script: string): string[] {
  return [process.execPath, join(here, script)]
}

function flags(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]) => [
    `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ])
}

class PeerProcess {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  readonly #exited: Promise<void>
  #complaints = ''

  private constructor([command = '', ...parameters]: readonly string[]) {
    this.#process = spawn(command, parameters, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process.stdin.on('error', () => {})
    this.#process.stderr.on('data', (text: Buffer) => (this.#complaints += text.toString()))
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#exited = new Promise((resolve) => {
      this.#process.once('exit', () => resolve())
    })
  }

  /** Resolves when the peer has printed its first line: it is ready. */
  static async start(command: readonly string[]): Promise<PeerProcess> {
    const peer = new PeerProcess(command)
    await peer.line()
    return peer
  }

  write(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  async line(): Promise<string> {
    for (;;) {
      const next = await this.#lines.next()
      if (next.done === true) throw new Error(`the Dubbo peer ended: ${this.#complaints}`)
      if (next.value.startsWith('{')) return next.value
    }
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exited
  }

  /** Peers end with their stdin. */
  async stop(): Promise<void> {
    this.#process.stdin.end()
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
    await this.#exited
    clearTimeout(kill)
  }
}
