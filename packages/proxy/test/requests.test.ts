/** What becomes of a request on its way: mutations, timeouts, oneway, heartbeats, mirrors, order. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cluster, Harness, route, until } from './support/harness.ts'
import { echo, type Received, type ServerConnection } from './support/kv-peers.ts'
import { kvProtocol } from './support/kv-protocol.ts'

const shared = kvProtocol('multiplexed')
const exclusive = kvProtocol('exclusive', { ordered: true })

/** Answers nothing until told to. */
class Slow {
  readonly asked: { message: Received; connection: ServerConnection }[] = []

  readonly behaviour = (message: Received, connection: ServerConnection): void => {
    if (message.kind === 'request') this.asked.push({ message, connection })
  }

  answer(index: number): void {
    const { message, connection } = this.asked[index] as { message: Received; connection: ServerConnection }
    connection.send({ kind: 'response', high: message.high, id: message.id, pairs: {}, body: message.body })
  }
}

describe('ids', () => {
  test('requests of many clients share one connection under ids of ours, and all ids come back as they were', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('one'))
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const clients = await Promise.all([1, 2, 3].map(() => mesh.client()))
    const ids = [
      { high: 0, id: 1 },
      { high: -1, id: -1 },
      { high: 0x7fffffff, id: -0x80000000 },
    ]
    for (const client of clients)
      for (const { high, id } of ids) client.send({ kind: 'request', high, id, body: `${high}/${id}` })
    for (const client of clients) {
      const responses = await client.messages(3)
      const found = responses.map(({ high, id, body }) => ({ high, id, body }))
      assert.deepEqual(
        found,
        ids.map(({ high, id }) => ({ high, id, body: `${high}/${id}` })),
      )
    }
    assert.equal(server.accepted, 1)
    assert.equal(new Set(server.received.map(({ id }) => id)).size, 9)
    assert.ok(server.received.every(({ high, id }) => high === 0 && id > 0))
  })
})

describe('mutations', () => {
  for (const protocol of [shared, exclusive]) {
    test(`a request gets key/values on its way there, a response on its way back (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const server = await mesh.server(echo('one'))
      mesh.runtime.setCluster(cluster('one', [server.port]))
      const requestMutation = { set: [{ key: 'tracing', value: 'on' }] }
      const responseMutation = { set: [{ key: 'via', value: 'aeraki' }] }
      await mesh.listen([route('one', {}, { requestMutation, responseMutation })])
      const client = await mesh.client()
      // The first waits for the connection, the second does not.
      for (let round = 0; round < 2; round += 1) {
        const response = await client.call({ method: 'a' }, 'hello')
        assert.deepEqual(server.received[round]?.pairs, { method: 'a', tracing: 'on' })
        assert.deepEqual(response.pairs, { method: 'a', tracing: 'on', server: 'one', via: 'aeraki' })
        assert.equal(response.body, 'hello')
      }
    })
  }
})

describe('timeouts', () => {
  for (const protocol of [shared, exclusive]) {
    test(`a request without a response in time gets an error, and the late response is dropped (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const slow = new Slow()
      const server = await mesh.server(slow.behaviour)
      mesh.runtime.setCluster(cluster('one', [server.port]))
      await mesh.listen([route('one', {}, { timeoutMs: 30 })])
      const client = await mesh.client()
      const response = await client.call({ method: 'a' })
      assert.equal(response.pairs['type'], 'timeout')
      assert.match(response.body, /no response from 127\.0\.0\.1:\d+ within 30 ms/)
      slow.answer(0)
      server.behaviour = echo('one')
      assert.equal((await client.call({ method: 'b' }, 'next')).body, 'next')
      assert.equal(client.received.length, 2)
      assert.equal(mesh.stat('outcome.local_reply'), 1)
      assert.equal(mesh.stat('outcome.response'), 1)
      assert.equal(mesh.clusterStat('one', 'upstream_rq_timeout'), 1)
      assert.equal(mesh.clusterStat('one', 'upstream_rq_active'), 0)
      if (protocol === shared) assert.equal(mesh.clusterStat('one', 'upstream_rq_late_response'), 1)
    })
  }

  test('too many responses that never come make a new connection take over', async (t) => {
    const mesh = new Harness(t, { limits: { maxTombstones: 3 } })
    const server = await mesh.server(() => undefined)
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one', {}, { timeoutMs: 20 })])
    const client = await mesh.client()
    await Promise.all([1, 2, 3].map(() => client.call({})))
    server.behaviour = echo('one')
    assert.equal((await client.call({}, 'hi')).body, 'hi')
    assert.equal(server.accepted, 2)
    assert.equal(mesh.clusterStat('one', 'upstream_cx_retired'), 1)
    await until(() => server.sockets.size === 1)
  })

  test('the default applies where the route says nothing, and 0 is for ever', async (t) => {
    const mesh = new Harness(t, { limits: { requestTimeoutMs: 30 } })
    const slow = new Slow()
    const server = await mesh.server(slow.behaviour)
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one', { method: 'default' }), route('one', { method: 'ever' }, { timeoutMs: 0 })])
    const client = await mesh.client()
    const patient = client.call({ method: 'ever' }, 'at last')
    assert.equal((await client.call({ method: 'default' })).pairs['type'], 'timeout')
    slow.answer(0)
    assert.equal((await patient).body, 'at last')
  })
})

describe('oneway', () => {
  for (const protocol of [shared, exclusive, kvProtocol('bound')]) {
    test(`oneway requests are forwarded and expect nothing (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const server = await mesh.server(echo('one'))
      mesh.runtime.setCluster(cluster('one', [server.port]))
      await mesh.listen([route('one')])
      const client = await mesh.client()
      for (let id = 1; id <= 5; id += 1) client.send({ kind: 'oneway', id, body: `${id}` })
      await until(() => server.received.length === 5)
      const bodies = server.received.map(({ kind, body }) => `${kind} ${body}`)
      if (protocol !== exclusive) assert.deepEqual(bodies, ['oneway 1', 'oneway 2', 'oneway 3', 'oneway 4', 'oneway 5'])
      assert.equal((await client.call({}, 'after')).body, 'after')
      assert.equal(mesh.stat('outcome.oneway'), 5)
      assert.equal(mesh.stat('request_oneway'), 5)
      assert.equal(mesh.stat('request_active'), 0)
      await until(() => mesh.clusterStat('one', 'upstream_rq_active') === 0)
    })
  }

  test('a oneway request that has no route is dropped and counted, without an answer', async (t) => {
    const mesh = new Harness(t)
    await mesh.listen([])
    const client = await mesh.client()
    client.send({ kind: 'oneway', id: 1 })
    await until(() => mesh.stat('outcome.reset') === 1)
    assert.equal((await client.call({})).pairs['type'], 'route-not-found')
    assert.equal(client.received.length, 1)
  })
})

describe('heartbeats', () => {
  test("a client's heartbeat is answered at the proxy, with its id", async (t) => {
    const mesh = new Harness(t)
    await mesh.listen([])
    const client = await mesh.client()
    const reply = await client.request({ kind: 'heartbeat', high: 7, id: 42 })
    assert.deepEqual([reply.kind, reply.high, reply.id], ['heartbeat-reply', 7, 42])
    assert.equal(mesh.stat('request_event'), 1)
    assert.equal(mesh.stat('request'), 0)
  })

  test("a server's heartbeat is answered, too", async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server((message, connection) => {
      if (message.kind === 'request') connection.send({ kind: 'heartbeat', id: 5 })
      echo('one')(message, connection)
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    await client.call({})
    await until(() => server.received.some(({ kind, id }) => kind === 'heartbeat-reply' && id === 5))
  })

  test('an idle connection to a server is kept alive with heartbeats, and given up when none is answered', async (t) => {
    const mesh = new Harness(t, { limits: { heartbeatIntervalMs: 100 } })
    let deaf = false
    const server = await mesh.server((message, connection) => {
      if (message.kind === 'heartbeat' && !deaf) connection.send({ kind: 'heartbeat-reply', id: message.id })
      else echo('one')(message, connection)
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    await client.call({})
    await until(() => mesh.clusterStat('one', 'upstream_cx_heartbeat') >= 2)
    assert.equal(server.sockets.size, 1)
    deaf = true
    await until(() => mesh.clusterStat('one', 'upstream_cx_heartbeat_timeout') === 1)
    assert.equal((await client.call({}, 'new')).body, 'new')
    assert.equal(server.accepted, 2)
  })
})

describe('order', () => {
  // Nothing answers a oneway request, so nothing but its own end can let go what waits behind it.
  for (const [what, method] of [
    ['has been sent', 'm'],
    ['could not be sent', 'dead'],
  ] as const) {
    test(`the answer behind a oneway request goes out as soon as that ${what}`, async (t) => {
      const mesh = new Harness(t, { protocol: exclusive })
      const server = await mesh.server(echo('one'))
      mesh.runtime.setCluster(cluster('one', [server.port]))
      mesh.runtime.setCluster(cluster('dead', [1]))
      await mesh.listen([route('one', { method: 'm' }), route('dead', { method: 'dead' })])
      const client = await mesh.client()
      // The oneway request waits for its connection, and meanwhile the proxy has its answer to the other one.
      client.send({ kind: 'oneway', id: 1, pairs: { method } })
      const response = await client.request({ kind: 'request', id: 2, pairs: { method: 'nowhere' } })
      assert.equal(response.status, 'error')
      await until(() => mesh.stat('request_active') === 0)
    })
  }

  test('pipelined requests on exclusive connections are answered in their order, errors too', async (t) => {
    const mesh = new Harness(t, { protocol: exclusive })
    const slow = new Slow()
    const server = await mesh.server(slow.behaviour)
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one', { method: 'ok' })])
    const client = await mesh.client()
    for (const [index, method] of ['ok', 'ok', 'no-route', 'ok'].entries()) {
      client.send({ kind: 'request', id: index, pairs: { method }, body: `${index}` })
    }
    await until(() => slow.asked.length === 3)
    assert.equal(server.accepted, 3)
    const indexOf = (body: string): number => slow.asked.findIndex(({ message }) => message.body === body)
    slow.answer(indexOf('3'))
    slow.answer(indexOf('1'))
    await until(() => mesh.stat('response') === 2)
    assert.equal(client.received.length, 0)
    slow.answer(indexOf('0'))
    const responses = await client.messages(4)
    assert.deepEqual(
      responses.map(({ id }) => id),
      [0, 1, 2, 3],
    )
    assert.equal(responses[2]?.pairs['type'], 'route-not-found')
    assert.equal(mesh.stat('outcome.response'), 3)
    assert.equal(mesh.stat('outcome.local_reply'), 1)
    // The connections have gone back to the pool.
    server.behaviour = echo('one')
    await Promise.all([1, 2, 3].map(() => client.call({ method: 'ok' })))
    assert.equal(server.accepted, 3)
  })
})

describe('mirrors', () => {
  for (const protocol of [shared, exclusive]) {
    test(`a mirrored request also goes to the other cluster, whose answer is dropped (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const main = await mesh.server(echo('main'))
      const copy = await mesh.server(echo('copy'))
      mesh.runtime.setCluster(cluster('main', [main.port]))
      mesh.runtime.setCluster(cluster('copy', [copy.port]))
      const requestMutation = { set: [{ key: 'x', value: 'y' }] }
      await mesh.listen([
        route(
          'main',
          {},
          {
            requestMutation,
            mirrors: [
              { cluster: 'copy', fraction: 1 },
              { cluster: 'none', fraction: 1 },
            ],
          },
        ),
      ])
      const client = await mesh.client()
      for (let index = 0; index < 10; index += 1) {
        const response = await client.call({}, `${index}`)
        assert.equal(response.pairs['server'], 'main')
      }
      await until(() => mesh.stat('outcome.mirror') === 10)
      assert.equal(copy.received.length, 10)
      assert.deepEqual(copy.received[3]?.pairs, { x: 'y' })
      assert.equal(mesh.stat('outcome.response'), 10)
      assert.equal(mesh.clusterStat('copy', 'upstream_rq_active'), 0)
      assert.equal(client.received.length, 10)
    })
  }

  test('a dead mirror disturbs nobody', async (t) => {
    const mesh = new Harness(t)
    const main = await mesh.server(echo('main'))
    mesh.runtime.setCluster(cluster('main', [main.port]))
    mesh.runtime.setCluster(cluster('copy', [1]))
    await mesh.listen([route('main', {}, { mirrors: [{ cluster: 'copy', fraction: 1 }] })])
    const client = await mesh.client()
    for (let index = 0; index < 10; index += 1) assert.equal((await client.call({})).pairs['server'], 'main')
    await until(() => mesh.stat('outcome.mirror') === 10)
  })

  test('mirrors that never answer are bounded', async (t) => {
    const mesh = new Harness(t, { limits: { maxMirrorsInFlight: 4 } })
    const main = await mesh.server(echo('main'))
    const copy = await mesh.server(() => undefined)
    mesh.runtime.setCluster(cluster('main', [main.port]))
    mesh.runtime.setCluster(cluster('copy', [copy.port]))
    await mesh.listen([route('main', {}, { timeoutMs: 0, mirrors: [{ cluster: 'copy', fraction: 1 }] })])
    const client = await mesh.client()
    for (let index = 0; index < 10; index += 1) await client.call({})
    assert.equal(mesh.clusterStat('copy', 'mirror_overflow'), 6)
    await until(() => copy.received.length === 4)
  })
})

describe('weights', () => {
  test('destinations get their shares', async (t) => {
    const mesh = new Harness(t)
    const servers = await Promise.all(['a', 'b', 'c'].map((name) => mesh.server(echo(name))))
    servers.forEach(({ port }, index) => mesh.runtime.setCluster(cluster(['a', 'b', 'c'][index] as string, [port])))
    const destinations = [
      { cluster: 'a', weight: 70 },
      { cluster: 'b', weight: 30 },
      { cluster: 'c', weight: 0 },
    ]
    await mesh.listen([route('a', {}, { destinations })])
    const client = await mesh.client()
    const responses: Received[] = []
    // In portions that may wait for a connection.
    for (let portion = 0; portion < 4; portion += 1) {
      responses.push(...(await Promise.all(Array.from({ length: 500 }, () => client.call({})))))
    }
    const count = (name: string): number => responses.filter(({ pairs }) => pairs['server'] === name).length
    // Five standard deviations.
    assert.ok(Math.abs(count('a') - 1400) < 103, `${count('a')} of 2000`)
    assert.equal(count('a') + count('b'), 2000)
  })

  test('a hash policy sends equal values to the same endpoint', async (t) => {
    for (const policy of ['ring-hash', 'maglev'] as const) {
      const mesh = new Harness(t)
      const servers = await Promise.all(['a', 'b', 'c'].map((name) => mesh.server(echo(name))))
      mesh.runtime.setCluster(
        cluster(
          'all',
          servers.map(({ port }) => port),
          { policy },
        ),
      )
      await mesh.listen([route('all', {}, { hashPolicy: ['user', 'region'] })])
      const client = await mesh.client()
      const users = Array.from({ length: 40 }, (_, index) => `user-${index}`)
      const ask = async (user: string): Promise<string> => (await client.call({ user })).pairs['server'] ?? ''
      const first = await Promise.all(users.map(ask))
      const second = await Promise.all(users.map(ask))
      assert.deepEqual(second, first)
      assert.equal(new Set(first).size, 3)
    }
  })
})
