/** A server and a client on Apache's library for Node.js (npm `thrift`), in this process. */
import type { AddressInfo, Server } from 'node:net'
import { createRequire } from 'node:module'
import type { CallOptions, ThriftCall, ThriftClient, ThriftClientOptions, ThriftCode } from './code.ts'
import type { ThriftForm, ThriftServer, ThriftServerOptions } from './code.ts'

interface Connection {
  on(event: 'connect' | 'close', listener: () => void): void
  on(event: 'error', listener: (error: unknown) => void): void
  end(): void
  destroy(): void
}

type Service = Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>

interface Options {
  readonly transport: unknown
  readonly protocol: unknown
}

/** The part of the library that is used; @types/thrift knows neither THeader nor promises. */
interface Library {
  readonly TFramedTransport: unknown
  readonly TBufferedTransport: unknown
  readonly TBinaryProtocol: unknown
  readonly TCompactProtocol: unknown
  readonly Multiplexer: new () => { createClient(name: string, service: unknown, connection: Connection): Service }
  readonly MultiplexedProcessor: new () => { registerProcessor(name: string, processor: unknown): void }
  setLogLevel(level: string): void
  createServer(service: unknown, handler: unknown, options: Options): Server
  createMultiplexServer(processor: unknown, options: Options): Server
  createConnection(host: string, port: number, options: Options): Connection
  createClient(service: unknown, connection: Connection): Service
}

const require = createRequire(import.meta.url)
const library = require('thrift') as Library
// Its compact server warns of every request of a connection but the first; its `info` is the level without warnings.
library.setLogLevel('info')
const THeaderProtocol: unknown = require('thrift/lib/nodejs/lib/thrift/header_protocol.js')

/** Its client can't send headers: generated code does not flush the protocol, only the transport. */
function options({ transport, protocol = 'binary' }: ThriftForm): Options {
  if (transport === 'header') return { transport: library.TBufferedTransport, protocol: THeaderProtocol }
  return {
    transport: transport === 'framed' ? library.TFramedTransport : library.TBufferedTransport,
    protocol: protocol === 'compact' ? library.TCompactProtocol : library.TBinaryProtocol,
  }
}

interface Types {
  readonly Item: new (fields: object) => unknown
  readonly Refused: new (fields: object) => Error
}

export async function startNodeServer(code: ThriftCode, how: ThriftServerOptions): Promise<ThriftServer> {
  const types = code.load('greeter_types') as Types
  const heard: string[] = []
  const greeter = {
    sayHello: (name: string) => Promise.resolve(`${how.name ?? 'node'} greets ${name}`),
    echo(item: { name: string }) {
      if (item.name === '') return Promise.reject(new types.Refused({ reason: 'an item without a name', item }))
      return Promise.resolve(item)
    },
    header: (_name: string) => Promise.resolve(''),
    touch: () => Promise.resolve(),
    tell: (text: string) => Promise.resolve(heard.push(text)),
    told: () => Promise.resolve(heard),
    fail: (message: string) => Promise.reject(new Error(message)),
  }
  const counter = { add: (a: number, b: number) => Promise.resolve(a + b) }
  const Greeter = code.load('Greeter') as { Processor: new (handler: unknown) => unknown }
  const Counter = code.load('Counter') as { Processor: new (handler: unknown) => unknown }
  let server: Server
  if (how.multiplexed === true) {
    const processor = new library.MultiplexedProcessor()
    processor.registerProcessor('Greeter', new Greeter.Processor(greeter))
    processor.registerProcessor('Counter', new Counter.Processor(counter))
    server = library.createMultiplexServer(processor, options(how))
  } else {
    server = library.createServer(Greeter, greeter, options(how))
  }
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  // A client that ends in the middle of an answer.
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

export interface NodeClient extends ThriftClient {
  /** True once its connection was closed or failed. */
  readonly closed: boolean
}

export async function startNodeClient(code: ThriftCode, how: ThriftClientOptions): Promise<NodeClient> {
  const types = code.load('greeter_types') as Types
  const connection = library.createConnection('127.0.0.1', how.port, options(how))
  let closed = false
  const failures = new Set<(error: unknown) => void>()
  const end = (error: unknown) => {
    closed = true
    for (const fail of failures) fail(error)
    failures.clear()
  }
  connection.on('close', () => end(new Error('the connection was closed')))
  connection.on('error', end)
  await new Promise<void>((resolve, reject) => {
    connection.on('connect', resolve)
    failures.add(reject)
  })
  failures.clear()
  const service = code.load(how.service ?? 'Greeter')
  const client =
    how.service === undefined
      ? library.createClient(service, connection)
      : new library.Multiplexer().createClient(how.service, service, connection)

  /** Objects are items, and so are their parts. */
  function itemOf(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    const { parts, ...fields } = value as { parts?: readonly unknown[] }
    return new types.Item({ ...fields, ...(parts === undefined ? {} : { parts: parts.map(itemOf) }) })
  }

  async function once(method: string, args: readonly unknown[]): Promise<ThriftCall> {
    let drop = ignore
    try {
      const values = args.map(itemOf)
      // The library leaves calls unanswered when their connection ends.
      const dropped = new Promise<never>((_, reject) => (drop = reject))
      failures.add(drop)
      return { value: await Promise.race([client[method]?.(...values), dropped]) }
    } catch (error) {
      const { message, reason, name, type } = error as {
        message?: string
        reason?: string
        name?: string
        type?: number
      }
      return { error: reason ?? message ?? String(error), type: name ?? typeof error, code: type ?? null }
    } finally {
      failures.delete(drop)
    }
  }

  return {
    get closed() {
      return closed
    },
    call: (method, { args = [], count = 1 }: CallOptions = {}) =>
      Promise.all(Array.from({ length: count }, () => once(method, args))),
    stop: () =>
      new Promise<void>((resolve) => {
        if (closed) return resolve()
        connection.on('close', resolve)
        connection.end()
      }),
  }
}

function ignore(_error: unknown): void {}
