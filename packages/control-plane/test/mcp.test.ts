/** Configuration objects over MCP-over-xDS, both ways. The suites with a real istiod are in test/cluster. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { create, fromBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { loadResources, loadValue } from '@aeraki/api'
import { createAdsServer, type Resource, StaticProvider } from '@aeraki/xds'
import { ResourceSchema } from '@aeraki/xds/gen/istio/mcp/v1alpha1/resource_pb.ts'
import { collectionsOf, isMcpKind, kindOfCollection, mcpKinds } from '../src/mcp/collections.ts'
import { fromMcp, mcpName, type McpObject, toMcp } from '../src/mcp/objects.ts'
import { createMcpOutput } from '../src/outputs/mcp.ts'
import { createMcpSource } from '../src/sources/mcp.ts'
import type { OriginUpdate } from '../src/sources/source.ts'

const serviceEntry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: orders, namespace: shop, labels: { team: a }, annotations: { interface: com.acme.Orders } }
spec:
  hosts: [com.acme.orders]
  addresses: [10.1.2.3]
  ports: [{ number: 20880, name: tcp-dubbo, protocol: TCP, targetPort: 20881 }]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{ address: 10.9.0.1, labels: { version: v1 }, locality: r/z, weight: 3, ports: { tcp-dubbo: 7 } }]
`

const others = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: orders, namespace: shop }
spec:
  host: com.acme.orders
  trafficPolicy:
    connectionPool: { tcp: { connectTimeout: 1m30s, maxConnections: 7 } }
    outlierDetection: { consecutive5xxErrors: 3, interval: 250ms, baseEjectionTime: 5m }
    loadBalancer: { consistentHash: { httpHeaderName: user, maglev: { tableSize: 251 } } }
  subsets: [{ name: v1, labels: { version: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: orders, namespace: shop }
spec:
  hosts: [com.acme.orders]
  http:
    - match: [{ method: { exact: get }, headers: { user: { regex: "t.*" } } }]
      timeout: 1500ms
      fault: { delay: { fixedDelay: 2s, percentage: { value: 12.5 } } }
      route: [{ destination: { host: com.acme.orders, subset: v1, port: { number: 20880 } }, weight: 100 }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  selector: { istio: ingressgateway }
  servers: [{ hosts: ["*"], port: { number: 20880, name: tcp-metaprotocol-dubbo, protocol: TCP } }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: w1, namespace: shop }
spec: { address: 10.0.0.9, labels: { app: orders }, weight: 2 }
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: f, namespace: istio-system }
spec:
  priority: -5
  workloadSelector: { labels: { app: orders } }
  configPatches:
    - applyTo: NETWORK_FILTER
      match: { listener: { name: virtualInbound, filterChain: { destinationPort: 20880, filter: { name: envoy.filters.network.tcp_proxy } } } }
      patch: { operation: REPLACE, value: { name: x, typed_config: { n: 1.5, list: [true, null, "a"] } } }
`

function load(yaml: string): McpObject[] {
  const { objects, diagnostics } = loadResources(yaml, 'test.yaml')
  assert.deepEqual(diagnostics, [])
  return objects.flatMap(({ kind, metadata, spec }) => (isMcpKind(kind) ? [{ kind, metadata, spec }] : []))
}

function one(yaml: string): McpObject {
  const [object] = load(yaml)
  assert.ok(object)
  return object
}

function withHost(object: McpObject, host: string): McpObject {
  return { ...object, spec: { ...(object.spec as object), hosts: [host] } }
}

describe('objects', () => {
  test('every kind comes back as it was sent, durations in seconds', () => {
    const sent = load(`${serviceEntry}---${others}`)
    assert.deepEqual(sent.map(({ kind }) => kind).toSorted(), [...mcpKinds].toSorted())
    for (const object of sent) {
      const [collection = ''] = collectionsOf(object.kind)
      const { objects, diagnostics } = loadValue(fromMcp(collection, toMcp(object).any), 'mcp')
      assert.deepEqual(diagnostics, [])
      const [received] = objects
      assert.ok(received)
      const expected: unknown = JSON.parse(
        JSON.stringify(object.spec)
          .replace('"1m30s"', '"90s"')
          .replace('"250ms"', '"0.250s"')
          .replace('"5m"', '"300s"')
          .replace('"1500ms"', '"1.500s"'),
      )
      assert.deepEqual(received.spec, expected)
      assert.deepEqual(received.metadata.labels, object.metadata.labels)
      assert.deepEqual(received.metadata.annotations, object.metadata.annotations)
      assert.equal(mcpName(received), mcpName(object))
    }
  })

  test('equal objects have equal versions, and anything that differs another one', () => {
    const object = one(serviceEntry)
    const { metadata } = object
    assert.equal(toMcp(object).version, toMcp(structuredClone(object)).version)
    const changed = [
      withHost(object, 'other'),
      { ...object, metadata: { ...metadata, labels: { team: 'b' } } },
      { ...object, metadata: { ...metadata, annotations: {} } },
    ]
    const versions = new Set([object, ...changed].map((each) => toMcp(each).version))
    assert.equal(versions.size, 4)
    const inEnvelope = fromBinary(ResourceSchema, toMcp(object).any.value).metadata
    assert.equal(inEnvelope?.name, 'shop/orders')
    assert.match(inEnvelope?.version ?? '', /^.+$/)
  })

  test('fields of ours that Istio does not know are left out', () => {
    const object = one(serviceEntry.replace('targetPort: 20881', 'targetPort: 20881, appProtocol: aeraki.io/dubbo'))
    const value = fromMcp('networking.istio.io/v1/ServiceEntry', toMcp(object).any)
    assert.deepEqual((value['spec'] as { ports: unknown[] }).ports, [
      { number: 20880, name: 'tcp-dubbo', protocol: 'TCP', targetPort: 20881 },
    ])
  })

  test('what is none of its kind is refused with the reason', () => {
    const refused = { code: 'MCP_OBJECT' }
    assert.throws(() => toMcp({ ...one(serviceEntry), spec: { hosts: 7 } }), refused)
    const gateway = 'networking.istio.io/v1/Gateway'
    assert.throws(() => fromMcp(gateway, toMcp(one(serviceEntry)).any), refused)
    assert.throws(() => fromMcp('a/b/c', toMcp(one(serviceEntry)).any), refused)
    assert.throws(() => fromMcp(gateway, create(AnySchema, { value: new Uint8Array([255, 255]) })), refused)
  })

  test('a collection is known under every version of its kind, and under nothing else', () => {
    assert.equal(kindOfCollection('networking.istio.io/v1/ServiceEntry'), 'ServiceEntry')
    assert.equal(kindOfCollection('networking.istio.io/v1alpha3/ServiceEntry'), 'ServiceEntry')
    for (const name of [
      '',
      '/v1alpha1/MeshConfig',
      'security.istio.io/v1/ServiceEntry',
      'networking.istio.io/v1/Sidecar',
    ])
      assert.equal(kindOfCollection(name), undefined)
  })
})

describe('output', () => {
  test('tells what changed under every version of the kind, and nothing when nothing did', () => {
    const output = createMcpOutput()
    const told: string[] = []
    output.onChange((change) => {
      for (const [typeUrl, names] of change) told.push(`${typeUrl} ${[...names].join()}`)
    })
    const object = one(serviceEntry)
    output.publish({ put: [object], removed: [] })
    assert.deepEqual(told.toSorted(), [
      'networking.istio.io/v1/ServiceEntry shop/orders',
      'networking.istio.io/v1alpha3/ServiceEntry shop/orders',
      'networking.istio.io/v1beta1/ServiceEntry shop/orders',
    ])
    output.publish({ put: [structuredClone(object)], removed: [] })
    assert.equal(told.length, 3)
    assert.deepEqual(output.view.names('networking.istio.io/v1/ServiceEntry'), ['shop/orders'])
    assert.deepEqual(output.view.names('networking.istio.io/v1/Gateway'), [])
    output.publish({ put: [], removed: [object] })
    assert.equal(told.length, 6)
    assert.equal(output.view.get('networking.istio.io/v1/ServiceEntry', 'shop/orders'), undefined)
  })

  test('an object that cannot be sent leaves its last good version', () => {
    const output = createMcpOutput()
    const object = one(serviceEntry)
    output.publish({ put: [object], removed: [] })
    const before = output.view.get('networking.istio.io/v1/ServiceEntry', 'shop/orders')
    output.publish({ put: [{ ...object, spec: { hosts: 7 } }], removed: [] })
    assert.equal(output.view.get('networking.istio.io/v1/ServiceEntry', 'shop/orders'), before)
  })
})

/** A server of collections: each resource under the one version it is put under, as istiod has it. */
async function serve(t: TestContext, versions: readonly string[]) {
  const provider = new StaticProvider()
  const server = await createAdsServer({
    provider: asCollections(provider, versions),
    listen: { host: '127.0.0.1', port: 0 },
  })
  t.after(() => server.close())
  return { provider, port: server.address.port }
}

/** Resources of an MCP envelope all have one type; this provider tells them apart by the kind in the name's prefix. */
function asCollections(provider: StaticProvider, versions: readonly string[]) {
  const envelope = `type.googleapis.com/${ResourceSchema.typeName}`
  const collections = versions.map((version) => `networking.istio.io/${version}/ServiceEntry`)
  return {
    onChange: (listener: (change: ReadonlyMap<string, ReadonlySet<string>>) => void) =>
      provider.onChange((change) => {
        const names = change.get(envelope) ?? new Set()
        listener(new Map(collections.map((typeUrl) => [typeUrl, names])))
      }),
    connect(node: Parameters<StaticProvider['connect']>[0]) {
      const view = provider.connect(node)
      return {
        ...view,
        names: (typeUrl: string) => (collections.includes(typeUrl) ? view.names(envelope) : []),
        get: (typeUrl: string, name: string) => (collections.includes(typeUrl) ? view.get(envelope, name) : undefined),
      }
    },
  }
}

function follow(t: TestContext, port: number) {
  const updates: OriginUpdate[] = []
  const source = createMcpSource({ target: `127.0.0.1:${port}`, backoff: { baseMs: 5, maxMs: 20 } })
  t.after(() => source.close())
  return {
    updates,
    started: source.start((batch) => void updates.push(...batch)),
    until: async (condition: () => boolean) => {
      while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
    },
  }
}

function hostsOf(updates: readonly OriginUpdate[]): string[] {
  return updates.flatMap(({ state, objects }) =>
    state === 'removed' ? ['gone'] : objects.flatMap((each) => (each.kind === 'ServiceEntry' ? each.spec.hosts : [])),
  )
}

describe('source', () => {
  for (const versions of [['v1'], ['v1alpha3'], ['v1', 'v1alpha3']]) {
    test(
      `objects that are served as ${versions.join(' and ')} come once, change and go`,
      { timeout: 60_000 },
      async (t) => {
        const { provider, port } = await serve(t, versions)
        const object = one(serviceEntry)
        provider.set(toMcp(object))
        const { updates, started, until } = follow(t, port)
        await started
        assert.deepEqual(hostsOf(updates), ['com.acme.orders'])
        assert.match(updates[0]?.origin ?? '', /^mcp:\/\/127\.0\.0\.1:\d+\/ServiceEntry\/shop\/orders$/)
        provider.set(toMcp(withHost(object, 'com.acme.other')))
        await until(() => updates.length >= 2)
        provider.delete(`type.googleapis.com/${ResourceSchema.typeName}`, 'shop/orders')
        await until(() => updates.length >= 3)
        assert.deepEqual(hostsOf(updates), ['com.acme.orders', 'com.acme.other', 'gone'])
      },
    )
  }

  test('an object that cannot be read is reported by its name, and the others come', { timeout: 60_000 }, async (t) => {
    const { provider, port } = await serve(t, ['v1'])
    const good = toMcp(one(serviceEntry))
    const envelope = fromBinary(ResourceSchema, good.any.value)
    const broken: Resource = {
      name: 'shop/broken',
      version: '1',
      any: create(AnySchema, {
        typeUrl: good.any.typeUrl,
        value: toMcp({ ...one(serviceEntry), metadata: { namespace: 'shop', name: 'broken' }, spec: {} }).any.value,
      }),
    }
    assert.equal(envelope.metadata?.name, 'shop/orders')
    provider.set(good, broken)
    const { updates, started } = follow(t, port)
    await started
    assert.deepEqual(hostsOf(updates), ['com.acme.orders'])
    const [diagnostic] = updates.flatMap(({ diagnostics }) => diagnostics)
    assert.equal(diagnostic?.name, 'broken')
    assert.equal(diagnostic.namespace, 'shop')
  })
})
