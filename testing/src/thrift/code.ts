/**
 * Code that Apache's compiler generates from testing/thrift/greeter.thrift when a suite runs, and what all Thrift peers
 * have in common.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { needPeer } from '../peers.ts'

const testing = join(dirname(fileURLToPath(import.meta.url)), '../..')

export interface ThriftCode {
  /** Where the generated code is: Python's package `greeter`, and modules for Node.js. */
  readonly folder: string
  /** Loads the generated module of a service for Node.js: `Greeter`, `Counter`, `greeter_types`. */
  load(module: string): unknown
  remove(): void
}

/** Runs the compiler (peer `thrift-compiler`) into a folder of its own. */
export function generateThrift(): ThriftCode {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-thrift-'))
  const idl = join(testing, 'thrift/greeter.thrift')
  const generators = ['--gen', 'js:node,es6', '--gen', 'py']
  const compiler = spawnSync(needPeer('thrift-compiler').path, [...generators, '-out', folder, idl], {
    encoding: 'utf8',
  })
  if (compiler.status !== 0) throw new Error(`thrift failed: ${compiler.stderr}`)
  // The generated code asks for the libraries by their names.
  symlinkSync(join(testing, '../node_modules'), join(folder, 'node_modules'))
  const require = createRequire(join(folder, 'index.js'))
  return {
    folder,
    load: (module) => require(`./${module}.js`) as unknown,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export interface ThriftForm {
  /** `buffered` is unframed. Servers with `header` take every transport and protocol. */
  readonly transport: 'framed' | 'buffered' | 'header'
  readonly protocol?: 'binary' | 'compact'
}

export interface ThriftServerOptions extends ThriftForm {
  /** The first word of its greetings. */
  readonly name?: string
  /** Serves `Greeter` and `Counter` as a multiplexed server does. */
  readonly multiplexed?: boolean
}

export interface ThriftServer {
  readonly port: number
  stop(): Promise<void>
}

export interface ThriftClientOptions extends ThriftForm {
  readonly port: number
  /** The service of a multiplexed server. */
  readonly service?: 'Greeter' | 'Counter'
}

/** What the client's code saw of one call. */
export interface ThriftCall {
  readonly value?: unknown
  /** Message, class, and the type of a TApplicationException. */
  readonly error?: string
  readonly type?: string
  readonly code?: number | null
}

export interface CallOptions {
  readonly args?: readonly unknown[]
  /** Info headers; only where the transport is `header`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly count?: number
}

export interface ThriftClient {
  /** Calls so many times: Python one after the other, Node.js all at once. */
  call(method: string, options?: CallOptions): Promise<ThriftCall[]>
  stop(): Promise<void>
}
