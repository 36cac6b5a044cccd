import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { MetaProtocolProxySchema } from '@aeraki/xds/gen/aeraki/meta_protocol_proxy_pb.ts'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { TrafficDirection } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { type Listener, ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { typeUrls } from '@aeraki/xds'
import { createTestMesh, type NodeOptions, read, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'orders.shop.example'

function clusterOf(mesh: TestMesh, name: string, node: NodeOptions = {}) {
  return toJson(ClusterSchema, read(ClusterSchema, mesh.view(node).get(typeUrls.cluster, name)))
}

function filterOf(listener: Listener) {
  const filter = listener.filterChains[0]?.filters[0]
  assert.equal(filter?.name, 'envoy.filters.network.meta_protocol_proxy')
  if (filter.configType.case !== 'typedConfig') throw new Error('no typed config')
  assert.equal(
    filter.configType.value.typeUrl,
    'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
  )
  return fromBinary(MetaProtocolProxySchema, filter.configType.value.value)
}

const unlimited = {
  maxConnections: 4294967295,
  maxPendingRequests: 4294967295,
  maxRequests: 4294967295,
  maxRetries: 4294967295,
}

describe('clusters and listeners', () => {
  test('a cluster without rules has Istio’s defaults and asks for its endpoints', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host }))
    const name = `outbound|20880||${host}`
    assert.deepEqual(clusterOf(mesh, name), {
      name,
      type: 'EDS',
      edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 'V3' }, serviceName: name },
      connectTimeout: '10s',
      lbPolicy: 'LEAST_REQUEST',
      circuitBreakers: { thresholds: [unlimited] },
      commonLbConfig: { healthyPanicThreshold: {} },
    })
  })

  test('a subset overrides field by field, a port’s settings replace everything', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, ports: { 'tcp-dubbo-a': 1000, 'tcp-dubbo-b': 2000 } }))
    mesh.write(
      'dr.yaml',
      `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule}
spec:
  host: ${host}
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    connectionPool:
      tcp: {maxConnections: 10, connectTimeout: 250ms, idleTimeout: 90s}
      http: {http1MaxPendingRequests: 20, http2MaxRequests: 30}
    outlierDetection: {consecutiveGatewayErrors: 5, consecutive5xxErrors: 0, interval: 5s, baseEjectionTime: 1m, maxEjectionPercent: 50, minHealthPercent: 25}
    portLevelSettings:
    - {port: {number: 2000}, loadBalancer: {simple: RANDOM}}
  subsets:
  - name: v1
    labels: {version: v1}
    trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: user, maglev: {tableSize: 101}}}}
`,
    )
    const whole = {
      connectTimeout: '0.250s',
      circuitBreakers: {
        thresholds: [{ maxConnections: 10, maxPendingRequests: 20, maxRequests: 30, maxRetries: 4294967295 }],
      },
      outlierDetection: {
        consecutive5xx: 0,
        enforcingConsecutive5xx: 0,
        consecutiveGatewayFailure: 5,
        enforcingConsecutiveGatewayFailure: 100,
        enforcingSuccessRate: 0,
        interval: '5s',
        baseEjectionTime: '60s',
        maxEjectionPercent: 50,
      },
      commonLbConfig: { healthyPanicThreshold: { value: 25 } },
    }
    const parts = (name: string) => {
      const { connectTimeout, circuitBreakers, outlierDetection, commonLbConfig, lbPolicy, maglevLbConfig } = clusterOf(
        mesh,
        name,
      ) as Record<string, unknown>
      return { connectTimeout, circuitBreakers, outlierDetection, commonLbConfig, lbPolicy, maglevLbConfig }
    }
    assert.deepEqual(parts(`outbound|1000||${host}`), { ...whole, lbPolicy: undefined, maglevLbConfig: undefined })
    assert.deepEqual(parts(`outbound|1000|v1|${host}`), {
      ...whole,
      lbPolicy: 'MAGLEV',
      maglevLbConfig: { tableSize: '101' },
    })
    assert.deepEqual(parts(`outbound|2000||${host}`), {
      connectTimeout: '10s',
      circuitBreakers: { thresholds: [unlimited] },
      outlierDetection: undefined,
      commonLbConfig: { healthyPanicThreshold: {} },
      lbPolicy: 'RANDOM',
      maglevLbConfig: undefined,
    })
    const [listener] = mesh.view().names(typeUrls.listener)
    const read1000 = read(ListenerSchema, mesh.view().get(typeUrls.listener, listener ?? ''))
    assert.equal(filterOf(read1000).idleTimeout?.seconds, 90n)
  })

  test('an outbound listener stands on the VIP, asks for its routes, and has a substitute where that is not loopback', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, addresses: ['193.193.192.192', '127.5.5.5'] }))
    const view = mesh.view()
    assert.deepEqual(view.names(typeUrls.listener), ['193.193.192.192_20880', '127.5.5.5_20880'])
    const listener = read(ListenerSchema, view.get(typeUrls.listener, '193.193.192.192_20880'))
    assert.equal(listener.trafficDirection, TrafficDirection.OUTBOUND)
    const substitute = listener.metadata?.filterMetadata['aeraki']?.['substitute']
    assert.match(JSON.stringify(substitute), /^"127\.240\.\d+\.\d+"$/)
    const filter = filterOf(listener)
    assert.equal(filter.statPrefix, `outbound|20880||${host}`)
    assert.equal(filter.protocol?.name, 'dubbo')
    assert.equal(filter.protocol.codec?.name, 'aeraki.meta_protocol.codec.dubbo')
    assert.deepEqual(
      filter.metaProtocolFilters.map(({ name }) => name),
      ['aeraki.meta_protocol.filters.router'],
    )
    if (filter.routeSpecifier.case !== 'rds') throw new Error('no RDS')
    assert.equal(filter.routeSpecifier.value.routeConfigName, `${host}_20880`)
    assert.equal(filter.routeSpecifier.value.configSource?.configSourceSpecifier.case, 'ads')
    const loopback = read(ListenerSchema, view.get(typeUrls.listener, '127.5.5.5_20880'))
    assert.equal(loopback.metadata, undefined)
  })

  test('a node gets inbound listeners for the endpoints at its own address, in front of its app', () => {
    const mesh = createTestMesh()
    const endpoints = ['{address: 127.0.1.1, ports: {tcp-dubbo: 30880}}', '{address: 127.0.1.2}']
    mesh.write('se.yaml', serviceEntry({ host, endpoints }))
    const node = { ip: '127.0.1.1' }
    const view = mesh.view(node)
    assert.deepEqual(view.names(typeUrls.listener)[0], 'inbound_127.0.1.1_30880')
    assert.equal(view.get(typeUrls.listener, 'inbound_127.0.1.2_20880'), undefined)
    const listener = read(ListenerSchema, view.get(typeUrls.listener, 'inbound_127.0.1.1_30880'))
    assert.equal(listener.trafficDirection, TrafficDirection.INBOUND)
    const filter = filterOf(listener)
    assert.equal(filter.statPrefix, 'inbound|30880||')
    if (filter.routeSpecifier.case !== 'routeConfig') throw new Error('no inline routes')
    assert.deepEqual(
      filter.routeSpecifier.value.routes.map(({ match, route }) => [match, route?.clusterSpecifier]),
      [[undefined, { case: 'cluster', value: 'inbound|30880||' }]],
    )
    const address = (options: NodeOptions) => {
      const cluster = read(ClusterSchema, mesh.view(options).get(typeUrls.cluster, 'inbound|30880||'))
      const identifier = cluster.loadAssignment?.endpoints[0]?.lbEndpoints[0]?.hostIdentifier
      if (identifier?.case !== 'endpoint') throw new Error('no endpoint')
      const value = identifier.value.address?.address
      if (value?.case !== 'socketAddress') throw new Error('no address')
      return `${value.value.address} ${String(value.value.portSpecifier.value)}`
    }
    assert.equal(address(node), '127.0.0.1 30880')
    assert.equal(address({ ...node, appAddress: '127.0.0.7' }), '127.0.0.7 30880')
    assert.equal(address({ ...node, appAddress: '127.0.0.7:999' }), '127.0.0.7 999')
    assert.equal(address({ ...node, appAddress: '[::1]:999' }), '::1 999')
    mesh.write('se.yaml', serviceEntry({ host, endpoints: endpoints.slice(1) }))
    assert.equal(view.get(typeUrls.listener, 'inbound_127.0.1.1_30880'), undefined)
    assert.equal(view.get(typeUrls.cluster, 'inbound|30880||'), undefined)
  })

  test('ports of other protocols, wildcard hosts and ranges of addresses are left out, and named', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host: '*.shop.example' }))
    mesh.write(
      'b.yaml',
      serviceEntry({ host, addresses: ['10.0.0.0/8'], ports: { 'tcp-metaprotocol-nope': 1, http: 80 } }),
    )
    const view = mesh.view()
    assert.deepEqual(view.names(typeUrls.listener), [])
    assert.deepEqual(view.names(typeUrls.cluster), [])
    assert.deepEqual(
      mesh
        .diagnostics()
        .map(({ code }) => code)
        .filter((code) => code.startsWith('MESH_'))
        .toSorted(),
      ['MESH_UNKNOWN_PROTOCOL', 'MESH_UNSUPPORTED_ADDRESS', 'MESH_WILDCARD_HOST'],
    )
  })

  test('an ApplicationProtocol names the codec, and the codec says how connections are used', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, port: 'tcp-metaprotocol-acme' }))
    const codecOf = () => {
      const [name = ''] = mesh.view().names(typeUrls.listener)
      if (name === '') return undefined
      const { protocol } = filterOf(read(ListenerSchema, mesh.view().get(typeUrls.listener, name)))
      return [protocol?.name, protocol?.codec?.name, protocol?.multiplexing]
    }
    assert.equal(codecOf(), undefined)
    const declare = (codec: string) =>
      mesh.write(
        'protocol.yaml',
        `{apiVersion: metaprotocol.aeraki.io/v1alpha1, kind: ApplicationProtocol, metadata: {name: acme}, spec: {protocol: acme, codec: ${codec}}}`,
      )
    declare('aeraki.meta_protocol.codec.dubbo')
    assert.deepEqual(codecOf(), ['acme', 'aeraki.meta_protocol.codec.dubbo', true])
    declare('x.acme')
    assert.deepEqual(codecOf(), ['acme', 'x.acme', false])
    mesh.remove('protocol.yaml')
    assert.equal(codecOf(), undefined)
  })

  test('of two services on one address and port the first has it until it goes', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host: 'a.example', addresses: ['127.5.5.5'] }))
    mesh.write('b.yaml', serviceEntry({ host: 'b.example', addresses: ['127.5.5.5'] }))
    const view = mesh.view()
    const owner = () => filterOf(read(ListenerSchema, view.get(typeUrls.listener, '127.5.5.5_20880'))).statPrefix
    assert.equal(owner(), 'outbound|20880||a.example')
    assert.deepEqual(view.names(typeUrls.listener), ['127.5.5.5_20880'])
    assert.deepEqual(
      mesh.diagnostics().map(({ code, name }) => [code, name]),
      [['MESH_ADDRESS_CONFLICT', 'b-example']],
    )
    mesh.remove('a.yaml')
    assert.equal(owner(), 'outbound|20880||b.example')
    assert.deepEqual(mesh.diagnostics(), [])
  })
})
