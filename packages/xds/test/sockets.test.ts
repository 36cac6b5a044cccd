/** Server and client over real sockets. */
import assert from 'node:assert/strict'
import { type AddressInfo, connect, createServer } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { AggregatedDiscoveryService } from '../src/gen/envoy/service/discovery/v3/ads_pb.ts'
import { DiscoveryRequestSchema } from '../src/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { RouteDiscoveryService } from '../src/gen/envoy/service/route/v3/rds_pb.ts'
import {
  type AdsClient,
  type AdsClientOptions,
  type AdsServer,
  type AdsServerOptions,
  createAdsClient,
  createAdsServer,
  StaticProvider,
  typeUrls,
} from '../src/index.ts'
import { startLine } from './line.ts'
import { Recorder } from './recorder.ts'
import { item, node } from './resources.ts'
import { waitFor } from './wait-for.ts'

const { cluster: cds, endpoints: eds, routes: rds } = typeUrls
const variants = ['delta', 'state-of-the-world'] as const

async function startServer(
  t: TestContext,
  provider: StaticProvider,
  options: Partial<AdsServerOptions> = {},
): Promise<AdsServer> {
  const server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: 0 }, ...options })
  t.after(() => server.close())
  return server
}

function startClient(
  t: TestContext,
  port: number,
  handler: Recorder,
  options: Partial<AdsClientOptions> = {},
): AdsClient {
  const client = createAdsClient({
    target: `127.0.0.1:${port}`,
    node: node('n1'),
    variant: 'delta',
    backoff: { baseMs: 5, maxMs: 20 },
    handler,
    ...options,
  })
  t.after(() => client.close())
  return client
}

/** A connection for calls that the client doesn't make. */
function transport(t: TestContext, { address }: AdsServer) {
  const baseUrl = `http://127.0.0.1:${address.port}`
  const sessionManager = new Http2SessionManager(baseUrl)
  t.after(() => sessionManager.abort())
  return createGrpcTransport({ baseUrl, sessionManager })
}

for (const variant of variants) {
  describe(variant, () => {
    test('changes, new names and removals arrive; nothing else is sent', async (t) => {
      const provider = new StaticProvider()
      provider.set(item(cds, 'a'), item(cds, 'b'), item(eds, 'a'), item(eds, 'b'))
      const server = await startServer(t, provider)
      const recorder = new Recorder()
      const client = startClient(t, server.address.port, recorder, { variant })
      client.subscribe(cds, '*')
      client.subscribe(eds, ['a'])
      await waitFor('the first state', () => recorder.has.size === 3)
      provider.set(item(cds, 'a', 2), item(eds, 'b', 2))
      provider.delete(cds, 'b')
      client.subscribe(eds, ['a', 'b'])
      await waitFor('the changes', () => recorder.has.has('ClusterLoadAssignment b') && !recorder.has.has('Cluster b'))
      await waitFor('the answers', () => server.clients()[0]?.types.every(({ pending }) => !pending))
      assert.equal(recorder.has.get('Cluster a'), item(cds, 'a', 2).version)
      assert.deepEqual(recorder.updates.slice(0, 2), ['Cluster +a +b', 'ClusterLoadAssignment +a'])
      assert.deepEqual(recorder.updates.filter((update) => update.startsWith('ClusterLoad')).slice(1), [
        'ClusterLoadAssignment +b',
      ])
      assert.equal(server.counters.of(cds).nacks + server.counters.of(eds).nacks, 0)
    })

    test('a refusal is seen by the server with its reason, the same is not sent again, the mended one is', async (t) => {
      const provider = new StaticProvider()
      provider.set(item(cds, 'a'))
      const server = await startServer(t, provider)
      const recorder = new Recorder()
      recorder.refused.add('bad')
      startClient(t, server.address.port, recorder, { variant }).subscribe(cds, '*')
      await waitFor('the first state', () => recorder.has.size === 1)
      provider.set(item(cds, 'bad'))
      const seen = await waitFor('the NACK', () => server.clients()[0]?.types[0]?.lastNack)
      assert.deepEqual([seen.reason, seen.resources, seen.resolved], ['bad is refused', ['bad'], false])
      provider.set(item(cds, 'bad'))
      recorder.refused.clear()
      provider.set(item(cds, 'bad', 2))
      await waitFor('the mended one', () => recorder.has.has('Cluster bad'))
      assert.equal(recorder.updates.length, 3)
      await waitFor('the ACK', () => server.clients()[0]?.types[0]?.lastNack?.resolved)
      assert.deepEqual([server.counters.of(cds).nacks, server.counters.of(cds).acks], [1, 2])
    })

    test('after a restart of the server only what differs comes again', async (t) => {
      const provider = new StaticProvider()
      provider.set(item(cds, 'a'), item(cds, 'b'), item(cds, 'c'), item(eds, 'a'))
      let server = await startServer(t, provider)
      const { port } = server.address
      const recorder = new Recorder()
      const client = startClient(t, port, recorder, { variant })
      client.subscribe(cds, '*')
      client.subscribe(eds, ['a'])
      await waitFor('the first state', () => recorder.has.size === 4)
      await server.close()
      await waitFor('the client to notice', () => client.state.kind === 'waiting')
      provider.update([item(cds, 'a', 2), item(cds, 'd')], [{ typeUrl: cds, name: 'b' }])
      recorder.updates.length = 0
      server = await startServer(t, provider, { listen: { host: '127.0.0.1', port } })
      await waitFor('the new state', () => recorder.has.has('Cluster d') && !recorder.has.has('Cluster b'))
      await waitFor('the answers', () => server.clients()[0]?.types.every(({ pending }) => !pending))
      const names = new Set(recorder.updates.flatMap((update) => update.split(' ').slice(1)))
      assert.deepEqual([...names].toSorted(), ['+a', '+d', '-b'])
      assert.ok(
        recorder.states.some((state) => state.kind === 'waiting' && state.retryInMs <= 20 && state.reason !== ''),
      )
    })

    test('a subscription made while the server is away, and one while a handler runs, are not lost', async (t) => {
      const provider = new StaticProvider()
      provider.set(item(eds, 'a'), item(eds, 'b'), item(eds, 'c'))
      let server = await startServer(t, provider)
      const { port } = server.address
      const recorder = new Recorder()
      recorder.delayMs = 30
      const client = startClient(t, port, recorder, { variant })
      client.subscribe(eds, ['a'])
      await waitFor('the handler to run', () => recorder.updates.length === 1)
      client.subscribe(eds, ['a', 'b'])
      await waitFor('the second', () => recorder.has.has('ClusterLoadAssignment b'))
      await server.close()
      await waitFor('the client to notice', () => client.state.kind === 'waiting')
      client.subscribe(eds, ['b', 'c'])
      server = await startServer(t, provider, { listen: { host: '127.0.0.1', port } })
      await waitFor('the third', () => recorder.has.has('ClusterLoadAssignment c'))
      assert.deepEqual(server.clients()[0]?.types[0]?.names, ['b', 'c'])
    })

    test('what is dropped and asked for again in one breath is sent again', async (t) => {
      const provider = new StaticProvider()
      provider.set(item(eds, 'a'), item(eds, 'b'))
      const server = await startServer(t, provider)
      const recorder = new Recorder()
      const client = startClient(t, server.address.port, recorder, { variant })
      client.subscribe(eds, ['a', 'b'])
      await waitFor('the first', () => recorder.updates.length === 1)
      client.subscribe(eds, ['b'])
      client.subscribe(eds, ['a', 'b'])
      await waitFor('the second', () => recorder.updates.length === 2)
      assert.equal(recorder.updates[1], 'ClusterLoadAssignment +a')
    })

    test('a hundred thousand bytes of everything arrive, and changes by the thousand end in the last', async (t) => {
      const provider = new StaticProvider()
      const names = Array.from({ length: 2000 }, (_, index) => `outbound|9090||service-${index}.example.com`)
      provider.set(...names.map((name) => item(cds, name)))
      const server = await startServer(t, provider)
      const recorder = new Recorder()
      startClient(t, server.address.port, recorder, { variant }).subscribe(cds, '*')
      await waitFor('everything', () => recorder.has.size === 2000)
      const name = names[7] ?? ''
      for (let revision = 2; revision <= 1000; revision++) provider.set(item(cds, name, revision))
      await waitFor('the last', () => recorder.has.get(`Cluster ${name}`) === item(cds, name, 1000).version)
      assert.ok(server.counters.of(cds).pushes < 100, 'changes that come together are sent together')
    })
  })
}

test('two streams with one node id are two clients, and one may leave', async (t) => {
  const provider = new StaticProvider()
  provider.set(item(cds, 'a'))
  const server = await startServer(t, provider)
  const [one, two] = [new Recorder(), new Recorder()]
  const first = startClient(t, server.address.port, one, { variant: 'delta' })
  startClient(t, server.address.port, two, { variant: 'state-of-the-world' }).subscribe(cds, '*')
  first.subscribe(cds, '*')
  await waitFor('both', () => one.has.size === 1 && two.has.size === 1)
  assert.deepEqual(
    server.clients().map(({ nodeId }) => nodeId),
    ['n1', 'n1'],
  )
  assert.equal(provider.views, 2)
  await first.close()
  await waitFor('one to leave', () => server.counters.streams === 1)
  provider.set(item(cds, 'a', 2))
  await waitFor('the change', () => two.has.get('Cluster a') === item(cds, 'a', 2).version)
  assert.equal(provider.views, 1)
  assert.deepEqual(first.state, { kind: 'closed' })
})

test('the client connects on after refusals, with growing pauses up to the longest', async (t) => {
  const recorder = new Recorder()
  const port = await freePort()
  startClient(t, port, recorder, { backoff: { baseMs: 1, maxMs: 4 } })
  const waits = await waitFor('some attempts', () => {
    const found = recorder.states.filter((state) => state.kind === 'waiting')
    return found.length >= 8 && found
  })
  for (const { retryInMs, reason } of waits) {
    assert.ok(retryInMs <= 4)
    assert.match(reason, /ECONNREFUSED/)
  }
})

test('a peer that goes without a word is noticed on both sides', async (t) => {
  const provider = new StaticProvider()
  provider.set(item(cds, 'a'))
  const server = await startServer(t, provider, { keepalive: { intervalMs: 20, timeoutMs: 100 } })
  const line = await startLine(t, server.address.port)
  const recorder = new Recorder()
  const client = startClient(t, line.port, recorder, { keepalive: { intervalMs: 20, timeoutMs: 100 } })
  client.subscribe(cds, '*')
  await waitFor('the first state', () => recorder.has.size === 1)
  line.cut()
  await waitFor('the server to notice', () => server.counters.streams === 0)
  await waitFor('the client to notice', () => recorder.states.some(({ kind }) => kind === 'waiting'))
  line.mend()
  provider.set(item(cds, 'b'))
  await waitFor('the connection to be back', () => recorder.has.size === 2)
})

describe('route discovery on its own', () => {
  test('StreamRoutes without type URLs', async (t) => {
    const provider = new StaticProvider()
    provider.set(item(rds, 'r'), item(rds, 'other'), item(cds, 'c'))
    const server = await startServer(t, provider)
    const step = Promise.withResolvers<void>()
    async function* requests() {
      yield create(DiscoveryRequestSchema, { node: node('cpp'), resourceNames: ['r'] })
      await step.promise
      yield create(DiscoveryRequestSchema, { resourceNames: ['r'], responseNonce: '1' })
    }
    const responses = createClient(RouteDiscoveryService, transport(t, server)).streamRoutes(requests())
    let count = 0
    for await (const response of responses) {
      assert.equal(response.typeUrl, rds)
      assert.deepEqual(
        response.resources.map(({ value }) => value),
        [item(rds, 'r').any.value],
      )
      assert.equal(server.clients()[0]?.service, 'rds')
      count++
      step.resolve()
    }
    assert.equal(count, 1, 'a client that ends its requests ends the stream')
  })

  test('DeltaRoutes', async (t) => {
    const provider = new StaticProvider()
    provider.set(item(rds, 'r'))
    const server = await startServer(t, provider)
    const finish = Promise.withResolvers<void>()
    const call = createClient(RouteDiscoveryService, transport(t, server)).deltaRoutes(
      (async function* () {
        yield { node: node('cpp'), typeUrl: rds, resourceNamesSubscribe: ['r', 'x'] }
        await finish.promise
      })(),
    )
    for await (const { resources, removedResources } of call) {
      assert.deepEqual([resources.map(({ name }) => name), removedResources], [['r'], ['x']])
      finish.resolve()
    }
  })

  test('FetchRoutes answers once', async (t) => {
    const provider = new StaticProvider()
    provider.set(item(rds, 'r'))
    const server = await startServer(t, provider)
    const routes = createClient(RouteDiscoveryService, transport(t, server))
    const answer = await routes.fetchRoutes({ node: node('cpp'), resourceNames: ['r'] })
    assert.equal(answer.resources.length, 1)
    assert.equal((await routes.fetchRoutes({ node: node('cpp'), resourceNames: ['nope'] })).resources.length, 0)
    await waitFor('the streams to end', () => server.counters.streams === 0)
    assert.equal(provider.views, 0)
  })
})

describe('what the server does not take', () => {
  test('a request without node, or too big, ends its stream with a reason and disturbs no other', async (t) => {
    const provider = new StaticProvider()
    provider.set(item(cds, 'a'))
    const server = await startServer(t, provider, { limits: { requestBytes: 1000 } })
    const recorder = new Recorder()
    startClient(t, server.address.port, recorder).subscribe(cds, '*')
    const ads = createClient(AggregatedDiscoveryService, transport(t, server))
    const ask = async (request: Parameters<typeof create<typeof DiscoveryRequestSchema>>[1]): Promise<void> => {
      for await (const _ of ads.streamAggregatedResources(
        (async function* () {
          yield create(DiscoveryRequestSchema, request)
        })(),
      )) {
        return
      }
    }
    await assert.rejects(ask({ typeUrl: cds }), /node/)
    await assert.rejects(
      ask({ node: node('n'), typeUrl: cds, resourceNames: ['x'.repeat(1001)] }),
      /larger|exceed|limit/i,
    )
    await waitFor('the good one', () => recorder.has.size === 1)
    provider.set(item(cds, 'a', 2))
    await waitFor('the good one again', () => recorder.updates.length === 2)
    assert.equal(server.counters.streams, 1)
  })

  test('bytes that are no HTTP/2 cost their connection only', async (t) => {
    const server = await startServer(t, new StaticProvider())
    const socket = connect(server.address.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await new Promise((resolve) => socket.once('close', resolve).resume())
    const recorder = new Recorder()
    startClient(t, server.address.port, recorder).subscribe(cds, '*')
    await waitFor('the good one', () => recorder.updates.length === 1)
  })

  test('a taken port: XDS_LISTEN', async (t) => {
    const server = await startServer(t, new StaticProvider())
    const { host, port } = server.address
    await assert.rejects(createAdsServer({ provider: new StaticProvider(), listen: { host, port } }), {
      code: 'XDS_LISTEN',
    })
  })
})

test('a target that is no host:port: XDS_TARGET', () => {
  for (const target of ['', 'host', 'http://x:1', 'x:1/y', ':1', 'x:port']) {
    const options = { target, node: node('n'), variant: 'delta', handler: new Recorder() } as const
    assert.throws(() => createAdsClient(options), { code: 'XDS_TARGET' }, target)
  }
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
