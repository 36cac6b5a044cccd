/** What a stock Envoy gets, by what it is and where it stands. The proofs with a real one are in interop. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { toJson } from '@bufbuild/protobuf'
import { type Change, type NodeView, typeUrls } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { TypedExtensionConfigSchema } from '@aeraki/xds/gen/envoy/config/core/v3/extension_pb.ts'
import { type Listener, ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/thrift_proxy/v3/route_pb.ts'
import { knownTypes } from '../src/envoy-patch/json.ts'
import { envoyFilter } from './envoy-patch/support.ts'
import { checkEdits, document } from './support/edits.ts'
import { createTestMesh, type NodeOptions, read, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'orders.example'
const thrift = 'tcp-thrift'
const trds = 'type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.v3.RouteConfiguration'
const drds = 'type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.MultipleRouteConfiguration'
const thriftProxy = 'type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy'
const envoy: NodeOptions = { envoy: {} }

const rule = (subset: string, namespace = 'default') => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rule, namespace: ${namespace}}
spec: {hosts: [${host}], exportTo: ${namespace === 'default' ? '["*"]' : '[.]'}, http: [{route: [{destination: {host: ${host}, subset: ${subset}}}]}]}
`

const service = serviceEntry({
  host,
  port: thrift,
  addresses: ['10.1.2.3'],
  endpoints: ['{address: 127.0.9.9, ports: {tcp-thrift: 7000}, labels: {version: v1}}'],
})

function meshWith(...documents: string[]): TestMesh {
  const mesh = createTestMesh()
  mesh.write('all.yaml', documents.join(''))
  return mesh
}

function listener(view: NodeView, name: string): Listener {
  return read(ListenerSchema, view.get(typeUrls.listener, name))
}

/** Names of the filters, a list for each chain. */
function filters(view: NodeView, name: string): string[][] {
  return listener(view, name).filterChains.map((chain) => chain.filters.map((filter) => filter.name))
}

/** Of the last filter of the first chain: its configuration, with what is in a TypedStruct. */
function config(message: Listener): unknown {
  const json = toJson(ListenerSchema, message, { registry: knownTypes }) as {
    filterChains: { filters: { typedConfig?: object; configDiscovery?: object }[] }[]
  }
  const last = json.filterChains[0]?.filters.at(-1)
  return last?.typedConfig ?? last?.configDiscovery
}

describe('a stock Envoy', () => {
  test('is told by what it says of itself; one with the MetaProtocol filter is none', () => {
    const mesh = meshWith(service)
    const name = '10.1.2.3_20880'
    assert.deepEqual(filters(mesh.view(), name), [['envoy.filters.network.meta_protocol_proxy']])
    assert.deepEqual(filters(mesh.view(envoy), name), [['envoy.filters.network.thrift_proxy']])
  })

  test('binds the substitute of an address that is not the machine’s, under the name that Istio gives', () => {
    const mesh = meshWith(service)
    const { address, bindToPort, enableReusePort } = listener(mesh.view(envoy), '10.1.2.3_20880')
    assert.match(JSON.stringify(address), /127\.240\.\d+\.\d+/)
    assert.deepEqual([bindToPort, enableReusePort], [undefined, false])
  })

  test('fetches its routes over the same stream', () => {
    const view = meshWith(service, rule('v1')).view(envoy)
    const name = `outbound|20880||${host}`
    assert.deepEqual(config(listener(view, '10.1.2.3_20880')), {
      '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
      typeUrl: thriftProxy,
      value: {
        statPrefix: name,
        trds: { configSource: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' }, routeConfigName: name },
        thriftFilters: [
          {
            name: 'envoy.filters.thrift.router',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.router.v3.Router',
              ...routerFields(view),
            },
          },
        ],
      },
    })
    const routes = read(RouteConfigurationSchema, view.get(trds, name))
    assert.deepEqual(
      routes.routes.map(({ route }) => route?.clusterSpecifier.value),
      [`outbound|20880|v1|${host}`],
    )
  })

  test('of a changed rule gets the routes anew and nothing else', () => {
    const mesh = meshWith(service, rule('v1'))
    const view = mesh.view(envoy)
    const before = versions(view)
    const changes: Change[] = []
    mesh.output.onChange((change) => changes.push(change))
    mesh.write('all.yaml', service + rule('v2'))
    const after = versions(view)
    const differing = [...after].filter(([key, version]) => before.get(key) !== version).map(([key]) => key)
    assert.deepEqual(differing, [`${trds} outbound|20880||${host}`])
    assert.ok(changes.some((change) => change.get(trds)?.has(`outbound|20880||${host}`)))
  })

  test('of a changed rule of another service hears nothing', () => {
    const other = serviceEntry({ host: 'other.example', port: thrift })
    const mesh = meshWith(service, other)
    const view = mesh.view(envoy)
    versions(view)
    const changes: Change[] = []
    mesh.output.onChange((change) => changes.push(change))
    mesh.write('rule.yaml', rule('v1'))
    const named = changes.flatMap((change) => [...change.values()].flatMap((names) => [...names]))
    assert.deepEqual(
      named.filter((name) => name.includes('other.example')),
      [],
    )
  })

  test('of another namespace has that one’s rule, behind the same filter', () => {
    const mesh = meshWith(service, rule('v1'), rule('v2', 'shop'))
    const [here, there] = [envoy, { ...envoy, namespace: 'shop' }].map((node) => mesh.view(node))
    assert.ok(here !== undefined && there !== undefined)
    assert.deepEqual(config(listener(here, '10.1.2.3_20880')), config(listener(there, '10.1.2.3_20880')))
    const clusters = [here, there].map((view) =>
      read(RouteConfigurationSchema, view.get(trds, `outbound|20880||${host}`)).routes.map(
        ({ route }) => route?.clusterSpecifier.value,
      ),
    )
    assert.deepEqual(clusters, [[`outbound|20880|v1|${host}`], [`outbound|20880|v2|${host}`]])
  })

  test('serves a port without a protocol as plain TCP, and one whose filter it does not have', () => {
    const mesh = meshWith(serviceEntry({ host, ports: { 'tcp-thrift': 1, tcp: 2 }, addresses: ['10.1.2.3'] }))
    const tcp = [['envoy.filters.network.tcp_proxy']]
    assert.deepEqual(filters(mesh.view(envoy), '10.1.2.3_2'), tcp)
    const lacking = mesh.view({ envoy: { filterTypes: ['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'] } })
    assert.deepEqual(filters(lacking, '10.1.2.3_1'), tcp)
    const said = (): string[] =>
      mesh
        .diagnostics()
        .flatMap(({ code, kind, field, value, message }) =>
          code === 'ENVOY_MISSING_FILTER' ? [`${kind} ${field} ${String(value)}: ${message}`] : [],
        )
    const type = thriftProxy.split('/')[1]
    const node = 'sidecar~127.0.9.9~client.default~default.svc.cluster.local'
    const rest = `has no filter of this type: there ${host} stays plain TCP`
    assert.deepEqual(said(), [`ServiceEntry spec.ports ${type}: ${node} ${rest}`])
    const another = mesh.view({ envoy: { filterTypes: ['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'] } })
    assert.deepEqual(said(), [`ServiceEntry spec.ports ${type}: ${node} and 1 more ${rest}`])
    another.close()
    lacking.close()
    assert.deepEqual(said(), [])
  })

  test('in front of a workload has its port, by the workload’s own number, whatever its labels', () => {
    const view = meshWith(service).view(envoy)
    assert.deepEqual(
      view.names(typeUrls.listener).filter((name) => name.startsWith('inbound')),
      ['inbound_127.0.9.9_7000'],
    )
    const { name, filterChains } = listener(view, 'inbound_127.0.9.9_7000')
    assert.equal(name, 'inbound_127.0.9.9_7000')
    assert.equal(filterChains[0]?.filterChainMatch?.destinationPort, 7000)
    assert.deepEqual(filters(view, 'inbound_127.0.9.9_7000'), [['envoy.filters.network.thrift_proxy']])
    assert.ok(view.get(typeUrls.cluster, 'inbound|7000||'))
  })

  test('with redirected connections has the virtual listeners, and binds no service’s address', () => {
    const view = meshWith(service).view({ envoy: { intercepted: true } })
    const names = view.names(typeUrls.listener)
    assert.deepEqual(names, ['virtualOutbound', 'virtualInbound', '10.1.2.3_20880'])
    assert.equal(listener(view, '10.1.2.3_20880').bindToPort, false)
    assert.equal(listener(view, 'virtualOutbound').useOriginalDst, true)
    assert.deepEqual(filters(view, 'virtualInbound'), [
      ['envoy.filters.network.thrift_proxy'],
      ['envoy.filters.network.tcp_proxy'],
    ])
    assert.deepEqual(
      view.names(typeUrls.cluster).filter((name) => name.endsWith('PassthroughCluster')),
      ['PassthroughCluster', 'InboundPassthroughCluster'],
    )
  })
})

describe('EnvoyFilters of the user’s own', () => {
  test('are merged into what Aeraki makes, and change nothing of proxies', () => {
    const merge = `{applyTo: NETWORK_FILTER, match: {listener: {filterChain: {filter: {name: envoy.filters.network.thrift_proxy}}}}, patch: {operation: MERGE, value: {typed_config: {"@type": ${thriftProxy}, max_requests_per_connection: 7}}}}`
    const mesh = meshWith(service, envoyFilter([merge]))
    const { value } = config(listener(mesh.view(envoy), '10.1.2.3_20880')) as { value: Record<string, unknown> }
    assert.equal(value['max_requests_per_connection'], 7)
    assert.equal(value['statPrefix'], `outbound|20880||${host}`)
    assert.deepEqual(
      mesh.diagnostics().filter(({ code }) => code.startsWith('ENVOY_PATCH')),
      [],
    )
  })

  test('add and change clusters and listeners, which come and go with them', () => {
    const mesh = meshWith(service)
    const view = mesh.view(envoy)
    const before = versions(view)
    const changes: Change[] = []
    mesh.output.onChange((change) => changes.push(change))
    mesh.write(
      'filter.yaml',
      envoyFilter([
        '{applyTo: CLUSTER, patch: {operation: ADD, value: {name: mine, type: STATIC}}}',
        `{applyTo: CLUSTER, match: {cluster: {service: ${host}}}, patch: {operation: MERGE, value: {alt_stat_name: short}}}`,
        '{applyTo: LISTENER, patch: {operation: ADD, value: {name: own}}}',
      ]),
    )
    assert.ok(view.names(typeUrls.cluster).includes('mine'))
    assert.ok(view.names(typeUrls.listener).includes('own'))
    assert.equal(read(ClusterSchema, view.get(typeUrls.cluster, `outbound|20880||${host}`)).altStatName, 'short')
    assert.ok(changes.some((change) => change.get(typeUrls.cluster)?.has('mine')))
    mesh.remove('filter.yaml')
    assert.deepEqual(versions(view), before)
  })

  test('with a mistake are said with their place, and the listener stays as it was', () => {
    const mesh = meshWith(service)
    const before = versions(mesh.view(envoy))
    const merge = `{applyTo: NETWORK_FILTER, match: {listener: {filterChain: {filter: {name: envoy.filters.network.thrift_proxy}}}}, patch: {operation: MERGE, value: {typed_config: {"@type": type.googleapis.com/acme.Other}}}}`
    mesh.write('bad.yaml', envoyFilter(['{applyTo: CLUSTER, patch: {operation: MERGE, value: {nonsense: 1}}}', merge]))
    assert.deepEqual(versions(mesh.view(envoy)), before)
    const said = mesh.diagnostics().filter(({ code }) => code === 'ENVOY_PATCH_INVALID')
    assert.deepEqual(
      said.map(({ file, line, field }) => `${file}:${line} ${field}`),
      ['bad.yaml:7 spec.configPatches[0].patch.value', 'bad.yaml:8 spec.configPatches[1].patch.value'],
    )
  })
})

describe('ways of delivering routes', () => {
  test('with the whole filter over ECDS', () => {
    const mesh = createTestMesh({ delivery: { kind: 'extension-config' } })
    mesh.write('all.yaml', service + rule('v1'))
    const view = mesh.view(envoy)
    const name = `outbound|20880||${host}`
    assert.deepEqual(filters(view, '10.1.2.3_20880'), [[name]])
    assert.deepEqual(view.names(typeUrls.extensionConfig), [name])
    const { typedConfig } = read(TypedExtensionConfigSchema, view.get(typeUrls.extensionConfig, name))
    assert.equal(typedConfig?.typeUrl, 'type.googleapis.com/udpa.type.v1.TypedStruct')
    const before = versions(view)
    mesh.write('all.yaml', service + rule('v2'))
    const differing = [...versions(view)].filter(([key, version]) => before.get(key) !== version).map(([key]) => key)
    assert.deepEqual(differing, [`${typeUrls.extensionConfig} ${name}`])
  })

  test('in files: they are there before the listener names them, change and go with the service', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'aeraki-routes-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const mesh = createTestMesh({ delivery: { kind: 'files', folder } })
    let seen: string[] = []
    mesh.output.onChange(() => (seen = readdirSync(folder)))
    mesh.write('all.yaml', service + rule('v1'))
    const file = `${host}_20880.json`
    assert.deepEqual(seen, [file])
    const { value } = config(listener(mesh.view(envoy), '10.1.2.3_20880')) as {
      value: { trds: { configSource: object } }
    }
    assert.deepEqual(value.trds.configSource, {
      pathConfigSource: { path: join(folder, file), watchedDirectory: { path: folder } },
      initialFetchTimeout: '0s',
      resourceApiVersion: 'V3',
    })
    const contents = () =>
      JSON.parse(readFileSync(join(folder, file), 'utf8')) as { version_info: string; resources: object[] }
    const first = contents()
    assert.equal(Object.values(first.resources[0] ?? {})[0], trds)
    mesh.write('all.yaml', service + rule('v2'))
    assert.notEqual(contents().version_info, first.version_info)
    assert.match(JSON.stringify(contents()), /outbound\|20880\|v2\|/)
    mesh.remove('all.yaml')
    assert.deepEqual(readdirSync(folder), [])
  })

  test('in a folder that can’t be written: an error at the start', () => {
    assert.throws(() => createTestMesh({ delivery: { kind: 'files', folder: '/dev/null/routes' } }), {
      code: 'ENVOY_ROUTE_FILES',
    })
  })
})

test('after any sequence of edits an Envoy has what a fresh start gives, and every difference was announced', () => {
  const filter = fc
    .record({
      name: fc.constantFrom('f1', 'f2'),
      namespace: fc.constantFrom('istio-system', 'default', 'other'),
      patch: fc.constantFrom(
        '{applyTo: CLUSTER, patch: {operation: MERGE, value: {alt_stat_name: x}}}',
        '{applyTo: CLUSTER, match: {cluster: {name: "outbound|10||c"}}, patch: {operation: REMOVE}}',
        '{applyTo: CLUSTER, patch: {operation: ADD, value: {name: added}}}',
        '{applyTo: LISTENER, patch: {operation: ADD, value: {name: added}}}',
        '{applyTo: LISTENER, match: {listener: {name: virtualInbound}}, patch: {operation: MERGE, value: {stat_prefix: x}}}',
        '{applyTo: NETWORK_FILTER, patch: {operation: INSERT_FIRST, value: {name: first}}}',
        '{applyTo: EXTENSION_CONFIG, patch: {operation: ADD, value: {name: added}}}',
      ),
    })
    .map(({ name, namespace, patch }) => envoyFilter([patch], { name, namespace }))
  checkEdits({
    nodes: [
      { ip: '127.0.0.1', envoy: {}, locality: { region: 'r1', zone: 'z' } },
      { ip: '127.0.0.2', namespace: 'other', envoy: { intercepted: true } },
    ],
    documents: fc.oneof({ arbitrary: document, weight: 3 }, { arbitrary: filter, weight: 1 }),
    types: [...Object.values(typeUrls), trds, drds],
    runs: 25,
  })
})

function versions(view: NodeView): Map<string, string> {
  return new Map(
    [...Object.values(typeUrls), trds, drds].flatMap((typeUrl) =>
      view.names(typeUrl).map((name) => [`${typeUrl} ${name}`, view.get(typeUrl, name)?.version ?? ''] as const),
    ),
  )
}

/** What the router says beside its type: Thrift's business. */
function routerFields(view: NodeView): object {
  const { value } = config(listener(view, '10.1.2.3_20880')) as { value: { thriftFilters: { typedConfig: object }[] } }
  const fields = Object.entries(value.thriftFilters[0]?.typedConfig ?? {})
  return Object.fromEntries(fields.filter(([name]) => name !== '@type'))
}
