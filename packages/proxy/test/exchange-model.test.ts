/**
 * Clients, servers and configuration that do anything at any time: every request ends exactly once, nothing gets
 * another's answer, and whoever behaves is served in the end. An exchange that ended twice throws, and one that never
 * ended, or was answered twice, shows in the sums.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { cluster, endpoint, endpoints, Harness, locality, route, until } from './support/harness.ts'
import type { KvClient, KvServer, Received, ServerConnection } from './support/kv-peers.ts'
import { encode, kvProtocol } from './support/kv-protocol.ts'

/** What can happen, and how often. */
const weights = {
  // Clients
  request: 24,
  oneway: 5,
  'big-request': 2,
  'big-oneway': 3,
  connect: 6,
  'client-heartbeat': 1,
  garbage: 1,
  'half-close': 1,
  reset: 1,
  'client-stalls': 1,
  'client-reads': 2,
  // Servers
  answer: 16,
  error: 4,
  'big-answer': 4,
  stray: 1,
  'server-heartbeat': 1,
  'server-garbage': 1,
  'server-close': 1,
  cut: 1,
  goaway: 1,
  'server-stalls': 2,
  'server-reads': 2,
  // Configuration
  routes: 2,
  'no-routes': 1,
  endpoints: 2,
  'cluster-limits': 2,
  'no-cluster': 1,
  'no-listener': 1,
  // Time
  wait: 6,
} as const

type Kind = keyof typeof weights

/** The number chooses among clients, servers and settings. */
interface Step {
  readonly kind: Kind
  readonly who: number
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    ...Object.entries(weights).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as Kind) })),
  ),
  who: fc.nat(1000),
})

const protocols = [
  kvProtocol('multiplexed'),
  kvProtocol('exclusive', { ordered: true, tagged: true }),
  kvProtocol('bound'),
]

/** Many times what limits below allow to be kept. */
const bigBody = 'x'.repeat(300_000)

const limits = {
  maxInFlightPerConnection: 6,
  maxTombstones: 3,
  maxIdleConnections: 2,
  maxMirrorsInFlight: 5,
  connectBackoffMs: 5,
  lingerMs: 2,
  halfClosedTimeoutMs: 50,
  // What timers do happens now and then: they are looked at four times a second.
  heartbeatIntervalMs: 50,
  upstreamIdleTimeoutMs: 400,
  upstreamHighWatermark: 64 * 1024,
  downstreamHighWatermark: 64 * 1024,
}

/** A play that takes longer hangs, and is shown. */
const hangsAfterMs = 30_000

interface Question {
  readonly message: Received
  readonly connection: ServerConnection
}

class Play {
  readonly #mesh: Harness
  readonly #servers: readonly KvServer[]
  #clients: KvClient[] = []
  /** The numbers of the requests that a client sent, by their ids; ids are used again by others. */
  readonly #sent = new Map<KvClient, Map<number, number>>()
  #count = 0
  /** What servers were asked and have not answered. */
  readonly #asked: Question[] = []
  /** A server answered what it was not asked: who got what can't be told. */
  #strayed = false
  #ending = false
  readonly #removed: Promise<void>[] = []

  constructor(mesh: Harness, servers: readonly KvServer[]) {
    this.#mesh = mesh
    this.#servers = servers
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const server of this.#servers)
      server.behaviour = (message, connection) => this.#onQuestion(message, connection)
    await this.#configure()
    for (let count = 0; count < 2; count += 1) await this.#connect(count)
    for (const { kind, who } of steps) {
      this.#clients = this.#clients.filter(({ isClosed, socket }) => !isClosed && !socket.writableEnded)
      await this.#do(kind, who)
      // Often everything that was sent has arrived before the next step, and sometimes it has not.
      for (let turns = who % 8; turns > 0; turns -= 1) await turn()
    }
    await this.#end()
  }

  async #do(kind: Kind, who: number): Promise<void> {
    const { runtime } = this.#mesh
    const client = this.#clients[who % Math.max(1, this.#clients.length)]
    const question = this.#question(who)
    const socket = question?.connection.socket
    switch (kind) {
      case 'request':
      case 'oneway':
        if (client !== undefined) this.#send(client, kind, who, '')
        break
      case 'big-request':
      case 'big-oneway':
        if (client !== undefined) this.#send(client, kind === 'big-oneway' ? 'oneway' : 'request', who, bigBody)
        break
      case 'connect':
        if (this.#clients.length < 5) await this.#connect(who)
        break
      case 'client-heartbeat':
        client?.send({ kind: 'heartbeat', id: -1 })
        break
      case 'garbage':
        client?.socket.write(Buffer.alloc(20, 0xff))
        break
      case 'half-close':
        client?.socket.end()
        break
      case 'reset':
        client?.socket.resetAndDestroy()
        break
      case 'client-stalls':
        client?.socket.pause()
        break
      case 'client-reads':
        client?.socket.resume()
        break
      case 'answer':
      case 'error':
      case 'big-answer':
        if (question !== undefined) this.#answer(question, kind === 'error', kind === 'big-answer' ? bigBody : '')
        break
      case 'stray':
        this.#strayed = true
        question?.connection.send({ kind: 'response', id: question.message.id + 7 })
        break
      case 'server-heartbeat':
        question?.connection.send({ kind: 'heartbeat', id: 1 })
        break
      case 'server-garbage':
        socket?.write(Buffer.alloc(20, 0xff))
        break
      case 'server-close':
        socket?.end()
        break
      case 'cut':
        if (question === undefined) break
        socket?.write(encode({ kind: 'response', id: question.message.id, body: 'xxxx' }).subarray(0, 16))
        socket?.resetAndDestroy()
        break
      case 'goaway':
        question?.connection.send({ kind: 'goaway', id: 0 })
        break
      case 'server-stalls':
        socket?.pause()
        break
      case 'server-reads':
        for (const server of this.#servers) for (const each of server.sockets) each.resume()
        break
      case 'routes':
        this.#setRoutes(who)
        break
      case 'no-routes':
        runtime.removeRouteTable('routes')
        break
      case 'endpoints':
        this.#setEndpoints(who)
        break
      case 'cluster-limits':
        this.#setCluster(who)
        break
      case 'no-cluster':
        runtime.removeCluster(who % 4 === 0 ? 'mirror' : 'c')
        break
      case 'no-listener':
        this.#removed.push(runtime.removeListener(listenerOf(who), 1000))
        break
      case 'wait':
        await new Promise((resolve) => {
          setTimeout(resolve, who % 4)
        })
    }
  }

  /** All behave again: whoever is still connected is served, and then nothing is left. */
  async #end(): Promise<void> {
    const mesh = this.#mesh
    this.#ending = true
    await this.#configure()
    for (const server of this.#servers) for (const socket of server.sockets) socket.resume()
    for (const question of this.#asked.splice(0)) this.#answer(question, false, '')
    for (const client of this.#sent.keys()) client.socket.resume()
    const last = this.#clients.map((client) => ({ client, id: this.#send(client, 'request', 1, '') }))
    await until(() => last.every(({ client, id }) => client.isClosed || client.received.some((each) => each.id === id)))
    for (const client of this.#sent.keys()) client.socket.end()
    await until(() => mesh.stat('request_active') === 0)
    assert.equal(outcomes(mesh), mesh.stat('request'), 'as many outcomes as requests')
    await until(() => mesh.stat('downstream_cx_active') === 0)
    await Promise.all(this.#removed)
    for (const name of ['c', 'mirror']) {
      await until(() => mesh.clusterStat(name, 'upstream_rq_active') === 0)
      assert.equal(mesh.clusterStat(name, 'upstream_rq_pending_active'), 0)
    }
    for (const { endpoints: all } of mesh.runtime.snapshot().clusters) {
      for (const { activeRequests } of all) assert.equal(activeRequests, 0)
    }
    for (const [client, sent] of this.#sent) this.#check(client, sent)
    // There may be very many plays.
    for (const { received } of [...this.#servers, ...this.#sent.keys()]) received.length = 0
  }

  /** Each request got one answer at most, and its own. */
  #check({ received }: KvClient, sent: ReadonlyMap<number, number>): void {
    const answered = new Set<number>()
    for (const { kind, id, pairs } of received) {
      if (kind !== 'response' || this.#strayed) continue
      assert.ok(sent.has(id), 'an answer to nothing')
      assert.ok(!answered.has(id), 'answered twice')
      answered.add(id)
      if (pairs['number'] !== undefined) assert.equal(pairs['number'], `${sent.get(id)}`, "another's answer")
    }
    if (!this.#mesh.protocol.name.includes('exclusive')) return
    const ids = [...answered]
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
      'the order of the requests',
    )
  }

  async #connect(who: number): Promise<void> {
    const name = listenerOf(who)
    const { listeners } = this.#mesh.runtime.snapshot()
    if (!listeners.some(({ config }) => config.name === name)) await this.#listen(name)
    const client = await this.#mesh.client(this.#mesh.port(name))
    this.#clients.push(client)
    this.#sent.set(client, new Map())
  }

  #send(client: KvClient, kind: 'request' | 'oneway', who: number, body: string): number {
    this.#count += 1
    const sent = this.#sent.get(client) as Map<number, number>
    const id = sent.size
    sent.set(id, this.#count)
    const pairs = { method: who % 9 === 0 ? 'nowhere' : 'm', number: `${this.#count}` }
    client.send({ kind, high: who % 3, id, pairs, body })
    return id
  }

  #onQuestion(message: Received, connection: ServerConnection): void {
    if (message.kind === 'heartbeat' && (this.#ending || message.id % 2 === 0)) {
      connection.send({ kind: 'heartbeat-reply', id: message.id })
    }
    if (message.kind !== 'request') return
    const question = { message, connection }
    this.#asked.push(question)
    if (this.#ending) this.#answer(question, false, '')
  }

  /** Where ids don't tell, servers answer in order. */
  #question(who: number): Question | undefined {
    const any = this.#asked[who % Math.max(1, this.#asked.length)]
    if (this.#mesh.protocol.connection === 'multiplexed') return any
    return this.#asked.find(({ connection }) => connection === any?.connection)
  }

  #answer(question: Question, failed: boolean, body: string): void {
    const { message, connection } = question
    const { high, id, pairs } = message
    connection.send({ kind: 'response', high, id, status: failed ? 'error' : 'ok', pairs, body })
    const at = this.#asked.indexOf(question)
    if (at >= 0) this.#asked.splice(at, 1)
  }

  async #configure(): Promise<void> {
    this.#setCluster(0)
    this.#setRoutes(0)
    this.#setEndpoints(0)
    for (const name of listeners) await this.#listen(name)
  }

  async #listen(name: string): Promise<void> {
    const { listeners: all } = this.#mesh.runtime.snapshot()
    if (!all.some(({ config }) => config.name === name)) await this.#mesh.runtime.setListener(this.#mesh.listener(name))
  }

  /** Half of the routes wait for ever. */
  #setRoutes(who: number): void {
    const mirrors = who % 2 === 0 ? [] : [{ cluster: 'mirror', fraction: 1 }]
    const timeoutMs = who % 4 < 2 ? 0 : 20 + (who % 30)
    this.#mesh.routes([route('c', { method: 'm' }, { timeoutMs, mirrors })])
  }

  /** Now and then with one that can't be connected to, or only one. */
  #setEndpoints(who: number): void {
    const ports = this.#servers.map(({ port }) => port)
    const chosen = who % 3 === 0 ? ports : who % 3 === 1 ? [...ports, 1] : ports.slice(0, 1)
    this.#mesh.runtime.setEndpoints(endpoints('eds', [locality(chosen.map((port) => endpoint(port)))]))
  }

  /** By default with room enough, else with very little. */
  #setCluster(who: number): void {
    const few = { maxConnections: 1 + (who % 3), maxPendingRequests: who % 5, maxRequests: 2 + (who % 7) }
    const many = { maxConnections: 100, maxPendingRequests: 100, maxRequests: 100 }
    const more = { limits: who === 0 ? many : few, endpoints: { kind: 'eds', name: 'eds' } } as const
    for (const name of ['c', 'mirror']) this.#mesh.runtime.setCluster(cluster(name, [], more))
  }
}

const listeners = ['first', 'second']

function listenerOf(who: number): string {
  return listeners[who % listeners.length] as string
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function outcomes(mesh: Harness): number {
  const names = ['response', 'local_reply', 'oneway', 'reset']
  return names.reduce((sum, name) => sum + mesh.stat(`outcome.${name}`), 0)
}

/** Rejects, with what the proxy says of itself, when the play hangs: the counterexample is shown then. */
async function ends(mesh: Harness, play: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const hangs = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const values = [...mesh.runtime.stats.values()].filter(([, value]) => value !== 0)
      reject(new Error(`hangs: ${JSON.stringify({ values, snapshot: mesh.runtime.snapshot() })}`))
    }, hangsAfterMs)
  })
  await Promise.race([play, hangs]).finally(() => clearTimeout(timer))
}

for (const protocol of protocols) {
  describe(`exchanges (${protocol.name})`, () => {
    test('whatever clients and servers do, each request ends once, with one outcome', async (t) => {
      const mesh = new Harness(t, { protocol, limits })
      const servers = [await mesh.server(() => undefined), await mesh.server(() => undefined)]
      const play = (steps: readonly Step[]): Promise<void> => ends(mesh, new Play(mesh, servers).run(steps))
      await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 80 }), play), {
        numRuns: 30,
        endOnFailure: true,
      })
    })
  })
}
