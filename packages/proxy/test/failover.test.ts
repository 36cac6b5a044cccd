/** Which endpoint gets a request when some are gone, ejected or full. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClusterConfig, OutlierDetection } from '../src/config/model.ts'
import { cluster, endpoint, endpoints, Harness, locality, route, until } from './support/harness.ts'
import { echo, type KvClient } from './support/kv-peers.ts'
import { kvProtocol } from './support/kv-protocol.ts'

const shared = kvProtocol('multiplexed')
const exclusive = kvProtocol('exclusive', { ordered: true })

const outlier: OutlierDetection = {
  consecutive5xx: 3,
  consecutiveGatewayFailure: 0,
  intervalMs: 250,
  baseEjectionMs: 300,
  maxEjectionMs: 10_000,
  maxEjectionPercent: 100,
}

/** A cluster of which each port is a priority of its own. */
function byPriority(ports: readonly number[], more: Partial<ClusterConfig> = {}): ClusterConfig {
  const assignment = endpoints(
    'c',
    ports.map((port, priority) => locality([endpoint(port)], priority)),
  )
  return cluster('c', [], { endpoints: { kind: 'static', assignment }, ...more })
}

async function ask(client: KvClient, count = 1): Promise<readonly string[]> {
  const responses = []
  for (let index = 0; index < count; index += 1) responses.push(await client.call({}))
  return responses.map(({ pairs }) => pairs['server'] ?? pairs['type'] ?? '')
}

for (const protocol of [shared, exclusive]) {
  describe(`failover (${protocol.name})`, () => {
    test('requests go to the next endpoint when one can not be connected to, and none is lost', async (t) => {
      const mesh = new Harness(t, { protocol })
      const alive = await mesh.server(echo('alive'))
      // Nobody listens on port 1.
      mesh.runtime.setCluster(cluster('c', [1, alive.port]))
      await mesh.listen([route('c')])
      const client = await mesh.client()
      assert.deepEqual(new Set(await ask(client, 20)), new Set(['alive']))
      assert.ok(mesh.clusterStat('c', 'upstream_cx_connect_fail') >= 1)
      assert.ok(mesh.clusterStat('c', 'upstream_rq_retry') >= 1)
    })

    test('when no endpoint can be connected to, the client gets an error that names them', async (t) => {
      const mesh = new Harness(t, { protocol })
      mesh.runtime.setCluster(cluster('c', [1, 2]))
      await mesh.listen([route('c')])
      const client = await mesh.client()
      const response = await client.call({})
      assert.equal(response.pairs['type'], 'connection-failure')
      assert.match(response.body, /127\.0\.0\.1:1\b/)
      assert.match(response.body, /127\.0\.0\.1:2\b/)
      assert.equal(mesh.clusterStat('c', 'upstream_rq_active'), 0)
      assert.equal(mesh.clusterStat('c', 'upstream_rq_pending_active'), 0)
    })

    test('a lower priority takes over while the first is gone, and gives back when it returns', async (t) => {
      const mesh = new Harness(t, { protocol, limits: { connectBackoffMs: 50 } })
      const near = await mesh.server(echo('near'))
      const far = await mesh.server(echo('far'))
      mesh.runtime.setCluster(byPriority([near.port, far.port], { outlier: { ...outlier, consecutive5xx: 1 } }))
      await mesh.listen([route('c')])
      const client = await mesh.client()
      assert.deepEqual(await ask(client, 3), ['near', 'near', 'near'])
      const { port } = near
      await near.stop()
      await until(() => mesh.clusterStat('c', 'upstream_cx_active') === 0)
      assert.deepEqual(await ask(client, 5), ['far', 'far', 'far', 'far', 'far'])
      await mesh.server(echo('back'), port)
      await until(() => mesh.clusterStat('c', 'outlier_detection.ejections_active') === 0)
      assert.deepEqual(await ask(client, 3), ['back', 'back', 'back'])
      assert.equal(mesh.stat('outcome.local_reply'), 0)
    })
  })
}

describe('endpoint health', () => {
  test('unhealthy endpoints get nothing; when all are, requests fail at once', async (t) => {
    const mesh = new Harness(t)
    const servers = await Promise.all(['a', 'b'].map((name) => mesh.server(echo(name))))
    const [a, b] = servers.map(({ port }) => port) as [number, number]
    const assign = (health: 'healthy' | 'unhealthy'): void =>
      mesh.runtime.setEndpoints(
        endpoints('eds', [locality([endpoint(a, { health }), endpoint(b, { health: 'unhealthy' })])]),
      )
    assign('healthy')
    mesh.runtime.setCluster(cluster('c', [], { endpoints: { kind: 'eds', name: 'eds' } }))
    await mesh.listen([route('c')])
    const client = await mesh.client()
    assert.deepEqual(await ask(client, 3), ['a', 'a', 'a'])
    assign('unhealthy')
    assert.deepEqual(await ask(client), ['no-healthy-upstream'])
    assert.equal(mesh.clusterStat('c', 'membership_healthy'), 0)
    assign('healthy')
    assert.deepEqual(await ask(client), ['a'])
  })

  test('with a panic threshold, unhealthy endpoints are used rather than none', async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server(echo('a'))
    const assignment = endpoints('c', [locality([endpoint(server.port, { health: 'unhealthy' })])])
    mesh.runtime.setCluster(cluster('c', [], { panicThreshold: 50, endpoints: { kind: 'static', assignment } }))
    await mesh.listen([route('c')])
    const client = await mesh.client()
    assert.deepEqual(await ask(client, 3), ['a', 'a', 'a'])
  })
})

describe('outlier detection', () => {
  test('an endpoint that answers with errors is ejected for a while', async (t) => {
    const mesh = new Harness(t)
    const good = await mesh.server(echo('good'))
    const bad = await mesh.server((message, connection) => {
      connection.send({ kind: 'response', id: message.id, status: 'error', pairs: { server: 'bad' } })
    })
    mesh.runtime.setCluster(cluster('c', [good.port, bad.port], { outlier }))
    await mesh.listen([route('c')])
    const client = await mesh.client()
    const before = await ask(client, 6)
    assert.equal(before.filter((name) => name === 'bad').length, 3)
    assert.deepEqual(new Set(await ask(client, 10)), new Set(['good']))
    assert.equal(mesh.clusterStat('c', 'outlier_detection.ejections_active'), 1)
    const ejected = mesh.runtime.snapshot().clusters[0]?.endpoints.find(({ health }) => health === 'ejected')
    assert.equal(ejected?.address, `127.0.0.1:${bad.port}`)
    bad.behaviour = echo('mended')
    await until(() => mesh.clusterStat('c', 'outlier_detection.ejections_active') === 0)
    assert.ok((await ask(client, 4)).includes('mended'))
  })

  test("an application's own exceptions eject nobody", async (t) => {
    const mesh = new Harness(t)
    const server = await mesh.server((message, connection) => {
      connection.send({ kind: 'response', id: message.id, status: 'exception', pairs: { server: 'a' } })
    })
    mesh.runtime.setCluster(cluster('c', [server.port], { outlier }))
    await mesh.listen([route('c')])
    const client = await mesh.client()
    assert.deepEqual(new Set(await ask(client, 20)), new Set(['a']))
    assert.equal(mesh.clusterStat('c', 'outlier_detection.ejections_enforced_total'), 0)
    assert.equal(mesh.stat('response_business_exception'), 20)
  })

  test('no more than the allowed share is ejected', async (t) => {
    const mesh = new Harness(t)
    const servers = await Promise.all(
      [1, 2, 3, 4].map(() =>
        mesh.server((message, connection) => connection.send({ kind: 'response', id: message.id, status: 'error' })),
      ),
    )
    mesh.runtime.setCluster(
      cluster(
        'c',
        servers.map(({ port }) => port),
        { outlier: { ...outlier, baseEjectionMs: 60_000, maxEjectionPercent: 50 } },
      ),
    )
    await mesh.listen([route('c')])
    const client = await mesh.client()
    await ask(client, 40)
    assert.equal(mesh.clusterStat('c', 'outlier_detection.ejections_active'), 2)
  })
})

describe('circuit breakers', () => {
  test('requests beyond the limit of those in flight get an error at once', async (t) => {
    const mesh = new Harness(t)
    const release: (() => void)[] = []
    const server = await mesh.server((message, connection) => {
      release.push(() => echo('a')(message, connection))
    })
    mesh.runtime.setCluster(
      cluster('c', [server.port], { limits: { maxConnections: 10, maxPendingRequests: 10, maxRequests: 2 } }),
    )
    await mesh.listen([route('c')])
    const client = await mesh.client()
    const held = [client.call({}), client.call({})]
    await until(() => release.length === 2)
    assert.equal((await client.call({})).pairs['type'], 'overflow')
    assert.equal(mesh.clusterStat('c', 'upstream_rq_active_overflow'), 1)
    for (const each of release) each()
    await Promise.all(held)
  })

  test('exclusive requests wait for one of few connections, and too many waiting ones get an error', async (t) => {
    const mesh = new Harness(t, { protocol: exclusive })
    const release: (() => void)[] = []
    const server = await mesh.server((message, connection) => {
      release.push(() => echo('a')(message, connection))
    })
    mesh.runtime.setCluster(
      cluster('c', [server.port], { limits: { maxConnections: 2, maxPendingRequests: 3, maxRequests: 100 } }),
    )
    await mesh.listen([route('c')])
    const clients = await Promise.all([1, 2, 3, 4, 5, 6].map(() => mesh.client()))
    const calls: Promise<string>[] = []
    for (const client of clients.slice(0, 2)) {
      calls.push(ask(client).then(([name]) => name ?? ''))
      await until(() => release.length === calls.length)
    }
    for (const client of clients.slice(2)) calls.push(ask(client).then(([name]) => name ?? ''))
    await until(
      () => mesh.clusterStat('c', 'upstream_rq_pending_active') === 3 && mesh.stat('outcome.local_reply') === 1,
    )
    assert.equal(server.accepted, 2)
    for (let done = 0; done < 5; done += 1) {
      await until(() => release.length > done)
      release[done]?.()
    }
    assert.deepEqual((await Promise.all(calls)).sort(), ['a', 'a', 'a', 'a', 'a', 'overflow'])
    assert.equal(server.accepted, 2)
    assert.equal(mesh.clusterStat('c', 'upstream_rq_pending_overflow'), 1)
  })

  test('a request that waits for a connection times out, too', async (t) => {
    const mesh = new Harness(t, { protocol: exclusive })
    const server = await mesh.server(() => undefined)
    mesh.runtime.setCluster(
      cluster('c', [server.port], { limits: { maxConnections: 1, maxPendingRequests: 3, maxRequests: 100 } }),
    )
    await mesh.listen([route('c', {}, { timeoutMs: 50 })])
    const [one, two] = await Promise.all([mesh.client(), mesh.client()])
    const answers = await Promise.all([one.call({}), two.call({})])
    assert.deepEqual(
      answers.map(({ pairs }) => pairs['type']),
      ['timeout', 'timeout'],
    )
    assert.equal(mesh.clusterStat('c', 'upstream_rq_pending_active'), 0)
  })

  test('requests that wait for a place at an endpoint that is gone fail as soon as that is known', async (t) => {
    const mesh = new Harness(t, { protocol: exclusive })
    const server = await mesh.server(echo('a'))
    const { port } = server
    await server.stop()
    mesh.runtime.setCluster(
      cluster('c', [port], { limits: { maxConnections: 1, maxPendingRequests: 10, maxRequests: 100 } }),
    )
    await mesh.listen([route('c', {}, { timeoutMs: 5000 })])
    const clients = await Promise.all([1, 2, 3].map(() => mesh.client()))
    const answers = await Promise.all(clients.map((client) => client.call({})))
    assert.deepEqual(
      answers.map(({ pairs }) => pairs['type']),
      ['connection-failure', 'connection-failure', 'connection-failure'],
    )
    assert.equal(mesh.clusterStat('c', 'upstream_rq_pending_active'), 0)
  })

  test('connections of exclusive protocols are used again', async (t) => {
    const mesh = new Harness(t, { protocol: exclusive })
    const server = await mesh.server(echo('a'))
    mesh.runtime.setCluster(cluster('c', [server.port]))
    await mesh.listen([route('c')])
    const clients = await Promise.all([1, 2, 3].map(() => mesh.client()))
    for (let round = 0; round < 10; round += 1) for (const client of clients) await ask(client)
    assert.equal(server.accepted, 1)
  })
})
