/** What is accepted and has no effect, or leads to nothing, is said. */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createTestMesh, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'orders.shop.example'

function object(apiVersion: string, kind: string, spec: string, name = 'it', namespace = 'default'): string {
  return `---\n{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}\n`
}

const istio = (kind: string, spec: string, name?: string, namespace?: string) =>
  object('networking.istio.io/v1', kind, spec, name, namespace)

const to = `route: [{destination: {host: ${host}}}]`

/** `CODE field` of what is said of everything but the service. */
function said(mesh: TestMesh): string[] {
  for (const { message, remedy } of mesh.diagnostics()) assert.ok(message !== '' && remedy !== '')
  return mesh
    .diagnostics()
    .filter(({ code }) => !code.startsWith('API_'))
    .map(({ code, field }) => `${code} ${field}`)
}

function saidOf(text: string, port = 'tcp-dubbo'): string[] {
  const mesh = createTestMesh()
  mesh.write('a.yaml', serviceEntry({ host, port }) + text)
  return said(mesh)
}

const applicationProtocol = (codec: string) =>
  object('metaprotocol.aeraki.io/v1alpha1', 'ApplicationProtocol', `{protocol: acme, codec: ${codec}}`, 'acme', '""')

const policyIn = (namespace: string, exportTo = '') =>
  istio('DestinationRule', `{host: ${host}${exportTo}, trafficPolicy: {}}`, 'd', namespace)

const workloadIn = (namespace: string, spec: string) =>
  istio('WorkloadEntry', `{labels: {app: a}, ${spec}}`, 'w', namespace)

const virtualService = (name: string, namespace = 'default', target = host) =>
  istio('VirtualService', `{hosts: ["${target}"], http: [{${to}}]}`, name, namespace)

describe('without effect', () => {
  const wholeKinds: [apiVersion: string, kind: string, spec: string][] = [
    ['dubbo.aeraki.io/v1alpha1', 'DubboAuthorizationPolicy', '{action: DENY, rules: [{}]}'],
  ]
  for (const [apiVersion, kind, spec] of wholeKinds) {
    test(`a ${kind} says so`, () =>
      assert.deepEqual(saidOf(object(apiVersion, kind, spec)), ['MESH_UNSUPPORTED_KIND kind']))
  }

  const partial: [kind: string, spec: string, ...fields: string[]][] = [
    [
      'VirtualService',
      `{hosts: [${host}], tls: [{match: [{sniHosts: [${host}]}], ${to}}], tcp: [{${to}}], http: [{${to}, fault: {delay: {fixedDelay: 1s}}, retries: {attempts: 1}, headers: {request: {remove: [a]}}}, {match: [{ignoreUriCase: true}], route: [{destination: {host: ${host}}, headers: {}}]}]}`,
      'spec.tls',
      'spec.tcp',
      'spec.http[0].retries',
      'spec.http[0].fault',
      'spec.http[0].headers.request.remove',
      'spec.http[1].route[0].headers',
      'spec.http[1].match[0].ignoreUriCase',
    ],
    ['VirtualService', `{hosts: [${host}], tcp: [{${to}}]}`],
    ['VirtualService', `{hosts: [${host}], gateways: [outside], http: [{${to}}]}`, 'spec.gateways'],
    [
      'DestinationRule',
      `{host: ${host}, trafficPolicy: {tls: {mode: SIMPLE}, loadBalancer: {simple: PASSTHROUGH}, portLevelSettings: [{port: {number: 20880}, tls: {mode: ISTIO_MUTUAL}}]}, subsets: [{name: a, labels: {version: v1}, trafficPolicy: {tls: {mode: DISABLE}, connectionPool: {tcp: {idleTimeout: 1s, tcpKeepalive: {}}}}}]}`,
      'spec.trafficPolicy.tls.mode',
      'spec.trafficPolicy.portLevelSettings[0].tls.mode',
      'spec.trafficPolicy.loadBalancer.simple',
      'spec.subsets[0].trafficPolicy.connectionPool.tcp.tcpKeepalive',
      'spec.subsets[0].trafficPolicy.connectionPool.tcp.idleTimeout',
    ],
  ]
  for (const [kind, spec, ...expected] of partial) {
    test(`fields of a ${kind}: ${expected.join(', ') || 'tcp alone has'}`, () => {
      assert.deepEqual(
        saidOf(istio(kind, spec)),
        expected.map((field) => `MESH_UNSUPPORTED_FIELD ${field}`),
      )
    })
  }

  test('rate limits of a MetaRouter say so, with their place', () => {
    const bucket = 'tokenBucket: {maxTokens: 1, fillInterval: 1s}'
    const router = `{hosts: [${host}], localRateLimit: {${bucket}}, globalRateLimit: {domain: d, rateLimitService: "outbound|1||x", descriptors: [{property: a, descriptorKey: b}]}}`
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host }))
    mesh.write('b.yaml', object('metaprotocol.aeraki.io/v1alpha1', 'MetaRouter', router))
    const fields = ['spec.localRateLimit', 'spec.globalRateLimit']
    assert.deepEqual(
      said(mesh),
      fields.map((field) => `MESH_UNSUPPORTED_FIELD ${field}`),
    )
    assert.ok(mesh.diagnostics().every(({ file, line, column }) => file === 'b.yaml' && line === 2 && column > 1))
  })

  test('a VirtualService for another protocol than Dubbo and Thrift', () => {
    const rule = istio('VirtualService', `{hosts: [${host}], http: [{${to}}]}`)
    assert.deepEqual(saidOf(rule, 'tcp-metaprotocol-awesomerpc'), ['MESH_UNSUPPORTED_FIELD spec.hosts'])
    assert.deepEqual(saidOf(rule, 'tcp-thrift'), [])
  })

  test('a codec that the proxy does not have', () => {
    const port = 'tcp-metaprotocol-acme'
    assert.deepEqual(saidOf(applicationProtocol('aeraki.meta_protocol.codec.acme'), port), [
      'MESH_UNKNOWN_CODEC spec.codec',
    ])
    assert.deepEqual(saidOf(applicationProtocol('aeraki.meta_protocol.codec.thrift'), port), [])
    assert.deepEqual(saidOf('', port), ['MESH_UNKNOWN_PROTOCOL spec.ports[0].name'])
  })

  test('a rule for a host that nobody has, until somebody has it', () => {
    const mesh = createTestMesh()
    const rules =
      istio('VirtualService', `{hosts: ["*.shop.example", nobody], http: [{${to}}]}`) +
      istio('DestinationRule', '{host: oders.shop.example}')
    mesh.write('rules.yaml', rules)
    assert.deepEqual(said(mesh), [
      'MESH_UNKNOWN_HOST spec.hosts[0]',
      'MESH_UNKNOWN_HOST spec.hosts[1]',
      'MESH_UNKNOWN_HOST spec.host',
    ])
    mesh.write('a.yaml', serviceEntry({ host }) + serviceEntry({ host: 'oders.shop.example' }))
    assert.deepEqual(said(mesh), ['MESH_UNKNOWN_HOST spec.hosts[1]'])
  })
})

describe('of several rules', () => {
  test('the second VirtualService of a namespace for a host is reported', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host }) + virtualService('one') + virtualService('two'))
    assert.deepEqual(
      mesh.diagnostics().map(({ code, name }) => [code, name]),
      [['MESH_SECOND_ROUTER', 'two']],
    )
    assert.deepEqual(
      saidOf(virtualService('one') + virtualService('wide', 'default', '*.example') + virtualService('own', 'web')),
      [],
    )
  })

  test('a VirtualService beside a MetaRouter is reported', () => {
    const router = object(
      'metaprotocol.aeraki.io/v1alpha1',
      'MetaRouter',
      `{hosts: [${host}], routes: [{${to}}]}`,
      'zz',
    )
    assert.deepEqual(saidOf(virtualService('one') + router), ['MESH_SECOND_ROUTER spec.hosts'])
  })

  test('a DestinationRule that most clients do not look for is reported, unless it says that it is meant', () => {
    assert.deepEqual(saidOf(policyIn('web')), ['MESH_RULE_OUT_OF_PLACE metadata.namespace'])
    for (const fine of [policyIn('web', ', exportTo: [.]'), policyIn('default'), policyIn('istio-system')]) {
      assert.deepEqual(saidOf(fine), [])
    }
  })
})

describe('services that cannot be reached', () => {
  test('no endpoints, and endpoints without an address that can be dialled', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host, endpoints: [] }))
    assert.deepEqual(said(mesh), ['MESH_NO_ENDPOINTS spec.endpoints'])
    mesh.write('a.yaml', serviceEntry({ host, spec: ['workloadSelector: {labels: {app: a}}'] }))
    assert.deepEqual(said(mesh), ['MESH_NO_ENDPOINTS spec.workloadSelector'])
    mesh.write('w.yaml', workloadIn('other', 'address: 127.0.0.2'))
    assert.deepEqual(said(mesh), ['MESH_NO_ENDPOINTS spec.workloadSelector'])
    mesh.write('w.yaml', workloadIn('default', 'network: far'))
    assert.deepEqual(said(mesh).toSorted(), [
      'MESH_NO_ENDPOINTS spec.workloadSelector',
      'MESH_UNSUPPORTED_ADDRESS spec.resolution',
      'MESH_UNSUPPORTED_FIELD spec.network',
    ])
    mesh.write('w.yaml', workloadIn('default', 'address: unix:///run/a'))
    assert.ok(said(mesh).includes('MESH_UNSUPPORTED_ADDRESS spec.resolution'))
    mesh.write('w.yaml', workloadIn('default', 'address: 127.0.0.2'))
    assert.deepEqual(said(mesh), [])
  })

  test('a second entry of a host with another resolution puts no names among the addresses', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host, name: 'one' }))
    const byName = serviceEntry({ host, name: 'two', endpoints: ['{address: db.example}'] })
    mesh.write('b.yaml', byName.replace('resolution: STATIC', 'resolution: DNS'))
    assert.deepEqual(said(mesh), ['MESH_UNSUPPORTED_ADDRESS spec.resolution'])
  })

  test('destinations on ports that the host does not have', () => {
    const cart = serviceEntry({ host: 'cart.example', ports: { 'tcp-dubbo': 1, 'tcp-dubbo-b': 2, 'http-c': 3 } })
    const leadingTo = (destination: string) =>
      istio('VirtualService', `{hosts: [${host}], http: [{route: [{destination: ${destination}}]}]}`)
    assert.deepEqual(saidOf(cart + leadingTo('{host: cart.example}')), ['MESH_UNKNOWN_PORT spec'])
    assert.deepEqual(saidOf(cart + leadingTo('{host: cart.example, port: {number: 3}}')), ['MESH_UNKNOWN_PORT spec'])
    assert.deepEqual(saidOf(cart + leadingTo('{host: cart.example, port: {number: 2}}')), [])
    assert.deepEqual(saidOf(leadingTo(`{host: ${host}, port: {number: 9}}`)), ['MESH_UNKNOWN_PORT spec'])
  })
})

test("a short host in a rule is a service of the cluster's own domain", () => {
  const rules =
    istio('VirtualService', '{hosts: [orders], http: [{route: [{destination: {host: orders, subset: v1}}]}]}') +
    istio('DestinationRule', '{host: orders, subsets: [{name: v1, labels: {version: v1}}]}')
  for (const [clusterDomain, expected] of [
    ['mesh.test', []],
    ['cluster.local', ['spec.hosts[0]', 'spec.host'].map((field) => `MESH_UNKNOWN_HOST ${field}`)],
  ] as const) {
    const mesh = createTestMesh({ clusterDomain })
    const full = 'orders.default.svc.mesh.test'
    mesh.write('a.yaml', serviceEntry({ host: full }) + rules)
    assert.deepEqual(said(mesh), expected)
    const [service] = mesh.mesh.services()
    const targets = service?.rules.routing.flatMap(({ routes }) => routes.flatMap(({ destinations }) => destinations))
    assert.deepEqual(
      targets?.map(({ host: target }) => target),
      clusterDomain === 'mesh.test' ? [full] : [],
    )
  }
})
