/** Configuration that changes under live connections. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cluster, endpoint, endpoints, Harness, locality, route, table, until } from './support/harness.ts'
import { echo } from './support/kv-peers.ts'
import { kvProtocol } from './support/kv-protocol.ts'

describe('swaps', () => {
  test('100,000 requests over 64 connections while routes are replaced 1,000 times', async (t) => {
    const mesh = new Harness(t)
    const names = ['a', 'b', 'c']
    const servers = await Promise.all(names.map((name) => mesh.server(echo(name))))
    servers.forEach(({ port }, index) => mesh.runtime.setCluster(cluster(names[index] as string, [port])))
    const tables = 1000
    const requests = 100_000
    /** Table n sends the requests to server n modulo 3. */
    const nameOf = (version: number): string => names[version % 3] as string
    let version = 0
    const setTable = (): void =>
      mesh.routes([route('never', { method: 'other' }), route(nameOf(version), { method: 'm' })])
    setTable()
    await mesh.listen([])
    setTable()
    let wrong = 0
    let answered = 0
    const swapEvery = requests / tables
    const depth = 8
    const clients = await Promise.all(Array.from({ length: 64 }, () => mesh.client()))
    let asked = 0
    const work = async (client: (typeof clients)[number]): Promise<void> => {
      while (asked < requests) {
        asked += 1
        if (asked % swapEvery === 0) {
          version += 1
          setTable()
        }
        const before = version
        const response = await client.call({ method: 'm' })
        answered += 1
        const server = response.pairs['server']
        let right = false
        for (let possible = before; possible <= version; possible += 1) right ||= server === nameOf(possible)
        if (!right) wrong += 1
        client.received.length = 0
      }
    }
    await Promise.all(clients.flatMap((client) => Array.from({ length: depth }, () => work(client))))
    assert.equal(answered, requests)
    assert.equal(version, tables)
    assert.equal(wrong, 0)
    assert.equal(mesh.stat('outcome.response'), requests)
    assert.equal(mesh.stat('outcome.local_reply'), 0)
    assert.equal(mesh.stat('downstream_cx_destroy'), 0)
    assert.equal(mesh.stat('downstream_cx_total'), 64)
    for (const name of names) assert.equal(mesh.clusterStat(name, 'upstream_cx_total'), 1)
    assert.ok(servers.every(({ received }) => received.length > requests / 10))
  })

  test('a new table is in force with the next request, and a removed one leaves requests without a route', async (t) => {
    const mesh = new Harness(t)
    const [a, b] = await Promise.all(['a', 'b'].map((name) => mesh.server(echo(name))))
    mesh.runtime.setCluster(cluster('a', [a?.port ?? 0]))
    mesh.runtime.setCluster(cluster('b', [b?.port ?? 0]))
    await mesh.listen([route('a')])
    const client = await mesh.client()
    assert.equal((await client.call({})).pairs['server'], 'a')
    mesh.routes([route('b')])
    assert.equal((await client.call({})).pairs['server'], 'b')
    mesh.runtime.removeRouteTable('routes')
    assert.equal((await client.call({})).pairs['type'], 'route-not-found')
    mesh.routes([route('a')])
    assert.equal((await client.call({})).pairs['server'], 'a')
    assert.equal(client.isClosed, false)
  })

  for (const protocol of [kvProtocol('multiplexed'), kvProtocol('exclusive', { ordered: true })]) {
    test(`connections to endpoints that left finish their requests, then close; those that stay are kept (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const release: (() => void)[] = []
      const leaving = await mesh.server((message, connection) => {
        release.push(() => echo('leaving')(message, connection))
      })
      const staying = await mesh.server(echo('staying'))
      const assign = (ports: readonly number[]): void =>
        mesh.runtime.setEndpoints(endpoints('eds', [locality(ports.map((port) => endpoint(port)))]))
      assign([leaving.port])
      mesh.runtime.setCluster(cluster('c', [], { endpoints: { kind: 'eds', name: 'eds' } }))
      await mesh.listen([route('c')])
      const client = await mesh.client()
      const other = await mesh.client()
      const last = client.call({}, 'last')
      await until(() => release.length === 1)
      assign([leaving.port, staying.port])
      assign([staying.port])
      for (let index = 0; index < 5; index += 1) assert.equal((await other.call({})).pairs['server'], 'staying')
      assert.equal(leaving.sockets.size, 1)
      release[0]?.()
      assert.equal((await last).body, 'last')
      await until(() => leaving.sockets.size === 0)
      assert.equal(staying.accepted, 1)
      assert.equal(mesh.stat('outcome.local_reply'), 0)
    })
  }

  test('a cluster that changes keeps its endpoints, their connections and counts', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('a'))
    mesh.runtime.setCluster(cluster('c', [server.port]))
    await mesh.listen([route('c')])
    const client = await mesh.client()
    await client.call({})
    mesh.runtime.setCluster(cluster('c', [server.port], { policy: 'least-request', connectTimeoutMs: 1 }))
    await client.call({})
    assert.equal(server.accepted, 1)
    assert.equal(mesh.runtime.snapshot().clusters[0]?.endpoints[0]?.totalRequests, 2)
    assert.equal(mesh.clusterStat('c', 'upstream_rq_total'), 2)
    mesh.runtime.removeCluster('c')
    assert.equal((await client.call({})).pairs['type'], 'cluster-not-found')
    await until(() => server.sockets.size === 0)
    mesh.runtime.setCluster(cluster('c', [server.port]))
    assert.equal((await client.call({})).pairs['server'], 'a')
  })

  test('a removed cluster leaves no metrics behind, also when a request of it ends later', async (t) => {
    const mesh = new Harness(t)
    const release: (() => void)[] = []
    const server = await mesh.server((message, connection) => {
      release.push(() => echo('one')(message, connection))
    })
    mesh.runtime.setCluster(cluster('gone', [server.port]))
    await mesh.listen([route('gone')])
    const client = await mesh.client()
    const call = client.call({})
    await until(() => release.length === 1)
    mesh.runtime.removeCluster('gone')
    release[0]?.()
    await call
    assert.deepEqual(
      [...mesh.runtime.stats.values().keys()].filter((name) => name.includes('gone')),
      [],
    )
  })

  test('a listener that changes its routes keeps its socket and connections', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('a'))
    mesh.runtime.setCluster(cluster('c', [server.port]))
    await mesh.listen([])
    const client = await mesh.client()
    assert.equal((await client.call({})).pairs['type'], 'route-not-found')
    const config = mesh.listener()
    const port = mesh.port()
    await mesh.runtime.setListener({
      ...config,
      filter: { ...config.filter, routes: { kind: 'static', table: table([route('c')]) } },
    })
    assert.equal((await client.call({})).pairs['server'], 'a')
    assert.equal(mesh.port(), port)
  })

  test('a listener that moves to another port keeps its connections', async (t) => {
    const mesh = new Harness(t)
    await mesh.listen([])
    const old = mesh.port()
    const client = await mesh.client()
    await client.call({})
    const other = await mesh.server(() => undefined)
    const config = mesh.listener()
    // That port is taken: the old one serves on.
    await assert.rejects(mesh.runtime.setListener({ ...config, address: { host: '127.0.0.1', port: other.port } }), {
      code: 'LISTENER_BIND_FAILED',
    })
    await (await mesh.client(old)).call({})
    const { port } = other
    await other.stop()
    await mesh.runtime.setListener({ ...config, address: { host: '127.0.0.1', port } })
    assert.equal(mesh.port(), port)
    await client.call({})
    await (await mesh.client(port)).call({})
    await assert.rejects(mesh.client(old))
  })

  test("an address that is not the machine's is replaced by its substitute, and without one the listener fails", async (t) => {
    const mesh = new Harness(t)
    const address = { host: '193.193.192.192', port: 20880 }
    const config = { ...mesh.listener(), address }
    await assert.rejects(mesh.runtime.setListener(config), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'LISTENER_BIND_FAILED')
      assert.match(error.message, /193\.193\.192\.192:20880: EADDRNOTAVAIL; .*no address of this machine/)
      return true
    })
    assert.equal(mesh.runtime.snapshot().listeners[0]?.state, 'failed')
    await mesh.runtime.setListener({ ...config, substitute: { host: '127.240.0.1', port: 0 } })
    const [listener] = mesh.runtime.snapshot().listeners
    assert.equal(listener?.state, 'listening')
    assert.equal(listener?.bound?.host, '127.240.0.1')
  })

  test('connections of a removed listener close when they become idle', async (t) => {
    const mesh = new Harness(t)
    const release: (() => void)[] = []
    const server = await mesh.server((message, connection) => {
      release.push(() => echo('a')(message, connection))
    })
    mesh.runtime.setCluster(cluster('c', [server.port]))
    const port = await mesh.listen([route('c')])
    const idle = await mesh.client()
    const busy = await mesh.client()
    const first = idle.call({})
    await until(() => release.length === 1)
    release[0]?.()
    await first
    const last = busy.call({}, 'last')
    await until(() => release.length === 2)
    const removed = mesh.runtime.removeListener('listener')
    await idle.closed
    assert.equal(busy.isClosed, false)
    await assert.rejects(mesh.client(port))
    release[1]?.()
    assert.equal((await last).body, 'last')
    await busy.closed
    await removed
  })

  test('a client that does not know yet that its listener is gone is served on for a while', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('a'))
    mesh.runtime.setCluster(cluster('c', [server.port]))
    await mesh.listen([route('c')])
    const client = await mesh.client()
    await client.call({})
    const removed = mesh.runtime.removeListener('listener')
    assert.equal((await client.call({}, 'late')).body, 'late')
    await removed
    await client.closed
  })

  test('connections of a removed listener that do not become idle are closed after the drain time', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(() => undefined)
    mesh.runtime.setCluster(cluster('c', [server.port]))
    await mesh.listen([route('c')])
    const client = await mesh.client()
    const lost = client.call({}).catch((error: unknown) => error)
    await until(() => mesh.stat('request_active') === 1)
    await mesh.runtime.removeListener('listener', 50)
    await client.closed
    assert.ok((await lost) instanceof Error)
    assert.equal(mesh.stat('outcome.reset'), 1)
  })

  test('a removed listener whose connections go on ends with the runtime', async (t) => {
    const mesh = new Harness(t, { limits: { lingerMs: 3_600_000 } })
    await mesh.listen([])
    const client = await mesh.client()
    const removed = mesh.runtime.removeListener('listener', 3_600_000)
    await mesh.runtime.close(3_600_000)
    await removed
    await client.closed
  })
})
