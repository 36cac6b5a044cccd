/** Which type speaks when, what a stream refuses, what it shows. No sockets: requests are pushed, responses pulled. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { StaticProvider, typeUrls } from '../../src/index.ts'
import { AdsStream, type StreamLimits } from '../../src/server/ads-stream.ts'
import { Counters } from '../../src/server/counters.ts'
import { DeltaSubscription } from '../../src/server/delta-subscription.ts'
import { SotwSubscription } from '../../src/server/sotw-subscription.ts'
import { Turns } from '../../src/server/turns.ts'
import { cluster, item, node } from '../resources.ts'

const { cluster: cds, endpoints: eds, listener: lds, routes: rds } = typeUrls

/** Requests of a client that is played by the test. */
class Requests<Request> implements AsyncIterable<Request> {
  readonly #waiting: Request[] = []
  #wake: (() => void) | undefined
  #ended = false

  push(request: Request): void {
    this.#waiting.push(request)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Request> {
    for (;;) {
      const request = this.#waiting.shift()
      if (request !== undefined) yield request
      else if (this.#ended) return
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}

interface Options {
  readonly limits?: Partial<StreamLimits>
  readonly onlyType?: string
  readonly provider?: StaticProvider
}

function common({ limits, onlyType, provider = new StaticProvider() }: Options) {
  const counters = new Counters()
  const all: StreamLimits = { types: 8, names: 100, orderingMs: 60_000, ...limits }
  return { id: 1, peer: 'test', onlyType, provider, counters, limits: all, turns: new Turns(1) }
}

function deltaClient(options: Options & { readonly userAgent?: string } = {}) {
  const requests = new Requests<DeltaDiscoveryRequest>()
  const settings = common(options)
  const { provider } = settings
  const stream = new AdsStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>({
    ...settings,
    variant: 'delta',
    newSubscription: (typeUrl) => new DeltaSubscription(typeUrl),
  })
  provider.onChange((change) => stream.changed(change))
  const abort = new AbortController()
  const responses = stream.run(requests, abort.signal)
  let first = true
  const send = (init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void => {
    const who = first ? { node: node('n', options.userAgent) } : {}
    first = false
    requests.push(create(DeltaDiscoveryRequestSchema, { ...who, ...init }))
  }
  let pulled: Promise<IteratorResult<DeltaDiscoveryResponse>> | undefined
  const pull = async (): Promise<IteratorResult<DeltaDiscoveryResponse>> => {
    pulled ??= responses.next()
    const result = await pulled
    pulled = undefined
    return result
  }
  const next = async (): Promise<DeltaDiscoveryResponse> => {
    const { value, done } = await pull()
    assert.ok(done !== true)
    return value
  }
  const ack = ({ typeUrl, nonce: responseNonce }: DeltaDiscoveryResponse): void => send({ typeUrl, responseNonce })
  const take = async (): Promise<string> => {
    const response = await next()
    ack(response)
    return show(response)
  }
  /** Nothing comes, by the time that a change of another type has come. */
  const quiet = async (): Promise<void> => {
    send({ typeUrl: `type.googleapis.com/probe${probes++}` })
    assert.match((await next()).typeUrl, /probe/)
  }
  return { stream, provider, requests, counters: settings.counters, abort, send, ack, next, pull, take, quiet }
}

let probes = 0

function show({ typeUrl, resources, removedResources }: DeltaDiscoveryResponse): string {
  const names = [...resources.map(({ name }) => name), ...removedResources.map((name) => `-${name}`)]
  return `${typeUrl.split('.').at(-1)} ${names.join(' ')}`
}

describe('order', () => {
  test('clusters, endpoints, listeners, routes, whatever order they were asked for in', async () => {
    const client = deltaClient()
    client.provider.set(item(cds, 'c'), item(eds, 'e'), item(lds, 'l'), item(rds, 'r'))
    client.send({ typeUrl: rds, resourceNamesSubscribe: ['r'] })
    client.send({ typeUrl: lds })
    client.send({ typeUrl: eds, resourceNamesSubscribe: ['e'] })
    client.send({ typeUrl: cds })
    const order = [await client.take(), await client.take(), await client.take(), await client.take()]
    assert.deepEqual(order, ['Cluster c', 'ClusterLoadAssignment e', 'Listener l', 'RouteConfiguration r'])
    client.stream.close()
  })

  for (const routes of [
    'envoy.extensions.filters.network.thrift_proxy.v3.RouteConfiguration',
    'envoy.config.core.v3.TypedExtensionConfig',
  ]) {
    test(`${routes} waits as routes do`, async () => {
      const typeUrl = `type.googleapis.com/${routes}`
      const client = deltaClient()
      client.provider.set(item(typeUrl, 'r'), item(lds, 'l'), item(cds, 'c'))
      client.send({ typeUrl, resourceNamesSubscribe: ['r'] })
      client.send({ typeUrl: lds })
      client.send({ typeUrl: cds })
      const clusters = await client.next()
      assert.equal(show(clusters), 'Cluster c')
      await client.quiet()
      client.ack(clusters)
      assert.equal(await client.take(), 'Listener l')
      assert.equal(await client.take(), `${routes.split('.').at(-1)} r`)
      client.stream.close()
    })
  }

  test('routes wait for the ACK of a cluster, and for endpoints asked for because of it', async () => {
    const client = deltaClient()
    client.provider.set(item(rds, 'r', 1))
    client.send({ typeUrl: cds })
    await client.take()
    client.send({ typeUrl: rds, resourceNamesSubscribe: ['r'] })
    await client.take()
    client.send({ typeUrl: eds, resourceNamesSubscribe: [] })
    await client.take()
    client.provider.set(item(rds, 'r', 2), item(cds, 'c'), item(eds, 'c'))
    const clusters = await client.next()
    assert.equal(show(clusters), 'Cluster c')
    await client.quiet()
    client.send({ typeUrl: eds, resourceNamesSubscribe: ['c'] })
    const endpoints = await client.next()
    assert.equal(show(endpoints), 'ClusterLoadAssignment c')
    client.ack(clusters)
    await client.quiet()
    client.ack(endpoints)
    assert.equal(await client.take(), 'RouteConfiguration r')
    client.stream.close()
  })

  test('they do not wait for ever', async () => {
    const client = deltaClient({ limits: { orderingMs: 1 } })
    client.provider.set(item(cds, 'c'), item(lds, 'l'))
    client.send({ typeUrl: cds })
    client.send({ typeUrl: lds })
    assert.equal(show(await client.next()), 'Cluster c')
    assert.equal(show(await client.next()), 'Listener l')
    client.stream.close()
  })

  test('a cluster is removed when the routes that left it have been accepted', async () => {
    const client = deltaClient()
    client.provider.set(item(cds, 'old'), item(rds, 'r', 1))
    client.send({ typeUrl: cds })
    client.send({ typeUrl: rds, resourceNamesSubscribe: ['r'] })
    await client.take()
    await client.take()
    client.provider.update([item(cds, 'new'), item(rds, 'r', 2)], [{ typeUrl: cds, name: 'old' }])
    assert.equal(await client.take(), 'Cluster new')
    const routes = await client.next()
    assert.equal(show(routes), 'RouteConfiguration r')
    await client.quiet()
    client.ack(routes)
    assert.equal(await client.take(), 'Cluster -old')
    client.stream.close()
  })

  test('one response of a type at a time: what changes meanwhile is in one more', async () => {
    const client = deltaClient()
    client.provider.set(item(cds, 'a', 1))
    client.send({ typeUrl: cds })
    const first = await client.next()
    for (let revision = 2; revision < 100; revision++)
      client.provider.set(item(cds, 'a', revision), item(cds, `b${revision}`))
    await client.quiet()
    client.ack(first)
    const second = await client.next()
    assert.equal(second.resources.length, 99)
    client.ack(second)
    await client.quiet()
    client.stream.close()
  })
})

async function changeCluster(client: ReturnType<typeof deltaClient>): Promise<void> {
  client.provider.set(cluster('a', 1), item(eds, 'a'))
  client.send({ typeUrl: cds })
  client.send({ typeUrl: eds, resourceNamesSubscribe: ['a'] })
  await client.take()
  await client.take()
  client.provider.set(cluster('a', 2))
  assert.equal(show(await client.next()), 'Cluster a')
}

describe('a cluster that changes', () => {
  test('is followed by its endpoints for Envoy, which waits for them with its ACK', async () => {
    const client = deltaClient({ userAgent: 'envoy' })
    await changeCluster(client)
    assert.equal(await client.take(), 'ClusterLoadAssignment a')
    client.stream.close()
  })

  test('is not for others', async () => {
    const client = deltaClient()
    await changeCluster(client)
    await client.quiet()
    client.stream.close()
  })

  test('is followed by its endpoints in state-of-the-world when they are asked for once more', async () => {
    const settings = common({})
    const { provider } = settings
    const requests = new Requests<DiscoveryRequest>()
    const stream = new AdsStream<DiscoveryRequest, DiscoveryResponse>({
      ...settings,
      variant: 'state-of-the-world',
      newSubscription: (typeUrl) => new SotwSubscription(typeUrl),
    })
    provider.onChange((change) => stream.changed(change))
    const responses = stream.run(requests, new AbortController().signal)
    const send = (init: MessageInitShape<typeof DiscoveryRequestSchema>): void => {
      requests.push(create(DiscoveryRequestSchema, { node: node('n'), ...init }))
    }
    const next = async (): Promise<string> => {
      const { value } = await responses.next()
      const { typeUrl, nonce } = value as DiscoveryResponse
      nonces.set(typeUrl, nonce)
      return typeUrl
    }
    const nonces = new Map<string, string>()
    const askEndpoints = (): void => {
      send({ typeUrl: eds, resourceNames: ['a'], responseNonce: nonces.get(eds) ?? '' })
    }
    provider.set(cluster('a', 1), item(eds, 'a'))
    send({ typeUrl: cds })
    askEndpoints()
    assert.deepEqual([await next(), await next()], [cds, eds])
    send({ typeUrl: cds, responseNonce: nonces.get(cds) ?? '' })
    askEndpoints()
    provider.set(cluster('a', 2))
    assert.equal(await next(), cds)
    askEndpoints()
    assert.equal(await next(), eds)
    stream.close()
    await responses.return(undefined)
  })
})

describe('refused', () => {
  const cases: readonly [string, string, Options, MessageInitShape<typeof DeltaDiscoveryRequestSchema>][] = [
    ['no type URL', 'XDS_TYPE_URL', {}, {}],
    ['another type than the service has', 'XDS_TYPE_URL', { onlyType: rds }, { typeUrl: cds }],
    [
      'more names than the limit',
      'XDS_LIMIT',
      { limits: { names: 1 } },
      { typeUrl: eds, resourceNamesSubscribe: ['a', 'b'] },
    ],
    ['more types than the limit', 'XDS_LIMIT', { limits: { types: 0 } }, { typeUrl: eds }],
  ]
  for (const [what, code, options, request] of cases) {
    test(`${what}: ${code}`, async () => {
      const client = deltaClient(options)
      client.send(request)
      await assert.rejects(client.pull(), { code })
      assert.equal(client.counters.streamsRefused, 1)
      assert.equal(client.provider.views, 0)
    })
  }

  test('no node in the first request: XDS_NODE_MISSING', async () => {
    const client = deltaClient()
    client.requests.push(create(DeltaDiscoveryRequestSchema, { typeUrl: cds }))
    await assert.rejects(client.pull(), { code: 'XDS_NODE_MISSING' })
  })
})

describe('the end', () => {
  for (const [how, end] of [
    ['the client ends its requests', (client: ReturnType<typeof deltaClient>) => client.requests.end()],
    ['the client is gone', (client: ReturnType<typeof deltaClient>) => client.abort.abort()],
    ['the server closes', (client: ReturnType<typeof deltaClient>) => client.stream.close()],
  ] as const) {
    test(`${how}: the stream ends and its view is closed`, async () => {
      const client = deltaClient()
      client.send({ typeUrl: cds })
      await client.take()
      assert.equal(client.provider.views, 1)
      end(client)
      assert.equal((await client.pull()).done, true)
      assert.equal(client.provider.views, 0)
      client.provider.set(item(cds, 'late'))
    })
  }
})

test('the view of a stream shows what is subscribed, sent, accepted and refused', async () => {
  const client = deltaClient()
  client.provider.set(item(cds, 'a'))
  client.send({ typeUrl: cds })
  client.send({ typeUrl: eds, resourceNamesSubscribe: ['z', 'y'] })
  await client.take()
  await client.take()
  client.provider.set(item(cds, 'a', 2))
  const { nonce } = await client.next()
  client.send({ typeUrl: cds, responseNonce: nonce, errorDetail: { code: 3, message: 'no such thing' } })
  await client.quiet()
  const view = client.stream.view()
  assert.deepEqual([view.nodeId, view.variant, view.service, view.peer], ['n', 'delta', 'ads', 'test'])
  const [clusters, endpoints] = view.types
  assert.ok(clusters !== undefined && endpoints !== undefined)
  assert.deepEqual(
    [clusters.wildcard, clusters.names, clusters.sent, clusters.acks, clusters.nacks],
    [true, [], 2, 1, 1],
  )
  assert.equal(clusters.pending, false)
  assert.notEqual(clusters.ackedVersion, clusters.sentVersion)
  const { lastNack } = clusters
  assert.deepEqual([lastNack?.reason, lastNack?.resources, lastNack?.resolved], ['no such thing', ['a'], false])
  assert.equal(lastNack?.version, clusters.sentVersion)
  assert.deepEqual([endpoints.wildcard, endpoints.names], [false, ['y', 'z']])
  assert.deepEqual(client.counters.of(cds), { requests: 3, pushes: 2, resources: 2, acks: 1, nacks: 1, stale: 0 })
  client.provider.set(item(cds, 'a', 3))
  await client.take()
  await client.quiet()
  assert.equal(client.stream.view().types[0]?.lastNack?.resolved, true)
  client.stream.close()
})
