import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { toJson } from '@bufbuild/protobuf'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { typeUrls } from '@aeraki/xds'
import { createTestMesh, type NodeOptions, read, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'orders.shop.example'

/** The routes that a client gets, in protobuf's JSON. */
function routesOf(mesh: TestMesh, name = `${host}_20880`, node: NodeOptions = {}) {
  const table = read(RouteConfigurationSchema, mesh.view(node).get(typeUrls.routes, name))
  assert.equal(table.name, name)
  assert.equal(table.virtualHosts.length, 1)
  assert.deepEqual(table.virtualHosts[0]?.domains, ['*'])
  const json = toJson(RouteConfigurationSchema, table) as { virtualHosts: { name: string; routes?: unknown[] }[] }
  assert.equal(json.virtualHosts[0]?.name, 'dummy')
  return json.virtualHosts[0].routes ?? []
}

function meshWith(rules: string, port = 'tcp-dubbo'): TestMesh {
  const mesh = createTestMesh()
  mesh.write('se.yaml', serviceEntry({ host, port }))
  mesh.write('rules.yaml', rules)
  return mesh
}

const virtualService = (spec: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rules}
spec:
  hosts: [${host}]
${spec}
`

const metaRouter = (routes: string) => `
apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: rules}
spec:
  hosts: [${host}]
  routes:
${routes}
`

describe('routes', () => {
  test('a service without rules has one default route to itself', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host }))
    assert.deepEqual(routesOf(mesh), [
      { name: 'default', match: { prefix: '/' }, route: { cluster: `outbound|20880||${host}` } },
    ])
  })

  test('a VirtualService splits by weight, and weight 0 gets nothing', () => {
    const mesh = meshWith(
      virtualService(`  http:
  - name: split
    route:
    - {destination: {host: ${host}, subset: v1}, weight: 30}
    - {destination: {host: ${host}, subset: v2}, weight: 70}
    - {destination: {host: ${host}, subset: v3}, weight: 0}
`),
    )
    assert.deepEqual(routesOf(mesh), [
      {
        name: 'split',
        match: { prefix: '/' },
        route: {
          weightedClusters: {
            clusters: [
              { name: `outbound|20880|v1|${host}`, weight: 30 },
              { name: `outbound|20880|v2|${host}`, weight: 70 },
            ],
            totalWeight: 100,
          },
        },
      },
    ])
  })

  test('every match of a VirtualService becomes a route, in order, with method and headers as attributes', () => {
    const mesh = meshWith(
      virtualService(`  http:
  - name: canary
    match:
    - method: {exact: sayHello}
      headers: {batchJob: {exact: "true"}, Tenant: {prefix: beta-}}
    - withoutHeaders: {user: {regex: "t.*"}}
    - headers: {trace: {}}
    timeout: 2500ms
    headers: {request: {set: {tracing: "100"}, add: {a: b}}, response: {set: {served: canary}}}
    route: [{destination: {host: ${host}, subset: v2}}]
  - route: [{destination: {host: ${host}}}]
`),
    )
    const rest = {
      name: 'canary',
      route: { cluster: `outbound|20880|v2|${host}`, timeout: '2.500s' },
      requestHeadersToAdd: [{ header: { key: 'a', value: 'b' } }, { header: { key: 'tracing', value: '100' } }],
      responseHeadersToAdd: [{ header: { key: 'served', value: 'canary' } }],
    }
    assert.deepEqual(routesOf(mesh), [
      {
        ...rest,
        match: {
          prefix: '/',
          headers: [
            { name: 'method', exactMatch: 'sayHello' },
            { name: 'batchjob', exactMatch: 'true' },
            { name: 'tenant', prefixMatch: 'beta-' },
          ],
        },
      },
      {
        ...rest,
        match: { prefix: '/', headers: [{ name: 'user', safeRegexMatch: { regex: 't.*' }, invertMatch: true }] },
      },
      { ...rest, match: { prefix: '/', headers: [{ name: 'trace', presentMatch: true }] } },
      { name: 'rules-1', match: { prefix: '/' }, route: { cluster: `outbound|20880||${host}` } },
    ])
  })

  test('a condition that the protocol has nothing for never matches more than it should', () => {
    const mesh = meshWith(
      virtualService(`  http:
  - match: [{uri: {prefix: /x}}, {method: {exact: pay}}]
    route: [{destination: {host: ${host}, subset: v2}}]
`),
    )
    assert.equal(routesOf(mesh).length, 1)
    assert.deepEqual(
      mesh.diagnostics().flatMap(({ code, field }) => (code === 'MESH_UNSUPPORTED_FIELD' ? [field] : [])),
      ['spec.http[0].match[0].uri'],
    )
  })

  test('a match for another port is no route of this one', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, ports: { 'tcp-dubbo-a': 20880, 'tcp-dubbo-b': 20881 } }))
    mesh.write(
      'rules.yaml',
      virtualService(`  http:
  - match: [{port: 20881}]
    route: [{destination: {host: ${host}, port: {number: 20880}}}]
`),
    )
    assert.deepEqual(routesOf(mesh), [])
    assert.deepEqual(routesOf(mesh, `${host}_20881`), [
      { name: 'rules-0', match: { prefix: '/' }, route: { cluster: `outbound|20880||${host}` } },
    ])
  })

  test('a MetaRouter brings attributes, weights, mirror, mutation both ways and timeout', () => {
    const mesh = meshWith(
      metaRouter(`  - name: beta
    match: {attributes: {Method: {exact: ""}, tenant: {regex: "*"}, nothing: {}}}
    route:
    - {destination: {host: ${host}, subset: v1}, weight: 90}
    - {destination: {host: other.shop.example, port: {number: 9090}}, weight: 10}
    mirror: {host: ${host}, subset: v3}
    mirrorPercentage: {value: 12.5}
    requestMutation: [{key: x-Canary, value: "true"}]
    responseMutation: [{key: served, value: beta}]
    timeout: 0s
`),
      'tcp-metaprotocol-dubbo',
    )
    assert.deepEqual(routesOf(mesh), [
      {
        name: 'beta',
        match: {
          prefix: '/',
          headers: [
            { name: 'method', exactMatch: '' },
            { name: 'tenant', presentMatch: true },
          ],
        },
        route: {
          weightedClusters: {
            clusters: [
              { name: `outbound|20880|v1|${host}`, weight: 90 },
              { name: 'outbound|9090||other.shop.example', weight: 10 },
            ],
            totalWeight: 100,
          },
          timeout: '0s',
          requestMirrorPolicies: [
            {
              cluster: `outbound|20880|v3|${host}`,
              runtimeFraction: { defaultValue: { numerator: 125_000, denominator: 'MILLION' } },
            },
          ],
        },
        requestHeadersToAdd: [{ header: { key: 'x-Canary', value: 'true' } }],
        responseHeadersToAdd: [{ header: { key: 'served', value: 'beta' } }],
      },
    ])
  })

  test('a MetaRouter wins over a VirtualService, which does not count for other protocols', () => {
    const rules = virtualService(`  http: [{name: vs, route: [{destination: {host: ${host}}}]}]`)
    const mesh = meshWith(rules, 'tcp-metaprotocol-dubbo')
    const names = () => routesOf(mesh).map((route) => (route as { name: string }).name)
    assert.deepEqual(names(), ['vs'])
    mesh.write('router.yaml', metaRouter(`  - {name: mr, route: [{destination: {host: ${host}}}]}`))
    assert.deepEqual(names(), ['mr'])
    mesh.remove('router.yaml')
    mesh.write(
      'protocol.yaml',
      '{apiVersion: metaprotocol.aeraki.io/v1alpha1, kind: ApplicationProtocol, metadata: {name: acme}, spec: {protocol: acme, codec: x.acme}}',
    )
    mesh.write('se.yaml', serviceEntry({ host, port: 'tcp-metaprotocol-acme' }))
    assert.deepEqual(names(), ['default'])
  })

  test('a consistent hash names the attribute, a subset with a policy of its own another one', () => {
    const mesh = meshWith(virtualService(`  http: [{route: [{destination: {host: ${host}, subset: v2}}]}]`))
    const rule = (subsets: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: hash}
spec:
  host: ${host}
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: user}}}
  subsets: [{name: v2, labels: {version: v2}${subsets}}]
`
    const policy = () => (routesOf(mesh)[0] as { route: { hashPolicy?: unknown } }).route.hashPolicy
    assert.equal(policy(), undefined)
    mesh.write('dr.yaml', rule(''))
    assert.deepEqual(policy(), [{ header: { headerName: 'user' } }])
    mesh.write('dr.yaml', rule(', trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: method}}}'))
    assert.deepEqual(policy(), [{ header: { headerName: 'method' } }])
  })

  test('a short name of a destination is a ServiceEntry as it stands, else the service of the namespace', () => {
    const mesh = meshWith(virtualService('  http: [{route: [{destination: {host: cart}}]}]'))
    const cluster = () => (routesOf(mesh)[0] as { route: { cluster: string } }).route.cluster
    assert.equal(cluster(), 'outbound|20880||cart.default.svc.cluster.local')
    assert.ok(mesh.diagnostics().some(({ code }) => code === 'MESH_UNKNOWN_HOST'))
    mesh.write('cart.yaml', serviceEntry({ host: 'cart' }))
    assert.equal(cluster(), 'outbound|20880||cart')
    assert.deepEqual(mesh.diagnostics(), [])
  })

  test('a route to a subset that nobody defines is reported, and no longer when somebody does', () => {
    const mesh = meshWith(virtualService(`  http: [{route: [{destination: {host: ${host}, subset: v9}}]}]`))
    assert.deepEqual(
      mesh.diagnostics().map(({ code, kind, name, value }) => [code, kind, name, value]),
      [['MESH_UNKNOWN_SUBSET', 'VirtualService', 'rules', 'v9']],
    )
    mesh.write(
      'dr.yaml',
      `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d}, spec: {host: ${host}, subsets: [{name: v9, labels: {version: v9}}]}}`,
    )
    assert.deepEqual(mesh.diagnostics(), [])
  })

  test('a rule whose matches are all left out matches nothing, and goes away with its object', () => {
    const mesh = meshWith(
      virtualService(`  http: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: ${host}}}]}]`),
    )
    assert.deepEqual(routesOf(mesh), [])
    mesh.remove('rules.yaml')
    assert.deepEqual(
      routesOf(mesh).map((route) => (route as { name: string }).name),
      ['default'],
    )
  })

  test('a MetaRouter without routes leaves the routes to others', () => {
    const bucket = 'tokenBucket: {maxTokens: 1, fillInterval: 1s}'
    const mesh = meshWith(virtualService(`  http: [{name: vs, route: [{destination: {host: ${host}}}]}]`))
    mesh.write(
      'limit.yaml',
      `{apiVersion: metaprotocol.aeraki.io/v1alpha1, kind: MetaRouter, metadata: {name: m}, spec: {hosts: [${host}], localRateLimit: {${bucket}}}}`,
    )
    assert.deepEqual(
      routesOf(mesh).map((route) => (route as { name: string }).name),
      ['vs'],
    )
  })

  test('a destination without port means the only port of its host, as the host is now', () => {
    const mesh = meshWith(virtualService('  http: [{route: [{destination: {host: cart.example}}]}]'))
    const cluster = () => (routesOf(mesh)[0] as { route: { cluster: string } }).route.cluster
    assert.equal(cluster(), 'outbound|20880||cart.example')
    mesh.write('cart.yaml', serviceEntry({ host: 'cart.example', ports: { 'tcp-dubbo': 9000 } }))
    assert.equal(cluster(), 'outbound|9000||cart.example')
    const changed: string[] = []
    mesh.output.onChange((change) => changed.push(...(change.get(typeUrls.routes) ?? [])))
    mesh.write('cart.yaml', serviceEntry({ host: 'cart.example', ports: { 'tcp-dubbo': 9001 } }))
    assert.equal(cluster(), 'outbound|9001||cart.example')
    assert.ok(changed.includes(`${host}_20880`))
    assert.ok(mesh.view().names(typeUrls.cluster).includes(cluster()))
    mesh.write('cart.yaml', serviceEntry({ host: 'cart.example', ports: { 'tcp-dubbo': 9001, 'tcp-dubbo-b': 20880 } }))
    assert.equal(cluster(), 'outbound|20880||cart.example')
  })

  test('hosts are the same in any case, and with a dot at the end', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host: 'Orders.Shop.Example', name: 'orders' }))
    mesh.write(
      'rules.yaml',
      virtualService('  http: [{name: vs, route: [{destination: {host: orders.shop.EXAMPLE., subset: v1}}]}]').replace(
        `[${host}]`,
        '[ORDERS.shop.example]',
      ) +
        `---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d}, spec: {host: orders.Shop.example., subsets: [{name: v1, labels: {version: v1}}]}}`,
    )
    const cluster = `outbound|20880|v1|${host}`
    assert.deepEqual(routesOf(mesh), [{ name: 'vs', match: { prefix: '/' }, route: { cluster } }])
    assert.ok(mesh.view().names(typeUrls.cluster).includes(cluster))
    assert.deepEqual(mesh.diagnostics(), [])
  })

  test('without the DestinationRule its subsets are gone, the rule stays, and it is said', () => {
    const mesh = meshWith(virtualService(`  http: [{route: [{destination: {host: ${host}, subset: v1}}]}]`))
    mesh.write(
      'dr.yaml',
      `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d}, spec: {host: ${host}, subsets: [{name: v1, labels: {version: v1}}]}}`,
    )
    const cluster = `outbound|20880|v1|${host}`
    assert.ok(mesh.view().names(typeUrls.cluster).includes(cluster))
    mesh.remove('dr.yaml')
    assert.deepEqual(mesh.view().names(typeUrls.cluster), [`outbound|20880||${host}`])
    assert.equal((routesOf(mesh)[0] as { route: { cluster: string } }).route.cluster, cluster)
    assert.deepEqual(
      mesh.diagnostics().map(({ code }) => code),
      ['MESH_UNKNOWN_SUBSET'],
    )
  })

  test('the hash of another service’s destination comes from the rule in that service’s namespace', () => {
    const mesh = meshWith(virtualService('  http: [{route: [{destination: {host: cart.example}}]}]'))
    mesh.write(
      'cart.yaml',
      serviceEntry({ host: 'cart.example', namespace: 'cart' }) +
        '---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: cart}, spec: {host: cart.example, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: user}}}}}',
    )
    const [route] = routesOf(mesh) as { route: { hashPolicy?: unknown } }[]
    assert.deepEqual(route?.route.hashPolicy, [{ header: { headerName: 'user' } }])
  })
})
