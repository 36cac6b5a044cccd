/** Peers that break the protocol, stall, vanish or read too slowly: the one connection is closed, nothing else disturbed. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { cluster, Harness, route, until } from './support/harness.ts'
import { echo } from './support/kv-peers.ts'
import { encode, kvProtocol } from './support/kv-protocol.ts'

const exclusive = kvProtocol('exclusive', { ordered: true })
const shared = kvProtocol('multiplexed')

/** A header that says 2 GiB follow. */
function giant(): Buffer {
  const bytes = encode({ kind: 'request', id: 1 })
  bytes.writeUInt32BE(2 ** 31)
  return bytes
}

describe('clients', () => {
  test('a malformed frame closes its connection only, and requests before it are answered', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('one'))
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one', { method: 'a' })])
    const good = await mesh.client()
    const bad = await mesh.client()
    await good.call({ method: 'a' })
    // A local reply before the malformed frame, in one packet: it still goes out.
    bad.socket.write(Buffer.concat([encode({ kind: 'request', id: 1 }), Buffer.alloc(64, 0xff)]))
    await bad.closed
    assert.equal(bad.received.length, 1)
    assert.equal(mesh.stat('request_decoding_error'), 1)
    assert.equal((await good.call({ method: 'a' }, 'fine')).body, 'fine')
    assert.equal(mesh.stat('downstream_cx_active'), 1)
  })

  test('a frame that turns out malformed when a rule looks into it closes its connection, too', async (t) => {
    const mesh = new Harness(t)
    await mesh.listen([route('one', { method: 'a' })])
    const client = await mesh.client()
    const bytes = encode({ kind: 'request', id: 1, pairs: { method: 'a' } })
    // The first key's length points beyond the frame.
    bytes.writeUInt16BE(5000, 15)
    client.socket.write(bytes)
    await client.closed
    assert.equal(mesh.stat('request_decoding_error'), 1)
    assert.equal(mesh.stat('request_active'), 0)
  })

  test('a frame that turns out malformed when a mutation is made leaves nothing behind', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('one'))
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one', {}, { requestMutation: { set: [{ key: 'x', value: 'y' }] } })])
    const good = await mesh.client()
    await good.call({})
    const client = await mesh.client()
    const bytes = encode({ kind: 'request', id: 1, pairs: { a: 'b', method: 'a' } })
    bytes.writeUInt16BE(5000, 15)
    client.socket.write(bytes)
    await client.closed
    assert.equal(mesh.stat('request_active'), 0)
    assert.equal(mesh.clusterStat('one', 'upstream_rq_active'), 0)
    assert.equal((await good.call({}, 'fine')).body, 'fine')
  })

  test('a length of 2 GiB closes its connection and allocates nothing', async (t) => {
    const mesh = new Harness(t)
    await mesh.listen([])
    const client = await mesh.client()
    client.socket.write(giant())
    await client.closed
    assert.equal(mesh.stat('request_decoding_error'), 1)
  })

  test('a client that sends a frame in drips is closed after a while, an idle one is not', async (t) => {
    const mesh = new Harness(t, { limits: { incompleteFrameTimeoutMs: 300 } })
    const server = await mesh.server(echo('one'))
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const idle = await mesh.client()
    const slow = await mesh.client()
    await idle.call({})
    await slow.call({})
    const bytes = encode({ kind: 'request', id: 9, body: 'x'.repeat(1000) })
    let at = 0
    const drip = setInterval(() => {
      slow.socket.write(bytes.subarray(at, at + 1))
      at += 1
    }, 10)
    await slow.closed
    clearInterval(drip)
    assert.equal(mesh.stat('downstream_cx_incomplete_frame_timeout'), 1)
    assert.equal((await idle.call({}, 'still')).body, 'still')
  })

  test('a client that is idle longer than the listener allows is closed, one that waits for a response is not', async (t) => {
    const mesh = new Harness(t, { idleTimeoutMs: 200 })
    const server = await mesh.server((message, connection) => {
      setTimeout(() => echo('one')(message, connection), 600)
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const waiting = await mesh.client()
    const idle = await mesh.client()
    const response = waiting.call({}, 'patience')
    await idle.closed
    assert.equal(mesh.stat('idle_timeout'), 1)
    assert.equal((await response).body, 'patience')
  })

  for (const protocol of [shared, exclusive, kvProtocol('bound')]) {
    test(`a client that ends its side still gets the responses it waits for (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const release: (() => void)[] = []
      const server = await mesh.server((message, connection) => {
        release.push(() => echo('one')(message, connection))
      })
      mesh.runtime.setCluster(cluster('one', [server.port]))
      await mesh.listen([route('one')])
      const client = await mesh.client()
      const responses = [1, 2, 3].map((n) => client.call({}, `${n}`))
      client.socket.end()
      await until(() => release.length === 3)
      for (const each of release) each()
      assert.deepEqual(
        (await Promise.all(responses)).map(({ body }) => body),
        ['1', '2', '3'],
      )
      await client.closed
      assert.equal(mesh.stat('outcome.response'), 3)
      await until(() => mesh.stat('downstream_cx_active') === 0)
    })

    test(`a client that goes away ends its requests, and nobody else's (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const release: (() => void)[] = []
      const server = await mesh.server((message, connection) => {
        release.push(() => echo('one')(message, connection))
      })
      mesh.runtime.setCluster(cluster('one', [server.port]))
      await mesh.listen([route('one')])
      const gone = await mesh.client()
      const other = await mesh.client()
      const lost = gone.call({}, 'lost').catch((error: unknown) => error)
      const kept = other.call({}, 'kept')
      await until(() => release.length === 2)
      // A mere close would look like the end of one side.
      gone.socket.resetAndDestroy()
      await lost
      await until(() => mesh.stat('outcome.reset') === 1)
      assert.equal(mesh.stat('cx_destroy_remote_with_active_rq'), 1)
      for (const each of release) each()
      assert.equal((await kept).body, 'kept')
      server.behaviour = echo('one')
      assert.equal((await other.call({}, 'next')).body, 'next')
      assert.equal(mesh.clusterStat('one', 'upstream_rq_active'), 0)
      assert.equal(mesh.stat('request_active'), 0)
    })
  }

  test('connections beyond the limit are closed at once', async (t) => {
    const mesh = new Harness(t, { limits: { maxConnectionsPerListener: 2 } })
    await mesh.listen([])
    const first = await mesh.client()
    await first.call({})
    const second = await mesh.client()
    await second.call({})
    const third = await mesh.client()
    await third.closed
    assert.equal(mesh.stat('downstream_cx_overflow'), 1)
    await second.close()
    await until(() => mesh.runtime.snapshot().listeners[0]?.connections === 1)
    const fourth = await mesh.client()
    await fourth.call({})
  })

  test('a client with too many requests in flight is not read from until some are answered', async (t) => {
    const mesh = new Harness(t, { limits: { maxInFlightPerConnection: 10 } })
    const release: (() => void)[] = []
    const server = await mesh.server((message, connection) => {
      release.push(() => echo('one')(message, connection))
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    const other = await mesh.client()
    const bodies = Array.from({ length: 100 }, (_, index) => `${index}`)
    const responses = Promise.all(bodies.map((body) => client.call({}, body)))
    await until(() => release.length === 10)
    void other.call({}, 'other')
    await until(() => release.length === 11)
    assert.equal(mesh.stat('request_active'), 11)
    assert.equal(mesh.stat('downstream_flow_control_paused_reading_total'), 1)
    for (let done = 0; done < 101; done += 1) {
      await until(() => release.length > done)
      assert.ok(mesh.stat('request_active') <= 11)
      release[done]?.()
    }
    assert.deepEqual(
      (await responses).map(({ body }) => body),
      bodies,
    )
    assert.equal(mesh.stat('outcome.response'), 101)
  })

  test('a paused client that ends its side still gets answers to all it had sent', async (t) => {
    const mesh = new Harness(t, { limits: { maxInFlightPerConnection: 4 } })
    const server = await mesh.server((message, connection) => {
      setTimeout(() => echo('one')(message, connection), 5)
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    const responses = Array.from({ length: 40 }, (_, index) => client.call({}, `${index}`))
    client.socket.end()
    assert.equal((await Promise.all(responses)).length, 40)
    await client.closed
  })

  test('a client that does not read its responses is not read from, and others go on', async (t) => {
    const mesh = new Harness(t, { limits: { downstreamHighWatermark: 256 * 1024 } })
    const big = 'x'.repeat(100_000)
    const server = await mesh.server((message, connection) => {
      connection.send({
        kind: 'response',
        high: message.high,
        id: message.id,
        body: message.body === 'big' ? big : 'small',
      })
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const slow = await mesh.client()
    const other = await mesh.client()
    slow.socket.pause()
    const responses: Promise<unknown>[] = []
    while (mesh.stat('downstream_flow_control_paused_reading_total') === 0) {
      responses.push(slow.call({}, 'big'))
      assert.equal((await other.call({}, 'small')).body, 'small')
    }
    const asked = responses.length
    for (let index = 0; index < 50; index += 1) responses.push(slow.call({}, 'big'))
    await other.call({}, 'small')
    await until(() => mesh.stat('request_active') === 0)
    assert.ok(mesh.stat('request') < responses.length * 2, `${asked} asked`)
    slow.socket.resume()
    await Promise.all(responses)
    assert.equal(mesh.stat('downstream_cx_destroy'), 0)
  })

  test('a client that has far too much to read is closed', async (t) => {
    const limits = { downstreamHighWatermark: 256 * 1024, downstreamHardLimit: 8 * 1024 * 1024 }
    const mesh = new Harness(t, { limits })
    const server = await mesh.server((message, connection) => {
      connection.send({ kind: 'response', high: message.high, id: message.id, body: 'x'.repeat(1_000_000) })
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const slow = await mesh.client()
    slow.socket.pause()
    for (let index = 0; index < 40; index += 1) slow.send({ kind: 'request', id: index })
    await until(() => mesh.stat('downstream_cx_output_overflow') === 1)
    slow.socket.resume()
    await slow.closed
    assert.equal(mesh.stat('request_active'), 0)
    assert.equal(mesh.stat('downstream_cx_active'), 0)
  })
})

describe('servers', () => {
  for (const protocol of [shared, exclusive, kvProtocol('bound')]) {
    test(`a server that dies in the middle of a response: its clients get errors, then a new connection (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const server = await mesh.server((message, { socket }) => {
        const bytes = encode({ kind: 'response', high: message.high, id: message.id, body: 'x'.repeat(1000) })
        socket.write(bytes.subarray(0, 500), () => socket.destroy())
      })
      mesh.runtime.setCluster(cluster('one', [server.port]))
      await mesh.listen([route('one')])
      const client = await mesh.client()
      const responses = await Promise.all([client.call({}), client.call({})])
      for (const { status, pairs } of responses) {
        assert.equal(status, 'error')
        assert.equal(pairs['type'], 'upstream-reset')
      }
      assert.equal(mesh.stat('outcome.local_reply'), 2)
      assert.equal(mesh.stat('local_reply.upstream_reset'), 2)
      assert.ok(mesh.clusterStat('one', 'upstream_cx_destroy_with_active_rq') > 0)
      server.behaviour = echo('one')
      const next = protocol.connection === 'bound' ? await mesh.client() : client
      assert.equal((await next.call({}, 'again')).body, 'again')
    })

    test(`a server that sends garbage: its connection is closed, its clients get errors (${protocol.name})`, async (t) => {
      const mesh = new Harness(t, { protocol })
      const server = await mesh.server((_message, { socket }) => socket.write(Buffer.alloc(100, 0xff)))
      mesh.runtime.setCluster(cluster('one', [server.port]))
      await mesh.listen([route('one')])
      const client = await mesh.client()
      const response = await client.call({})
      assert.equal(response.pairs['type'], 'bad-response')
      assert.equal(mesh.clusterStat('one', 'upstream_cx_protocol_error'), 1)
      await until(() => server.sockets.size === 0)
      server.behaviour = echo('one')
      const next = protocol.connection === 'bound' ? await mesh.client() : client
      assert.equal((await next.call({}, 'again')).body, 'again')
      assert.equal(mesh.clusterStat('one', 'upstream_rq_active'), 0)
    })
  }

  test('a response that turns out malformed when it is mutated is a bad response', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server((message, { socket }) => {
      const bytes = encode({ kind: 'response', high: message.high, id: message.id, pairs: { a: 'b' } })
      bytes.writeUInt16BE(5000, 15)
      socket.write(bytes)
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one', {}, { responseMutation: { set: [{ key: 'x', value: 'y' }] } })])
    const client = await mesh.client()
    const response = await client.call({})
    assert.equal(response.pairs['type'], 'bad-response')
    assert.equal(client.received.length, 1)
    assert.equal(mesh.stat('outcome.local_reply'), 1)
  })

  test('responses that nobody asked for are dropped', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server((message, connection) => {
      connection.send({ kind: 'response', high: 0, id: message.id + 1, body: 'stray' })
      connection.send({ kind: 'response', high: 1, id: message.id, body: 'stray' })
      connection.send({ kind: 'response', high: 0, id: -message.id, body: 'stray' })
      echo('one')(message, connection)
      connection.send({ kind: 'response', high: 0, id: message.id, body: 'a second time' })
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    assert.equal((await client.call({}, 'a')).body, 'a')
    assert.equal((await client.call({}, 'b')).body, 'b')
    await until(() => mesh.clusterStat('one', 'upstream_rq_unexpected_response') === 8)
    assert.equal(client.received.length, 2)
  })

  test('an exclusive connection on which a server speaks unasked is closed', async (t) => {
    const mesh = new Harness(t, { protocol: exclusive })
    const server = await mesh.server((message, connection) => {
      echo('one')(message, connection)
      setTimeout(() => echo('one')(message, connection), 20)
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    await client.call({}, 'a')
    await until(() => mesh.clusterStat('one', 'upstream_rq_unexpected_response') === 1)
    await until(() => server.sockets.size === 0)
    server.behaviour = echo('one')
    assert.equal((await client.call({}, 'b')).body, 'b')
    assert.equal(client.received.length, 2)
  })

  test('a server that says goaway gets no new requests on that connection, and answers the old ones', async (t) => {
    const mesh = new Harness(t)
    let release: (() => void) | undefined
    const server = await mesh.server((message, connection) => {
      connection.send({ kind: 'goaway', id: 0 })
      release = () => echo('one')(message, connection)
    })
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    const first = client.call({}, 'first')
    await until(() => mesh.clusterStat('one', 'upstream_cx_retired') === 1)
    server.behaviour = echo('one')
    assert.equal((await client.call({}, 'second')).body, 'second')
    assert.equal(server.accepted, 2)
    release?.()
    assert.equal((await first).body, 'first')
    await until(() => server.sockets.size === 1)
  })

  test('a server that does not read: its clients are not read from, and go on when it does', async (t) => {
    const mesh = new Harness(t, { limits: { upstreamHighWatermark: 128 * 1024 } })
    const server = await mesh.server(echo('one'))
    mesh.runtime.setCluster(cluster('one', [server.port]))
    const quick = await mesh.server(echo('quick'))
    mesh.runtime.setCluster(cluster('quick', [quick.port]))
    await mesh.listen([route('quick', { method: 'quick' }), route('one')])
    const client = await mesh.client()
    const other = await mesh.client()
    await client.call({})
    for (const socket of server.sockets) socket.pause()
    const body = 'x'.repeat(50_000)
    const responses: Promise<unknown>[] = []
    while (mesh.clusterStat('one', 'upstream_flow_control_backed_up_total') === 0) {
      responses.push(client.call({}, body))
      await other.call({ method: 'quick' })
    }
    for (let index = 0; index < 50; index += 1) responses.push(client.call({}, body))
    await other.call({ method: 'quick' })
    assert.ok(mesh.clusterStat('one', 'upstream_rq_active') < responses.length)
    for (const socket of server.sockets) socket.resume()
    await Promise.all(responses)
    assert.equal(
      mesh.clusterStat('one', 'upstream_flow_control_drained_total'),
      mesh.clusterStat('one', 'upstream_flow_control_backed_up_total'),
    )
  })

  test('a server that ends its side is left at once', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('one'))
    mesh.runtime.setCluster(cluster('one', [server.port]))
    await mesh.listen([route('one')])
    const client = await mesh.client()
    await client.call({})
    const [socket] = server.sockets
    if (socket === undefined) throw new Error('no connection')
    const closed = once(socket, 'close')
    socket.end()
    await closed
    await until(() => mesh.clusterStat('one', 'upstream_cx_active') === 0)
    assert.equal((await client.call({}, 'b')).body, 'b')
  })
})
