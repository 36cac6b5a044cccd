import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { MetaProtocolProxySchema } from '@aeraki/xds/gen/aeraki/meta_protocol_proxy_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { typeUrls } from '@aeraki/xds'
import { createTestMesh, read, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'orders.shop.example'
const server = (port: number, more = '') =>
  `{port: {number: ${port}, name: tcp-metaprotocol-dubbo-${port}, protocol: TCP}, hosts: ["*"]${more}}`
const gateway = (name: string, ...servers: string[]) => `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: edge}
spec: {selector: {istio: ${name}}, servers: [${servers.join(', ')}]}
`
const router = (port = ', port: {number: 20880}') => `---
apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: orders, namespace: shop}
spec:
  hosts: [${host}]
  gateways: [edge/front]
  routes: [{route: [{destination: {host: ${host}${port}}}]}]
`

function viewOf(mesh: TestMesh, labels: Record<string, string> = { istio: 'front' }) {
  return mesh.view({ type: 'router', namespace: 'edge', labels, ip: '127.0.0.2' })
}

describe('a MetaProtocol Proxy as a gateway', () => {
  test('listens where the servers of its Gateways say, with the routes of what is exposed there', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host, namespace: 'shop' }) + gateway('front', server(20_880)) + router())
    const view = viewOf(mesh)
    assert.deepEqual(view.names(typeUrls.listener), ['0.0.0.0_20880'])
    const listener = read(ListenerSchema, view.get(typeUrls.listener, '0.0.0.0_20880'))
    assert.equal(
      listener.address?.address.case === 'socketAddress' && listener.address.address.value.address,
      '0.0.0.0',
    )
    const config = listener.filterChains[0]?.filters[0]?.configType
    assert.ok(config?.case === 'typedConfig')
    const { routeSpecifier } = fromBinary(MetaProtocolProxySchema, config.value.value)
    assert.ok(routeSpecifier.case === 'rds')
    assert.equal(routeSpecifier.value.routeConfigName, `${host}_20880`)
    assert.notEqual(view.get(typeUrls.routes, `${host}_20880`), undefined)
    // It stands in front of nobody, even where its address is that of an endpoint.
    assert.ok(view.names(typeUrls.cluster).every((name) => name.startsWith('outbound|')))
  })

  test('another port leads to the only one of a service whose routes name none', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host, namespace: 'shop' }) + gateway('front', server(9000)) + router(''))
    const listener = read(ListenerSchema, viewOf(mesh).get(typeUrls.listener, '0.0.0.0_9000'))
    const { address } = listener.address ?? {}
    assert.ok(address?.case === 'socketAddress' && address.value.portSpecifier.case === 'portValue')
    assert.equal(address.value.portSpecifier.value, 9000)
  })

  test('serves nothing of gateways that do not select it, of servers with TLS, and what nobody exposes', () => {
    const mesh = createTestMesh()
    const tls = ', tls: {mode: SIMPLE, credentialName: c}'
    const servers = gateway('front', server(20_880, tls), server(9000)) + gateway('other', server(20_880))
    mesh.write('a.yaml', serviceEntry({ host, namespace: 'shop' }) + servers + router())
    assert.deepEqual(viewOf(mesh).names(typeUrls.listener), [])
    assert.deepEqual(viewOf(mesh, { istio: 'other' }).names(typeUrls.listener), [])
    assert.ok(mesh.diagnostics().some(({ field }) => field === 'spec.servers[0].tls'))
  })

  test('is told when a Gateway or a MetaRouter comes, changes or goes', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, namespace: 'shop' }))
    mesh.write('gw.yaml', gateway('front', server(20_880)))
    const view = viewOf(mesh)
    const told: string[][] = []
    mesh.output.onChange((change) => told.push([...(change.get(typeUrls.listener) ?? [])]))
    const last = () => told.at(-1) ?? []
    mesh.write('mr.yaml', router())
    assert.ok(last().includes('0.0.0.0_20880'))
    assert.deepEqual(view.names(typeUrls.listener), ['0.0.0.0_20880'])
    mesh.write('gw.yaml', gateway('front', server(9000)))
    assert.ok(last().includes('0.0.0.0_20880') && last().includes('0.0.0.0_9000'))
    assert.deepEqual(view.names(typeUrls.listener), [])
    mesh.write('gw.yaml', gateway('front', server(20_880)))
    mesh.remove('gw.yaml')
    assert.ok(last().includes('0.0.0.0_20880'))
    assert.equal(view.get(typeUrls.listener, '0.0.0.0_20880'), undefined)
  })
})

test('a proxy of clients alone, --app off, stands in front of nobody', () => {
  const mesh = createTestMesh()
  mesh.write('a.yaml', serviceEntry({ host, namespace: 'shop' }))
  const names = (appAddress?: string) =>
    mesh.view({ ip: '127.0.0.2', ...(appAddress === undefined ? {} : { appAddress }) }).names(typeUrls.listener)
  assert.ok(names().some((name) => name.startsWith('inbound_')))
  assert.ok(names('off').length > 0)
  assert.ok(!names('off').some((name) => name.startsWith('inbound_')))
})
