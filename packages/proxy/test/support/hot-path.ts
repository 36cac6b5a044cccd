/**
 * The data path between clients and two endpoints in memory: ten rules by method that do not match, one that does and
 * splits. Each turn every client sends one request, and every request is answered.
 */
import { protocolByName, type Protocol } from '@aeraki/protocols'
import type { AttributeMatch, RouteConfig } from '../../src/config/model.ts'
import { createRuntime, type RealRuntime } from '../../src/create-runtime.ts'
import { cluster } from './harness.ts'
import { MemoryIo, type MemoryConnection } from './memory-io.ts'

/** Whole messages of a protocol, in which only the id differs. */
export interface Messages {
  readonly protocol: string
  readonly request: Buffer
  readonly response: Buffer
  /** Where 32 bits of the id stand. */
  readonly idAt: number
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class HotPath {
  readonly runtime: RealRuntime
  readonly io = new MemoryIo()
  readonly clients: readonly MemoryConnection[]
  /** Bytes that clients got. */
  received = 0
  readonly #messages: Messages
  readonly #hooked = new Set<MemoryConnection>()
  #answers: { readonly to: MemoryConnection; readonly bytes: Buffer }[] = []

  static async start(
    messages: Messages,
    clients: number,
    wrap: (protocol: Protocol) => Protocol = (protocol) => protocol,
  ): Promise<HotPath> {
    const protocol = protocolByName(messages.protocol)
    if (protocol === undefined) throw new Error(`there is no protocol ${messages.protocol}`)
    const io = new MemoryIo()
    const runtime = createRuntime({ io, protocol: () => wrap(protocol) })
    for (const [index, name] of ['a', 'b'].entries()) runtime.setCluster(cluster(name, [index + 1]))
    const others = Array.from({ length: 10 }, (_, index) => byMethod(`method${index}`, { a: 1 }))
    await runtime.setListener({
      name: 'hot',
      address: { host: '127.0.0.1', port: 0 },
      substitute: undefined,
      direction: 'outbound',
      filter: {
        statPrefix: 'hot',
        protocol: messages.protocol,
        routes: { kind: 'static', table: { name: 'hot', routes: [...others, byMethod('hello', { a: 50, b: 50 })] } },
        idleTimeoutMs: 0,
      },
    })
    const path = new HotPath(messages, runtime, io, clients)
    // The first requests wait for their connections.
    for (let round = 0; round < 3; round += 1) await path.round()
    return path
  }

  private constructor(messages: Messages, runtime: RealRuntime, io: MemoryIo, clients: number) {
    this.#messages = messages
    this.runtime = runtime
    this.io = io
    this.clients = Array.from({ length: clients }, () => io.accept())
    for (const client of this.clients) {
      client.onWrite = (bytes) => {
        this.received += bytes.length
      }
    }
  }

  /** One request of each client, and its answer. */
  async round(): Promise<void> {
    for (const client of this.clients) client.receive(this.#messages.request)
    // Connections that are made now are open when the next turn comes.
    this.#hook()
    await turn()
    await turn()
    const answers = this.#answers
    this.#answers = []
    for (const { to, bytes } of answers) to.receive(bytes)
    await turn()
  }

  #hook(): void {
    const { request, response, idAt } = this.#messages
    for (const connection of this.io.upstream) {
      if (this.#hooked.has(connection)) continue
      this.#hooked.add(connection)
      connection.onWrite = (bytes) => {
        const count = bytes.length / request.length
        const answer = Buffer.concat(Array.from({ length: count }, () => response))
        for (let index = 0; index < count; index += 1) {
          const id = (bytes as Buffer).readUInt32BE(index * request.length + idAt)
          answer.writeUInt32BE(id, index * response.length + idAt)
        }
        this.#answers.push({ to: connection, bytes: answer })
      }
    }
  }
}

function byMethod(method: string, destinations: Readonly<Record<string, number>>): RouteConfig {
  const match: AttributeMatch = {
    name: 'method',
    matcher: { kind: 'exact', value: method, ignoreCase: false },
    invert: false,
  }
  return {
    name: method,
    match: [match],
    destinations: Object.entries(destinations).map(([name, weight]) => ({ cluster: name, weight })),
    timeoutMs: undefined,
    requestMutation: undefined,
    responseMutation: undefined,
    hashPolicy: [],
    mirrors: [],
  }
}
