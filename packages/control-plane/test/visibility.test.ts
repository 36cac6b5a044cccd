import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { typeUrls } from '@aeraki/xds'
import { createTestMesh, read, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'orders.shop.example'

const clusters = (mesh: TestMesh, namespace: string) => mesh.view({ namespace }).names(typeUrls.cluster)

function routeNames(mesh: TestMesh, namespace: string): string[] {
  const table = read(RouteConfigurationSchema, mesh.view({ namespace }).get(typeUrls.routes, `${host}_20880`))
  return table.virtualHosts.flatMap(({ routes }) => routes.map(({ name }) => name))
}

const router = (namespace: string, name: string, exportTo?: string) => `---
apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  hosts: [${host}]
  ${exportTo === undefined ? '' : `exportTo: ${exportTo}`}
  routes: [{name: ${name}, route: [{destination: {host: ${host}}}]}]
`

const virtualService = (namespace: string, name: string, exportTo: string) => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  hosts: [${host}]
  exportTo: ${exportTo}
  http: [{name: ${name}, route: [{destination: {host: ${host}}}]}]
`

const subsetRule = (namespace: string, subset: string, exportTo = '["*"]', target = host) => `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule-${subset}, namespace: ${namespace}}
spec: {host: "${target}", exportTo: ${exportTo}, subsets: [{name: ${subset}, labels: {version: v1}}]}
`

describe('exportTo', () => {
  test('a service is seen by the namespaces it is exported to, and by nobody else under any name', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, namespace: 'shop', spec: ['exportTo: [".", web]'] }))
    for (const namespace of ['shop', 'web']) assert.equal(clusters(mesh, namespace).length, 1, namespace)
    const view = mesh.view({ namespace: 'other' })
    for (const typeUrl of Object.values(typeUrls)) assert.deepEqual(view.names(typeUrl), [])
    const [listener = ''] = mesh.view({ namespace: 'web' }).names(typeUrls.listener)
    assert.notEqual(mesh.view({ namespace: 'web' }).get(typeUrls.listener, listener), undefined)
    assert.equal(view.get(typeUrls.listener, listener), undefined)
    assert.equal(view.get(typeUrls.cluster, `outbound|20880||${host}`), undefined)
    assert.equal(view.get(typeUrls.endpoints, `outbound|20880||${host}`), undefined)
    assert.equal(view.get(typeUrls.routes, `${host}_20880`), undefined)
  })

  test('of a host in two namespaces clients mean their own, others the first they see', () => {
    const mesh = createTestMesh()
    mesh.write('a.yaml', serviceEntry({ host, namespace: 'a', ports: { 'tcp-dubbo': 1 } }))
    mesh.write('b.yaml', serviceEntry({ host, namespace: 'b', ports: { 'tcp-dubbo': 2 } }))
    assert.deepEqual(clusters(mesh, 'a'), [`outbound|1||${host}`])
    assert.deepEqual(clusters(mesh, 'b'), [`outbound|2||${host}`])
    assert.deepEqual(clusters(mesh, 'c'), [`outbound|1||${host}`])
    mesh.remove('a.yaml')
    assert.deepEqual(clusters(mesh, 'a'), [`outbound|2||${host}`])
  })

  test('a rule counts for the namespaces it is exported to; their own rule comes first, then the service’s', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, namespace: 'shop' }))
    mesh.write(
      'rules.yaml',
      virtualService('shop', 'of-shop', '["*"]') +
        virtualService('web', 'of-web', '[.]') +
        virtualService('aaa', 'for-app', '[app]'),
    )
    assert.deepEqual(routeNames(mesh, 'web'), ['of-web'])
    assert.deepEqual(routeNames(mesh, 'shop'), ['of-shop'])
    assert.deepEqual(routeNames(mesh, 'other'), ['of-shop'])
    assert.deepEqual(routeNames(mesh, 'app'), ['of-shop'])
    mesh.write('rules.yaml', virtualService('aaa', 'for-app', '[app]'))
    assert.deepEqual(routeNames(mesh, 'app'), ['for-app'])
    assert.deepEqual(routeNames(mesh, 'other'), ['default'])
  })

  test('a MetaRouter may be limited to namespaces, and a second one for a host is reported', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, namespace: 'shop' }))
    mesh.write('router.yaml', router('shop', 'one', '[web]'))
    assert.deepEqual(routeNames(mesh, 'web'), ['one'])
    assert.deepEqual(routeNames(mesh, 'shop'), ['default'])
    mesh.write('router.yaml', router('shop', 'one') + router('shop', 'two'))
    assert.deepEqual(routeNames(mesh, 'web'), ['one'])
    assert.deepEqual(
      mesh.diagnostics().map(({ code, name }) => [code, name]),
      [['MESH_SECOND_ROUTER', 'two']],
    )
  })

  test('DestinationRules of one namespace merge their subsets, the client’s namespace first, wildcards last', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, namespace: 'shop' }))
    mesh.write('rules.yaml', subsetRule('shop', 'a') + subsetRule('shop', 'b') + subsetRule('web', 'w', '[.]'))
    const names = (...subsets: string[]) => ['', ...subsets].map((subset) => `outbound|20880|${subset}|${host}`)
    assert.deepEqual(clusters(mesh, 'shop'), names('a', 'b'))
    assert.deepEqual(clusters(mesh, 'web'), names('w'))
    mesh.write('rules.yaml', subsetRule('shop', 'any', '["*"]', '*.example'))
    assert.deepEqual(clusters(mesh, 'web'), names('any'))
    mesh.write('more.yaml', subsetRule('shop', 'exact'))
    assert.deepEqual(clusters(mesh, 'web'), names('exact'))
  })

  test('a DestinationRule counts in the namespaces of the client, the service and the mesh, and nowhere else', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, namespace: 'shop' }))
    mesh.write('rules.yaml', subsetRule('elsewhere', 'e') + subsetRule('istio-system', 'root'))
    const subsets = (namespace: string) => clusters(mesh, namespace).map((name) => name.split('|')[2])
    assert.deepEqual(subsets('elsewhere'), ['', 'e'])
    for (const namespace of ['shop', 'web']) assert.deepEqual(subsets(namespace), ['', 'root'])
    mesh.write('rules.yaml', subsetRule('elsewhere', 'e'))
    assert.deepEqual(subsets('web'), [''])
    mesh.write(
      'rules.yaml',
      subsetRule('elsewhere', 'e') + subsetRule('shop', 's') + subsetRule('istio-system', 'root'),
    )
    assert.deepEqual(subsets('web'), ['', 's'])
  })
})

test('clients that the same rules apply to share the very same resources', () => {
  const mesh = createTestMesh()
  mesh.write('se.yaml', serviceEntry({ host, namespace: 'shop' }))
  mesh.write('rules.yaml', virtualService('web', 'of-web', '[.]'))
  const get = (namespace: string, typeUrl: string, name: string) => mesh.view({ namespace }).get(typeUrl, name)
  for (const [typeUrl, name] of [
    [typeUrls.routes, `${host}_20880`],
    [typeUrls.cluster, `outbound|20880||${host}`],
    [typeUrls.endpoints, `outbound|20880||${host}`],
  ] as const) {
    assert.notEqual(get('a', typeUrl, name), undefined)
    assert.equal(get('a', typeUrl, name), get('b', typeUrl, name))
  }
  assert.notEqual(get('a', typeUrls.routes, `${host}_20880`), get('web', typeUrls.routes, `${host}_20880`))
})
