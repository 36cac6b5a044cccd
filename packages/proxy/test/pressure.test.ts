/** Peers that are slower than what goes to them, and connections on their way out: nothing grows, nothing hangs. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import type { OutlierDetection } from '../src/config/model.ts'
import { createRuntime, type RealRuntime } from '../src/create-runtime.ts'
import type { ProxyLimits } from '../src/limits.ts'
import { cluster, endpoint, endpoints, Harness, locality, route, table, until } from './support/harness.ts'
import { echo, receive, type KvClient, type Received, type ServerConnection } from './support/kv-peers.ts'
import { encode, kvProtocol } from './support/kv-protocol.ts'
import { MemoryIo, type MemoryConnection } from './support/memory-io.ts'

const shared = kvProtocol('multiplexed')
const exclusive = kvProtocol('exclusive', { ordered: true })
const bound = kvProtocol('bound')

/** Answers with as many bytes as a request's body says, when told to. */
class Keeper {
  readonly #answers = new Map<number, () => void>()

  readonly behaviour = ({ kind, high, id, body }: Received, connection: ServerConnection): void => {
    if (kind !== 'request') return
    const bytes = Number(body)
    this.#answers.set(bytes, () => connection.send({ kind: 'response', high, id, body: 'x'.repeat(bytes) }))
  }

  get asked(): number {
    return this.#answers.size
  }

  answer(bytes: number): void {
    this.#answers.get(bytes)?.()
  }
}

describe('clients', () => {
  test('a client that was not read from because answers waited for their turn is read from when they have gone', async (t) => {
    const mesh = new Harness(t, { protocol: exclusive, limits: { downstreamHighWatermark: 1000 } })
    const keeper = new Keeper()
    const server = await mesh.server(keeper.behaviour)
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    const first = client.call({}, '10')
    const second = client.call({}, '5000')
    await until(() => keeper.asked === 2)
    keeper.answer(5000)
    await until(() => mesh.stat('downstream_flow_control_paused_reading_total') === 1)
    keeper.answer(10)
    await Promise.all([first, second])
    server.behaviour = echo('one')
    assert.equal((await client.call({}, 'third')).body, 'third')
  })

  test('a client that has far too much to read is closed also in the middle of answers that waited for their turn', async (t) => {
    const limits = { downstreamHighWatermark: 1000, downstreamHardLimit: 16_000_000 }
    const mesh = new Harness(t, { protocol: exclusive, limits })
    const keeper = new Keeper()
    const server = await mesh.server(keeper.behaviour)
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const slow = await mesh.client()
    slow.socket.pause()
    const sizes = [12_000_000, 7_000_000, 7_000_001, 7]
    for (const [id, bytes] of sizes.entries()) slow.send({ kind: 'request', id, body: `${bytes}` })
    await until(() => keeper.asked === 4)
    keeper.answer(7_000_000)
    keeper.answer(7_000_001)
    await until(() => mesh.stat('response') === 2)
    keeper.answer(12_000_000)
    await until(() => mesh.stat('downstream_cx_output_overflow') === 1)
    assert.equal(mesh.stat('request_active'), 0)
    assert.equal(mesh.stat('outcome.response') + mesh.stat('outcome.reset'), 4)
    server.behaviour = echo('one')
    assert.equal((await (await mesh.client()).call({}, 'another')).body, 'another')
  })

  test('a client that ends its side just when it is to be read from again gets answers to all it had sent', async () => {
    const mesh = await InMemory.start({ maxInFlightPerConnection: 1 })
    const { client } = mesh
    client.receive(Buffer.concat([1, 2, 3].map((id) => encode({ kind: 'request', id }))))
    await until(() => mesh.requests().length === 1)
    const [server] = mesh.servers as readonly [MemoryConnection]
    server.receive(encode({ kind: 'response', id: mesh.requests()[0] ?? 0 }))
    client.handler.onEnd()
    for (let done = 1; done < 3; done += 1) {
      await until(() => mesh.requests().length > done)
      server.receive(encode({ kind: 'response', id: mesh.requests()[done] ?? 0 }))
    }
    await until(() => mesh.answers === 3 && client.ended)
    await mesh.runtime.close(0)
  })

  test('a connection whose listener is gone closes only after what it had sent already has been answered', async (t) => {
    const mesh = new Harness(t, { limits: { maxInFlightPerConnection: 2, lingerMs: 0 } })
    const release: (() => void)[] = []
    const server = await mesh.server((message, connection) => {
      release.push(() => echo('one')(message, connection))
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    const calls = Promise.all([1, 2, 3, 4, 5].map((id) => client.call({}, `${id}`)))
    await until(() => release.length === 2)
    const removed = mesh.runtime.removeListener('listener', 10_000)
    // Both answers come in one piece: at their end no request is in flight, but some have been read.
    server.behaviour = echo('one')
    for (const each of release) each()
    assert.deepEqual(
      (await calls).map(({ body }) => body),
      ['1', '2', '3', '4', '5'],
    )
    await removed
  })
})

describe('servers', () => {
  for (const protocol of [shared, exclusive, bound]) {
    test(`clients are not read from while their oneway requests are more than a server reads (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol, limits: { upstreamHighWatermark: 128 * 1024 } })
      const server = await mesh.server(echo('one'))
      mesh.runtime.setCluster(cluster('one', [server.port]))
      await mesh.listen([route('one')])
      const client = await mesh.client()
      await client.call({})
      for (const socket of server.sockets) socket.pause()
      const sent = await flood(client, () => mesh.clusterStat('one', 'upstream_flow_control_backed_up_total') > 0)
      assert.ok(mesh.stat('downstream_cx_rx_bytes_total') < floodBytes / 2)
      for (const socket of server.sockets) socket.resume()
      await until(() => server.received.length === sent + 1)
      assert.equal((await client.call({}, 'after')).body, 'after')
    })
  }

  for (const protocol of [shared, exclusive]) {
    test(`a mirror that does not read gets no more copies, and nobody else notices (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol, limits: { upstreamHighWatermark: 128 * 1024 } })
      const main = await mesh.server(echo('main'))
      const copy = await mesh.server(echo('copy'))
      mesh.runtime.setCluster(cluster('main', [main.port]))
      mesh.runtime.setCluster(cluster('copy', [copy.port]))
      await mesh.listen([route('main', {}, { mirrors: [{ cluster: 'copy', fraction: 1 }] })])
      const client = await mesh.client()
      await client.call({})
      await until(() => copy.received.length === 1)
      for (const socket of copy.sockets) socket.pause()
      const sent = await flood(client, () => mesh.clusterStat('copy', 'mirror_overflow') > 0)
      await until(() => main.received.length === sent + 1)
      assert.ok(mesh.clusterStat('copy', 'upstream_cx_tx_bytes_total') < floodBytes / 2)
      for (const socket of copy.sockets) socket.resume()
      // As soon as it has read what it had got, there are copies again.
      while (copy.received.at(-1)?.body !== 'after') {
        assert.equal((await client.call({}, 'after')).pairs['server'], 'main')
      }
    })
  }

  for (const protocol of [shared, exclusive]) {
    test(`a connection to an endpoint that left closes when the server has read everything (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const server = await mesh.server(echo('one'))
      mesh.runtime.setCluster(cluster('one', [], { endpoints: { kind: 'eds', name: 'eds' } }))
      mesh.runtime.setEndpoints(endpoints('eds', [locality([endpoint(server.port)])]))
      await mesh.listen([route('one')])
      const client = await mesh.client()
      await client.call({})
      for (const socket of server.sockets) socket.pause()
      const body = 'x'.repeat(12_000_000)
      client.send({ kind: 'oneway', id: 1, body })
      await until(() => mesh.stat('outcome.oneway') === 1)
      mesh.runtime.setEndpoints(endpoints('eds', []))
      // Whatever was to be written has been tried by now.
      await new Promise((resolve) => setTimeout(resolve, 20))
      for (const socket of server.sockets) socket.resume()
      await until(() => server.received.at(-1)?.body === body)
      await until(() => mesh.clusterStat('one', 'upstream_cx_active') === 0)
    })
  }

  test('a server that never ends its side of a connection is left after a while', async (t) => {
    const mesh = new Harness(t, { limits: { halfClosedTimeoutMs: 50 } })
    const sockets: Socket[] = []
    const server = createServer({ allowHalfOpen: true }, (socket) => sockets.push(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    mesh.runtime.setCluster(cluster('one', [], { endpoints: { kind: 'eds', name: 'eds' } }))
    mesh.runtime.setEndpoints(endpoints('eds', [locality([endpoint(port)])]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    client.send({ kind: 'oneway', id: 1 })
    await until(() => sockets.length === 1 && mesh.clusterStat('one', 'upstream_cx_tx_bytes_total') > 0)
    mesh.runtime.setEndpoints(endpoints('eds', []))
    await until(() => mesh.clusterStat('one', 'upstream_cx_active') === 0)
    for (const socket of sockets) socket.destroy()
  })

  test('a client whose own connection has been idle for too long is closed with it, and asks nothing more', async (t) => {
    const mesh = new Harness(t, { protocol: bound, limits: { upstreamIdleTimeoutMs: 50, halfClosedTimeoutMs: 60_000 } })
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      receive(socket, ({ id }) => socket.write(encode({ kind: 'response', id })))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    mesh.runtime.setCluster(cluster('one', [(server.address() as AddressInfo).port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    await client.call({})
    // The server never ends its side.
    await client.closed
    assert.equal(mesh.clusterStat('one', 'upstream_cx_idle_timeout'), 1)
  })

  test('a client that only listens to its own connection is not idle, and neither is that', async () => {
    const idleMs = 800
    const mesh = await InMemory.start({ upstreamIdleTimeoutMs: idleMs }, bound, idleMs)
    mesh.client.receive(encode({ kind: 'request', id: 1 }))
    await until(() => mesh.requests().length === 1)
    const [server] = mesh.servers as readonly [MemoryConnection]
    server.receive(encode({ kind: 'response', id: 1 }))
    // Longer than any deadline could have waited.
    const end = performance.now() + 3 * idleMs
    while (performance.now() < end) {
      server.receive(encode({ kind: 'response', id: 2 }))
      await turn()
    }
    assert.equal(mesh.client.ended || mesh.client.destroyed || server.ended || server.destroyed, false)
    await mesh.runtime.close(0)
  })

  test('a client that goes away before its own connection is there is no fault of the endpoint', async () => {
    const mesh = await InMemory.start({}, bound)
    mesh.io.establishes = false
    mesh.client.receive(encode({ kind: 'request', id: 1 }))
    assert.equal(mesh.servers.length, 1)
    mesh.client.destroy()
    await until(() => mesh.stat('upstream_cx_destroy') === 1)
    assert.equal(mesh.stat('outlier_detection.ejections_enforced_total'), 0)
    await mesh.runtime.close(0)
  })

  test('more requests than a connection has ids can wait for one', async () => {
    const count = 70_000
    const mesh = await InMemory.start({ maxInFlightPerConnection: count + 1 })
    mesh.io.establishes = false
    const frames = Array.from({ length: count }, (_, id) => encode({ kind: 'request', id }))
    mesh.client.receive(Buffer.concat(frames))
    const [first] = mesh.servers as readonly [MemoryConnection]
    mesh.io.establishes = true
    first.handler.onOpen()
    await until(() => mesh.requests().length === count)
    assert.equal(mesh.servers.length, 2)
    for (const server of mesh.servers) {
      server.receive(Buffer.concat(mesh.requests(server).map((id) => encode({ kind: 'response', id }))))
    }
    await until(() => mesh.answers === count)
    await mesh.runtime.close(0)
  })
})

const floodBytes = 64 * 1024 * 1024

/** Oneway requests until it is enough, at most `floodBytes`; how many. */
async function flood(client: KvClient, enough: () => boolean): Promise<number> {
  const body = 'x'.repeat(50_000)
  let sent = 0
  for (; sent * body.length < floodBytes && !enough(); sent += 1) {
    client.send({ kind: 'oneway', id: sent, body })
    await turn()
  }
  assert.ok(enough(), `not after ${sent} requests`)
  return sent
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** One client and one cluster, whose connections do what the test says, when it says so. */
class InMemory {
  readonly runtime: RealRuntime
  readonly io = new MemoryIo()
  readonly client: MemoryConnection
  /** How many answers the client has got. */
  answers = 0
  readonly #requests = new Map<MemoryConnection, number[]>()

  static async start(limits: Partial<ProxyLimits>, protocol = shared, idleTimeoutMs = 0): Promise<InMemory> {
    const io = new MemoryIo()
    const runtime = createRuntime({ io, protocol: () => protocol, limits })
    await runtime.setListener({
      name: 'listener',
      address: { host: '127.0.0.1', port: 1 },
      substitute: undefined,
      direction: 'outbound',
      filter: {
        statPrefix: 'test',
        protocol: protocol.name,
        routes: { kind: 'static', table: table([route('one')]) },
        idleTimeoutMs,
      },
    })
    return new InMemory(runtime, io)
  }

  private constructor(runtime: RealRuntime, io: MemoryIo) {
    this.runtime = runtime
    this.io = io
    const limits = { maxConnections: 10, maxPendingRequests: 1e6, maxRequests: 1e6 }
    const outlier: OutlierDetection = {
      consecutive5xx: 0,
      consecutiveGatewayFailure: 1,
      intervalMs: 1000,
      baseEjectionMs: 1000,
      maxEjectionMs: 1000,
      maxEjectionPercent: 100,
    }
    runtime.setCluster(cluster('one', [1], { limits, outlier }))
    this.client = io.accept()
    this.client.onWrite = (bytes) => {
      this.answers += idsOf(bytes).length
    }
    io.onConnect = (server) => {
      const ids: number[] = []
      this.#requests.set(server, ids)
      server.onWrite = (bytes) => {
        ids.push(...idsOf(bytes))
      }
    }
  }

  get servers(): readonly MemoryConnection[] {
    return this.io.upstream
  }

  /** The ids of the requests that the servers, or this one, have got. */
  requests(server?: MemoryConnection): readonly number[] {
    return [...this.#requests].flatMap(([each, ids]) => (server === undefined || each === server ? ids : []))
  }

  stat(name: string): number | undefined {
    return this.runtime.stats.values().get(`cluster.one.${name}`)
  }
}

/** Of whole frames. */
function idsOf(bytes: Uint8Array): readonly number[] {
  const frames = Buffer.from(bytes)
  const ids: number[] = []
  for (let at = 0; at < frames.length; at += frames.readUInt32BE(at)) ids.push(frames.readInt32BE(at + 9))
  return ids
}
