/**
 * Third-party Thrift clients and servers with the proxy between them: routing by method, service and header, weights,
 * rules that change during the calls, and the errors that clients raise.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  generateThrift,
  needPeer,
  startNodeClient,
  startNodeServer,
  startPythonClient,
  startPythonServer,
  type NodeClient,
  type ThriftClient,
  type ThriftServer,
} from '@aeraki/testing'
import { type SmallMesh, exact, freePort, route, startSmallMesh } from '../support/small-mesh.ts'

const compiler = needPeer('thrift-compiler')
const python = needPeer('python')
const skip = compiler.skip === false ? python.skip : compiler.skip

describe('Thrift through the proxy', { skip }, () => {
  const code = skip === false ? generateThrift() : undefined
  /** Python servers that take every transport and protocol. */
  const servers: ThriftServer[] = []
  const meshes: SmallMesh[] = []
  const clients: ThriftClient[] = []

  before(async () => {
    for (const name of ['v1', 'v2']) servers.push(await startPythonServer(generated(), { transport: 'header', name }))
  })
  after(async () => {
    for (const client of clients) await client.stop()
    for (const mesh of meshes) await mesh.close()
    for (const server of servers) await server.stop()
    code?.remove()
  })

  const kinds: readonly (readonly [label: string, start: (port: number) => Promise<ThriftClient>])[] = [
    ['Node.js, framed binary', node('framed', 'binary')],
    ['Node.js, framed compact', node('framed', 'compact')],
    ['Node.js, unframed binary', node('buffered', 'binary')],
    ['Node.js, unframed compact', node('buffered', 'compact')],
    ['Python, framed binary', (port) => startPythonClient(generated(), { port, transport: 'framed' })],
    ['Python, header binary', (port) => startPythonClient(generated(), { port, transport: 'header' })],
    [
      'Python, header compact with zlib',
      (port) => startPythonClient(generated(), { port, transport: 'header', protocol: 'compact', zlib: true }),
    ],
  ]

  for (const [label, start] of kinds) {
    test(`${label}: calls go where their method says, and errors are what the client expects`, async () => {
      const mesh = await startMesh()
      const client = await connect(mesh, start)
      mesh.setRoutes(route('v2', { match: [exact('method', 'sayHello')] }), route('v1'))
      assert.deepEqual(greeters(await client.call('sayHello', { args: ['you'], count: 20 })), { v2: 20 })
      await client.call('tell', { args: [label] })
      const [told] = await client.call('told')
      assert.ok(Array.isArray(told?.value) && told.value.includes(label))
      assert.equal((await client.call('echo', { args: [{ name: 'x', weight: 1 }] }))[0]?.error, undefined)
      assert.equal((await client.call('echo', { args: [{ name: '' }] }))[0]?.type, 'Refused')
      assert.equal((await client.call('fail', { args: ['boom'] }))[0]?.code, 6)

      mesh.setRoutes(route('v1', { match: [exact('method', 'told')] }))
      const [unrouted] = await client.call('sayHello', { args: ['you'] })
      assert.deepEqual([unrouted?.type, unrouted?.code], ['TApplicationException', 1])
      assert.match(unrouted?.error ?? '', /route/i)

      mesh.setCluster('dead', [await freePort()])
      mesh.setRoutes(route('dead'))
      const [failed] = await client.call('sayHello', { args: ['you'] })
      assert.deepEqual([failed?.type, failed?.code], ['TApplicationException', 6])

      mesh.setRoutes(route('v1'))
      assert.deepEqual(greeters(await client.call('sayHello', { args: ['you'] })), { v1: 1 })
    })
  }

  test('multiplexed calls go where their service says', async () => {
    const form = { transport: 'framed', protocol: 'compact' } as const
    const one = await startNodeServer(generated(), { ...form, name: 'one', multiplexed: true })
    const two = await startNodeServer(generated(), { ...form, name: 'two', multiplexed: true })
    servers.push(one, two)
    const mesh = await startMesh({ one: [one.port], two: [two.port] })
    const greeter = await connect(mesh, (port) => startNodeClient(generated(), { ...form, port, service: 'Greeter' }))
    const counter = await connect(mesh, (port) => startPythonClient(generated(), { ...form, port, service: 'Counter' }))
    mesh.setRoutes(route('two', { match: [exact('service', 'Greeter'), exact('method', 'sayHello')] }), route('one'))
    assert.deepEqual(greeters(await greeter.call('sayHello', { args: ['you'], count: 5 })), { two: 5 })
    assert.deepEqual(await counter.call('add', { args: [20, 22] }), [{ value: 42 }])
    mesh.setRoutes(route('one', { match: [exact('service', 'Greeter')] }))
    assert.deepEqual(greeters(await greeter.call('sayHello', { args: ['you'], count: 5 })), { one: 5 })
    assert.equal((await counter.call('add', { args: [20, 22] }))[0]?.type, 'TApplicationException')
  })

  for (const protocol of ['binary', 'compact'] as const) {
    test(`header ${protocol}: calls go where their info header says, with headers set on the way`, async () => {
      const mesh = await startMesh()
      const client = await connect(mesh, (port) =>
        startPythonClient(generated(), { port, transport: 'header', protocol }),
      )
      const requestMutation = { set: [{ key: 'tracing', value: 'on' }] }
      mesh.setRoutes(route('v2', { match: [exact('batchjob', 'true')], requestMutation }), route('v1'))
      const headers = { batchJob: 'true' }
      assert.deepEqual(greeters(await client.call('sayHello', { args: ['you'], headers, count: 5 })), { v2: 5 })
      assert.deepEqual(greeters(await client.call('sayHello', { args: ['you'], count: 5 })), { v1: 5 })
      assert.deepEqual(await client.call('header', { args: ['tracing'], headers }), [{ value: 'on' }])
      assert.deepEqual(await client.call('header', { args: ['batchJob'], headers }), [{ value: 'true' }])
      assert.deepEqual(await client.call('header', { args: ['tracing'] }), [{ value: '' }])
    })
  }

  test('weighted subsets get their share', async () => {
    const mesh = await startMesh()
    const client = await connect(mesh, node('framed', 'binary'))
    mesh.setRoutes(route({ v1: 30, v2: 70 }))
    const shares = greeters(await client.call('sayHello', { args: ['you'], count: 1000 }))
    assert.equal((shares['v1'] ?? 0) + (shares['v2'] ?? 0), 1000)
    // Five standard deviations of a binomial distribution.
    assert.ok(Math.abs((shares['v1'] ?? 0) - 300) < 5 * Math.sqrt(1000 * 0.3 * 0.7), JSON.stringify(shares))
  })

  test('route tables are replaced during the calls: none fails, no connection closes, both routes are taken', async () => {
    const mesh = await startMesh()
    const live: { client: ThriftClient; batch: number }[] = []
    for (const [, start] of kinds) {
      const client = await connect(mesh, start)
      live.push({ client, batch: 20 })
    }
    const tables = [
      [route('v1')],
      [route('v2')],
      [route({ v1: 30, v2: 70 })],
      [route('v1', { match: [exact('method', 'sayHello')] })],
    ]
    const progress = { replaced: 0 }
    const replace = () => {
      progress.replaced += 1
      mesh.setRoutes(...(tables[progress.replaced % tables.length] ?? []))
    }
    replace()
    const timer = setInterval(replace, 1)
    const totals: Record<string, number> = {}
    try {
      await Promise.all(
        live.map(async ({ client, batch }) => {
          for (let round = 0; round < 15 || progress.replaced < 100; round += 1) {
            const shares = greeters(await client.call('sayHello', { args: ['you'], count: batch }))
            for (const [name, count] of Object.entries(shares)) totals[name] = (totals[name] ?? 0) + count
          }
        }),
      )
    } finally {
      clearInterval(timer)
    }
    assert.deepEqual(Object.keys(totals).toSorted(), ['v1', 'v2'])
    assert.ok(live.every(({ client }) => (client as Partial<NodeClient>).closed !== true))
  })

  function generated() {
    assert.ok(code)
    return code
  }

  function node(transport: 'framed' | 'buffered', protocol: 'binary' | 'compact') {
    return (port: number) => startNodeClient(generated(), { port, transport, protocol })
  }

  async function startMesh(clusters?: Readonly<Record<string, readonly number[]>>): Promise<SmallMesh> {
    const versions = Object.fromEntries(servers.slice(0, 2).map(({ port }, index) => [`v${index + 1}`, [port]]))
    const mesh = await startSmallMesh('thrift', clusters ?? versions)
    meshes.push(mesh)
    return mesh
  }

  async function connect(mesh: SmallMesh, start: (port: number) => Promise<ThriftClient>): Promise<ThriftClient> {
    const client = await start(Number(mesh.address.split(':')[1]))
    clients.push(client)
    return client
  }
})

/** How many calls each server answered; throws on a call that failed. */
function greeters(calls: readonly { value?: unknown; error?: string }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { value, error } of calls) {
    assert.equal(error, undefined)
    const name = String(value).replace(' greets you', '')
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
