/** Requests and handlers of the client, with the server played by the test. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { ClientStreams } from '../../src/client/client-streams.ts'
import { DeltaClientSubscription } from '../../src/client/delta-client-subscription.ts'
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { typeUrls, type Update } from '../../src/index.ts'
import { Signal } from '../../src/signal.ts'
import { item, node } from '../resources.ts'
import { waitFor } from '../wait-for.ts'

const { cluster: cds, endpoints: eds, listener: lds } = typeUrls

function setUp(onUpdate: (typeUrl: string, update: Update) => Promise<void>) {
  const requests: DeltaDiscoveryRequest[] = []
  const responses: DeltaDiscoveryResponse[] = []
  const ready = new Signal()
  const streams = new ClientStreams<DeltaDiscoveryRequest, DeltaDiscoveryResponse>({
    node: node('n'),
    handler: { onUpdate, onState: () => {} },
    newSubscription: (typeUrl) => new DeltaClientSubscription(typeUrl),
    call: (outgoing, signal) => {
      void (async () => {
        for await (const request of outgoing) requests.push(request)
      })()
      signal.addEventListener('abort', () => ready.raise())
      return (async function* () {
        while (!signal.aborted) {
          const response = responses.shift()
          if (response === undefined) await ready.wait()
          else yield response
        }
      })()
    },
  })
  const abort = new AbortController()
  let nonce = 0
  return {
    streams,
    requests,
    responses,
    running: () => streams.run(abort.signal, () => {}),
    abort: () => abort.abort(),
    respond: (
      typeUrl: string,
      names: readonly string[],
      init: MessageInitShape<typeof DeltaDiscoveryResponseSchema> = {},
    ) => {
      const resources = names.map((name) => {
        const { version, any } = item(typeUrl, name)
        return { name, version, resource: any }
      })
      responses.push(create(DeltaDiscoveryResponseSchema, { typeUrl, nonce: String(++nonce), resources, ...init }))
      ready.raise()
    },
  }
}

const brief = ({ typeUrl, resourceNamesSubscribe, responseNonce }: DeltaDiscoveryRequest): string =>
  `${typeUrl.split('.').at(-1)} ${resourceNamesSubscribe.join()} ${responseNonce}`

test('the node is in the first request only', async () => {
  const { streams, requests, running, abort } = setUp(async () => {})
  streams.subscribe(cds, '*')
  streams.subscribe(eds, ['a'])
  const run = running()
  await waitFor('both', () => requests.length === 2)
  assert.deepEqual(
    requests.map((request) => request.node?.id),
    ['n', undefined],
  )
  abort()
  await run
})

test('what a handler asks for is on its way before its ACK', async () => {
  const { streams, requests, running, abort, respond } = setUp(async (typeUrl) => {
    if (typeUrl === cds) streams.subscribe(eds, ['c'])
  })
  streams.subscribe(cds, '*')
  const run = running()
  respond(cds, ['c'])
  await waitFor('all', () => requests.length === 3)
  assert.deepEqual(requests.map(brief), ['Cluster  ', 'ClusterLoadAssignment c ', 'Cluster  1'])
  abort()
  await run
})

test('responses of one type wait for each other, those of another do not', async () => {
  const running: string[] = []
  const finish: (() => void)[] = []
  const client = setUp(async (typeUrl, { changed }) => {
    running.push(`${typeUrl.split('.').at(-1)} ${changed[0]?.name}`)
    await new Promise<void>((resolve) => finish.push(resolve))
  })
  client.streams.subscribe(cds, '*')
  client.streams.subscribe(lds, '*')
  const run = client.running()
  client.respond(cds, ['one'])
  client.respond(cds, ['two'])
  client.respond(lds, ['three'])
  await waitFor('two handlers', () => running.length === 2)
  assert.deepEqual(running, ['Cluster one', 'Listener three'])
  finish[0]?.()
  await waitFor('the third', () => running.length === 3)
  assert.equal(running[2], 'Cluster two')
  for (const each of finish) each()
  await waitFor('the answers', () => client.requests.filter(({ responseNonce }) => responseNonce !== '').length === 3)
  client.abort()
  await run
})

test('no more is read when too many responses wait for a handler', async () => {
  const finish: (() => void)[] = []
  const client = setUp(() => new Promise<void>((resolve) => finish.push(resolve)))
  client.streams.subscribe(cds, '*')
  const run = client.running()
  for (let index = 0; index < 20; index++) client.respond(cds, [`c${index}`])
  await waitFor('the queue to fill', () => client.responses.length === 15)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(client.responses.length, 15, 'one is handled, four wait, the rest is not read')
  while (client.responses.length > 0 || finish.length > 0) {
    finish.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.abort()
  await run
})

test('a reason is cut to what a request can carry, an empty one is said to be a refusal', async () => {
  for (const [message, expected] of [
    ['x'.repeat(10_000), 4096],
    ['', 'refused'.length],
  ] as const) {
    const client = setUp(() => Promise.reject(new Error(message)))
    client.streams.subscribe(cds, '*')
    const run = client.running()
    client.respond(cds, ['a'])
    const nack = await waitFor('the NACK', () => client.requests.find(({ errorDetail }) => errorDetail !== undefined))
    assert.deepEqual([nack.errorDetail?.message.length, nack.errorDetail?.code], [expected, 3])
    client.abort()
    await run
  }
})

test('a response of a type that nobody asked for, and a resource that nobody asked for, are ignored', async () => {
  const seen: string[] = []
  const client = setUp(async (typeUrl, { changed, removed }) => {
    seen.push(`${typeUrl.split('.').at(-1)} ${changed.map(({ name }) => name).join()} ${removed.join()}`)
  })
  client.streams.subscribe(eds, ['a'])
  const run = client.running()
  client.respond(lds, ['l'])
  client.respond(eds, ['a', 'b'], { removedResources: ['c'] })
  await waitFor('the ACK', () => client.requests.some(({ responseNonce }) => responseNonce === '2'))
  assert.deepEqual(seen, ['ClusterLoadAssignment a '])
  client.abort()
  await run
})

describe('a stream that ends', () => {
  test('while a handler runs: the next waits for it and says what was accepted', async () => {
    const finish: (() => void)[] = []
    const client = setUp(() => new Promise<void>((resolve) => finish.push(resolve)))
    client.streams.subscribe(cds, '*')
    const first = new AbortController()
    const run = client.streams.run(first.signal, () => {})
    client.respond(cds, ['a'])
    await waitFor('the handler', () => finish.length === 1)
    first.abort()
    await run
    client.requests.length = 0
    const again = client.running()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(client.requests.length, 0)
    finish[0]?.()
    const request = await waitFor('the request', () => client.requests[0])
    assert.deepEqual(request.initialResourceVersions, { a: item(cds, 'a').version })
    assert.equal(request.responseNonce, '')
    assert.equal(request.node?.id, 'n')
    client.abort()
    await again
  })
})
