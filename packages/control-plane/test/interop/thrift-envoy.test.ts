/** Apache Thrift's Python and Node.js libraries through the thrift_proxy of a real Envoy, by generated EnvoyFilters. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  generateThrift,
  needPeer,
  startNodeClient,
  startNodeServer,
  startPythonClient,
  startPythonServer,
  type StaticEnvoy,
  type ThriftCall,
  type ThriftClient,
  type ThriftCode,
  type ThriftServer,
} from '@aeraki/testing'
import { startGeneratedEnvoy } from '../support/generated-envoy.ts'

const missing = [needPeer('envoy'), needPeer('python'), needPeer('thrift-compiler')].find(({ skip }) => skip !== false)

/** Nobody listens there, and nobody is given it: one that is free now may be Envoy's own in a moment. */
const nobody = 1

function service(name: string, address: string, http: string): string {
  const host = `${name}.shop.svc.cluster.local`
  const to = (subset: string): string => `destination: {host: ${host}, subset: ${subset}}`
  return `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [${host}]
  addresses: [${address}]
  ports: [{number: 9090, name: tcp-thrift, protocol: TCP}]
  resolution: STATIC
  workloadSelector: {labels: {app: ${name}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: shop}
spec:
  host: ${host}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [${host}]
  http:
${http.replaceAll('TO_V1', to('v1')).replaceAll('TO_V2', to('v2'))}
`
}

const mesh =
  service(
    'greeter',
    '10.0.0.1',
    `
  - match: [{method: {exact: touch}}, {headers: {batchJob: {exact: "true"}}}]
    route: [{TO_V2}]
  - match: [{headers: {user: {exact: half}}}]
    route: [{TO_V1, weight: 30}, {TO_V2, weight: 70}]
  - match: [{method: {exact: tell}}]
    route: [{TO_V1}]
    mirror: {host: greeter.shop.svc.cluster.local, subset: v2}
  - route: [{TO_V1}]`,
  ) +
  service(
    'many',
    '10.0.0.2',
    `
  - match: [{method: {exact: sayHello}, headers: {service: {exact: Greeter}}}]
    route: [{TO_V2}]
  - match: [{headers: {service: {exact: Greeter}}}]
    route: [{TO_V1}]`,
  ) +
  service(
    'framed',
    '10.0.0.3',
    `
  - match: [{method: {exact: touch}}]
    route: [{TO_V2}]
  - route: [{TO_V1}]`,
  ) +
  service('compact', '10.0.0.4', '  - route: [{TO_V1}]') +
  service('unframed', '10.0.0.5', '  - route: [{TO_V1}]')

function names(calls: readonly ThriftCall[]): string[] {
  return calls.map(({ value, error }) => /v[12]/.exec(JSON.stringify(value ?? ''))?.[0] ?? `error ${error}`)
}

describe('Thrift through a real Envoy', { skip: missing?.skip ?? false }, () => {
  let code: ThriftCode
  let servers: ThriftServer[] = []
  let workloads: StaticEnvoy
  let envoy: StaticEnvoy
  const clients: ThriftClient[] = []

  before(async () => {
    code = generateThrift()
    servers = await Promise.all([
      startPythonServer(code, { transport: 'header', name: 'v1' }),
      startPythonServer(code, { transport: 'header', name: 'v2' }),
      startPythonServer(code, { transport: 'framed', name: 'v1', multiplexed: true }),
      startPythonServer(code, { transport: 'framed', name: 'v2', multiplexed: true }),
      startPythonServer(code, { transport: 'framed', name: 'v1' }),
      startPythonServer(code, { transport: 'framed', protocol: 'compact', name: 'v1' }),
      startNodeServer(code, { transport: 'buffered', name: 'v1' }),
    ])
    const ports = servers.map(({ port }) => port)
    const versions: Record<string, readonly (number | undefined)[]> = {
      greeter: ports.slice(0, 2),
      many: ports.slice(2, 4),
      framed: [ports[4], nobody],
      compact: [ports[5]],
      unframed: [ports[6]],
    }
    const app = (cluster: string): number => {
      const name = Object.keys(versions).find((each) => cluster.includes(`|${each}.`)) ?? 'greeter'
      return versions[name]?.[cluster.includes('|v2|') ? 1 : 0] ?? nobody
    }
    workloads = await startGeneratedEnvoy(mesh, app)
    // Calls to the first version pass a second Envoy, in front of the workload.
    const inbound = workloads.portOf('shop/aeraki-inbound-greeter.shop.svc.cluster.local-9090 virtualInbound:9090')
    envoy = await startGeneratedEnvoy(mesh, (cluster) => (cluster.includes('|v1|greeter') ? inbound : app(cluster)))
  })
  after(async () => {
    for (const client of clients) await client.stop()
    for (const each of [envoy, workloads]) await each?.stop()
    for (const server of servers) await server.stop()
    code?.remove()
  })

  async function connect(
    library: 'python' | 'node',
    listener: string,
    options: { transport: 'framed' | 'buffered' | 'header'; protocol?: 'compact'; service?: 'Greeter' },
  ): Promise<ThriftClient> {
    const start = library === 'python' ? startPythonClient : startNodeClient
    const client = await start(code, { port: envoy.portOf(listener), ...options })
    clients.push(client)
    return client
  }

  // A server remembers the transport of a connection, and Envoy shares connections: one service, one transport.
  for (const [library, listener, form] of [
    ['python', '10.0.0.1_9090', { transport: 'header' }],
    ['python', '10.0.0.3_9090', { transport: 'framed' }],
    ['node', '10.0.0.3_9090', { transport: 'framed' }],
    ['python', '10.0.0.4_9090', { transport: 'framed', protocol: 'compact' }],
    ['node', '10.0.0.5_9090', { transport: 'buffered' }],
  ] as const) {
    test(`a ${library} client calls: ${Object.values(form).join(' ')}`, async () => {
      const client = await connect(library, listener, form)
      assert.deepEqual(names(await client.call('sayHello', { args: ['you'] })), ['v1'])
    })
  }

  test('calls are routed by header, and their weights are kept', async () => {
    const client = await connect('python', '10.0.0.1_9090', { transport: 'header' })
    const call = (headers: Record<string, string>, count = 1) =>
      client.call('sayHello', { args: ['you'], headers, count })
    assert.deepEqual(names(await call({ batchJob: 'true' })), ['v2'])
    assert.deepEqual(names(await call({ batchJob: 'false' })), ['v1'])
    const first = names(await call({ user: 'half' }, 300)).filter((name) => name === 'v1').length
    // 90 are expected, with a standard deviation of 8.
    assert.ok(first > 40 && first < 140, `${first} of 300`)
  })

  test('calls are routed by method, and one that fails on its way costs no connection', async () => {
    const client = await connect('node', '10.0.0.3_9090', { transport: 'framed' })
    const [failed] = await client.call('touch', {})
    assert.equal(failed?.type, 'TApplicationException')
    assert.match(failed?.error ?? '', /connection failure/)
    assert.deepEqual(names(await client.call('sayHello', { args: ['you'] })), ['v1'])
  })

  test('a mirrored oneway call reaches both versions', async () => {
    const client = await connect('python', '10.0.0.1_9090', { transport: 'header' })
    await client.call('tell', { args: ['a secret'] })
    for (const headers of [{}, { batchJob: 'true' }]) {
      let told: unknown
      // Nobody answers a oneway call: it is heard some time later.
      for (let attempt = 0; attempt < 100; attempt += 1) {
        told = (await client.call('told', { headers }))[0]?.value
        if (JSON.stringify(told) === '["a secret"]') break
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      assert.deepEqual(told, ['a secret'])
    }
  })

  test('calls of a multiplexed service are routed by service and method', async () => {
    const client = await connect('python', '10.0.0.2_9090', { transport: 'framed', service: 'Greeter' })
    assert.deepEqual(names(await client.call('sayHello', { args: ['you'] })), ['v2'])
    assert.deepEqual(names(await client.call('echo', { args: [{ name: 'v1', weight: 1 }] })), ['v1'])
  })
})
