/** A proxy with two workers behaves as one with one, and shows what both have done. */
import assert from 'node:assert/strict'
import { configureSync, resetSync, type LogRecord } from '@logtape/logtape'
import { createServer, type AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import type { AerakiError } from '@aeraki/api/errors'
import type { ListenerConfig, RouteConfig } from '../src/config/model.ts'
import type { Io } from '../src/io/io.ts'
import { selectIo } from '../src/io/select.ts'
import type { Runtime } from '../src/runtime.ts'
import { startWorkers } from '../src/workers/workers-runtime.ts'
import { DubboClient, DubboServer } from './support/dubbo-client.ts'
import { cluster, route, table, until } from './support/harness.ts'

/** So many connections that both workers have some: that one has none happens once in 2 to the power of 31. */
const many = 32

const name = 'listener'
const prefix = 'meta_protocol.dubbo.test.'

function listener(port = 0, more: Partial<ListenerConfig> = {}): ListenerConfig {
  return {
    name,
    address: { host: '127.0.0.1', port },
    substitute: undefined,
    direction: 'outbound',
    filter: { statPrefix: 'test', protocol: 'dubbo', routes: { kind: 'rds', name: 'routes' }, idleTimeoutMs: 0 },
    ...more,
  }
}

interface TestContext {
  after(hook: () => Promise<void> | void): void
}

async function two(t: TestContext, io = selectIo()): Promise<Runtime> {
  const runtime = await startWorkers({
    count: 2,
    io,
    onFailure: (error) => {
      throw error
    },
  })
  t.after(() => runtime.close(0))
  return runtime
}

/** Two workers with one server per cluster, which routes can name. */
async function mesh(t: TestContext, clusters: readonly string[] = ['v1'], hold = false) {
  const runtime = await two(t)
  const servers: DubboServer[] = []
  for (const each of clusters) {
    const server = await DubboServer.start(each, hold)
    t.after(() => server.stop())
    servers.push(server)
    runtime.setCluster(cluster(each, [server.port]))
  }
  runtime.setRouteTable(table([route(clusters[0] ?? '')]))
  await runtime.setListener(listener())
  const clients: DubboClient[] = []
  t.after(() => clients.forEach((client) => client.close()))
  const connect = async (count: number): Promise<readonly DubboClient[]> => {
    for (let index = 0; index < count; index += 1) clients.push(await DubboClient.connect(portOf(runtime)))
    return clients
  }
  const routes = async (...wanted: readonly RouteConfig[]): Promise<void> => {
    runtime.setRouteTable(table(wanted))
    await runtime.applied?.()
  }
  return { runtime, servers, connect, routes }
}

function portOf(runtime: Runtime, of = name): number {
  return runtime.snapshot().listeners.find(({ config }) => config.name === of)?.bound?.port ?? 0
}

async function stat(runtime: Runtime, of: string): Promise<number | undefined> {
  await runtime.refresh?.()
  return runtime.stats?.values().get(of)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('two workers', () => {
  test('share a port that the system picked, and their statistics add up to the calls that were made', async (t) => {
    const { runtime, servers, connect } = await mesh(t)
    const clients = await connect(many)
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(clients.map((client) => client.call()))
      assert.deepEqual(new Set(answers), new Set(['v1']))
    }
    const calls = 5 * many
    assert.equal(servers[0]?.served, calls)
    assert.equal(await stat(runtime, `${prefix}request`), calls)
    assert.equal(await stat(runtime, `${prefix}downstream_cx_active`), many)
    assert.equal(await stat(runtime, 'cluster.v1.upstream_rq_total'), calls)
    // Each has a connection of its own to the server, and both know the same one server.
    assert.equal(await stat(runtime, 'cluster.v1.upstream_cx_active'), 2)
    assert.equal(await stat(runtime, 'cluster.v1.membership_total'), 1)
    const page = runtime.stats?.prometheus() ?? ''
    assert.match(page, new RegExp(`^envoy_meta_protocol_request_time_ms_count\\{.*\\} ${calls}$`, 'm'))
    assert.match(page, new RegExp(`^envoy_meta_protocol_request_time_ms_bucket\\{.*le="60000"\\} ${calls}$`, 'm'))
    const { listeners, clusters } = runtime.snapshot()
    assert.equal(listeners[0]?.connections, many)
    const [endpoint] = clusters[0]?.endpoints ?? []
    assert.deepEqual([endpoint?.connections, endpoint?.totalRequests], [2, calls])
    // What is gone leaves nothing behind.
    runtime.removeCluster('v1')
    assert.equal(await stat(runtime, 'cluster.v1.upstream_rq_total'), undefined)
    assert.deepEqual(runtime.snapshot().clusters, [])
  })

  test('have a new rule in force on all connections once it counts as applied, and lose none', async (t) => {
    const { runtime, connect, routes } = await mesh(t, ['v1', 'v2'])
    const clients = await connect(many)
    for (let change = 0; change < 50; change += 1) {
      const wanted = change % 2 === 0 ? 'v2' : 'v1'
      await routes(route(wanted))
      const answers = await Promise.all(clients.map((client) => client.call()))
      assert.deepEqual(new Set(answers), new Set([wanted]))
    }
    assert.ok(clients.every((client) => !client.closed))
    assert.equal(await stat(runtime, `${prefix}downstream_cx_total`), many)
  })

  test('lose no request while rules, clusters and the listener change under load', async (t) => {
    const { runtime, servers, connect, routes } = await mesh(t, ['v1', 'v2'])
    const clients = await connect(many)
    const load = { running: true }
    let calls = 0
    const calling = clients.map(async (client) => {
      while (load.running) {
        assert.match(await client.call(), /^v[12]$/)
        calls += 1
      }
    })
    const config = listener()
    for (let change = 0; change < 100; change += 1) {
      const wanted = change % 2
      runtime.setCluster(cluster('v1', [servers[0]?.port ?? 0], { policy: wanted === 0 ? 'random' : 'round-robin' }))
      await runtime.setListener({ ...config, filter: { ...config.filter, idleTimeoutMs: 60_000 + wanted } })
      await routes(
        route('v1', { method: 'hello' }, { destinations: [{ cluster: `v${1 + wanted}`, weight: 1 }] }),
        route('v2'),
      )
    }
    load.running = false
    await Promise.all(calling)
    assert.ok(calls > 0)
    assert.equal((servers[0]?.served ?? 0) + (servers[1]?.served ?? 0), calls)
    assert.equal(await stat(runtime, `${prefix}outcome.response`), calls)
    assert.equal(await stat(runtime, `${prefix}downstream_cx_destroy`), 0)
  })

  test('refuse an address that another process, another listener or another proxy has, and take it when it is free', async (t) => {
    const runtime = await two(t)
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const refusal = {
      code: 'LISTENER_BIND_FAILED',
      message: new RegExp(`127\\.0\\.0\\.1:${port}: EADDRINUSE; another`),
    }
    await assert.rejects(runtime.setListener(listener(port)), refusal)
    assert.equal(runtime.snapshot().listeners[0]?.state, 'failed')
    await new Promise((resolve) => taken.close(resolve))
    await runtime.setListener(listener(port))
    assert.equal(runtime.snapshot().listeners[0]?.state, 'listening')

    await assert.rejects(runtime.setListener(listener(port, { name: 'other' })), refusal)
    const neighbour = await two(t)
    await assert.rejects(neighbour.setListener(listener(port)), refusal)

    const both = await Promise.allSettled(
      ['a', 'b'].map((each) => runtime.setListener(listener(0, { name: each, address: { host: '127.0.0.2', port } }))),
    )
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])

    // In the order in which it is told: at once, without waiting for the removal.
    const removed = runtime.removeListener(name)
    await runtime.setListener(listener(port, { name: 'other' }))
    await removed
    assert.equal(portOf(runtime, 'other'), port)
  })

  test('pick another port where somebody took the picked one before the workers could', async (t) => {
    const real = selectIo()
    const thief = createServer()
    t.after(() => void thief.close())
    const io: Io = {
      runtime: real.runtime,
      afterReads: (run) => real.afterReads(run),
      connect: (address, options, handler) => real.connect(address, options, handler),
      async listen(address, options, accept) {
        const picked = await real.listen(address, options, accept)
        if (thief.listening) return picked
        return {
          address: picked.address,
          async close() {
            await picked.close()
            await new Promise<void>((resolve) => thief.listen(picked.address.port, '127.0.0.1', resolve))
          },
        }
      },
    }
    const runtime = await two(t, io)
    runtime.setRouteTable(table([route('v1')]))
    await runtime.setListener(listener())
    assert.notEqual(portOf(runtime), (thief.address() as AddressInfo).port)
  })

  test('move a listener to another port, and keep the old one when that is taken', async (t) => {
    const { runtime, connect } = await mesh(t)
    const old = portOf(runtime)
    const [client] = await connect(1)
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    await assert.rejects(runtime.setListener(listener((taken.address() as AddressInfo).port)), {
      code: 'LISTENER_BIND_FAILED',
    })
    taken.close()
    assert.equal(portOf(runtime), old)
    assert.equal(await (await DubboClient.connect(old)).call(), 'v1')
    const port = await freePort()
    await runtime.setListener(listener(port))
    assert.equal(portOf(runtime), port)
    await connect(many)
    assert.equal(await client?.call(), 'v1')
    await assert.rejects(DubboClient.connect(old))
  })

  test("bind a VIP's substitute, both of them", async (t) => {
    const { runtime } = await mesh(t)
    const address = { host: '193.193.192.192', port: 20_880 }
    await runtime.setListener(
      listener(0, { name: 'vip', address, substitute: { host: '127.240.0.1', port: 0 }, direction: 'outbound' }),
    )
    const snapshot = runtime.snapshot().listeners.find(({ config }) => config.name === 'vip')
    assert.equal(snapshot?.bound?.host, '127.240.0.1')
    assert.deepEqual(snapshot.config.address, address)
    const clients = await Promise.all(
      Array.from({ length: many }, () => DubboClient.connect(snapshot.bound?.port ?? 0, '127.240.0.1')),
    )
    t.after(() => clients.forEach((client) => client.close()))
    assert.deepEqual(new Set(await Promise.all(clients.map((client) => client.call()))), new Set(['v1']))
    assert.equal(await stat(runtime, 'cluster.v1.upstream_cx_active'), 2)
  })

  test("keep a cluster's limit together: each has half of it", async (t) => {
    const { runtime, servers, connect } = await mesh(t, ['v1'], true)
    const [server] = servers
    assert.ok(server)
    runtime.setCluster(
      cluster('v1', [server.port], { limits: { maxConnections: 9, maxPendingRequests: 9, maxRequests: 6 } }),
    )
    const clients = await connect(many)
    const answers = clients.map((client) => client.call())
    while ((await stat(runtime, `${prefix}request`)) !== many) await new Promise((resolve) => setImmediate(resolve))
    await until(() => server.held.length === 6)
    assert.equal(await stat(runtime, 'cluster.v1.upstream_rq_active'), 6)
    assert.equal(await stat(runtime, 'cluster.v1.upstream_rq_active_overflow'), many - 6)
    assert.equal(runtime.snapshot().clusters[0]?.config.limits.maxRequests, 6)
    server.release()
    assert.equal((await Promise.all(answers)).filter((answer) => answer === 'v1').length, 6)
  })

  test('finish the requests in flight when they are closed, and accept no new connection', async (t) => {
    const { runtime, servers, connect } = await mesh(t, ['v1'], true)
    const [server] = servers
    assert.ok(server)
    const clients = await connect(many)
    const port = portOf(runtime)
    const answers = clients.map((client) => client.call())
    await until(() => server.held.length === many)
    let closed = false
    const closing = runtime.close(30_000).then(() => {
      closed = true
    })
    await refusesConnections(port)
    assert.equal(closed, false)
    server.release()
    assert.deepEqual(new Set(await Promise.all(answers)), new Set(['v1']))
    await closing
  })

  test('log where the proxy logs', async (t) => {
    const records: LogRecord[] = []
    configureSync({
      reset: true,
      sinks: { here: (record) => records.push(record) },
      loggers: [
        { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['here'] },
        { category: ['aeraki'], lowestLevel: 'info', sinks: ['here'] },
      ],
    })
    t.after(() => resetSync())
    const { connect } = await mesh(t)
    const [client] = await connect(1)
    client?.write(Buffer.from('GET / HTTP/1.1\r\nHost: no Dubbo at all\r\n\r\n'))
    await until(() => records.length > 0)
    assert.deepEqual(records[0]?.category, ['aeraki', 'proxy', 'downstream'])
    assert.match(records[0]?.message.join(' ') ?? '', /sent what is no/)
  })

  test('that do not come up are an error, and nothing is left of them', async () => {
    const failures: AerakiError[] = []
    const program = new URL('support/stillborn-worker.ts', import.meta.url)
    await assert.rejects(startWorkers({ count: 2, program, onFailure: (error) => failures.push(error) }), {
      code: 'PROXY_WORKER_FAILED',
      message: /worker [01] failed: .*no luck at all/,
    })
    assert.deepEqual(failures, [])
  })

  test('are no proxy any more when one of them fails: that is said once, and nothing is pretended', async () => {
    const failures: AerakiError[] = []
    const program = new URL('support/failing-worker.ts', import.meta.url)
    const runtime = await startWorkers({ count: 2, program, onFailure: (error) => failures.push(error) })
    await until(() => failures.length > 0)
    await assert.rejects(runtime.applied?.() ?? Promise.resolve(), { code: 'PROXY_WORKER_FAILED' })
    await runtime.close(0)
    assert.equal(failures.length, 1)
    assert.equal(failures[0]?.code, 'PROXY_WORKER_FAILED')
    assert.match(failures[0]?.message ?? '', /worker [01] failed: .*out of luck/)
  })
})

/** Resolves when nobody listens there any more. */
async function refusesConnections(port: number): Promise<void> {
  for (;;) {
    try {
      const client = await DubboClient.connect(port)
      client.close()
    } catch {
      return
    }
  }
}
