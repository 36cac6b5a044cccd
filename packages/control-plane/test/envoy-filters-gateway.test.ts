/** What exposes services through an Istio gateway. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadResources } from '@aeraki/api'
import { createGeneratedObjects } from '../src/envoy-filter/generated.ts'
import { createMesh } from '../src/mesh/mesh.ts'
import { createVipAllocator } from '../src/vip/allocator.ts'
import { generateYaml, patchesOf } from './support/envoy-filters.ts'

function entry(name: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [${name}.shop.svc.cluster.local]
  addresses: [10.1.2.3]
  ports: [{number: 9090, name: tcp-metaprotocol-thrift, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.1}]
---`
}

function router(name: string, port: number | undefined, gateway = 'istio-system/ingress'): string {
  const destination = `{host: ${name}.shop.svc.cluster.local${port === undefined ? '' : `, port: {number: ${port}}`}}`
  return `
apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [${name}.shop.svc.cluster.local]
  gateways: [${gateway}]
  routes: [{match: {attributes: {method: {exact: ""}}}, route: [{destination: ${destination}}]}]
---`
}

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 9090, name: tcp-metaprotocol-thrift-9090, protocol: TCP}, hosts: ["*"]}
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
---`

const filter = 'istio-system/aeraki-gateway-outbound-ingress.istio-system-9090'

test('a server of a gateway gets the filter of the service, and the VirtualService that makes its listener', () => {
  const { names, get, said } = generateYaml(entry('greeter') + router('greeter', 9090) + gateway)
  assert.deepEqual(said, [])
  assert.deepEqual(names, [
    filter,
    'istio-system/aeraki-outbound-greeter.shop.svc.cluster.local-10.1.2.3-9090',
    'istio-system/aeraki-vs-istio-system.ingress-9090',
  ])
  const object = get(filter)
  assert.deepEqual(object.kind === 'EnvoyFilter' && object.spec.workloadSelector, {
    labels: { istio: 'ingressgateway' },
  })
  const [patch, ...others] = patchesOf(object)
  assert.deepEqual(others, [])
  assert.equal(patch?.listener, '0.0.0.0_9090')
  assert.match(JSON.stringify(patch?.config), /"routeConfigName":"greeter\.shop\.svc\.cluster\.local_9090"/)
  const rule = get('istio-system/aeraki-vs-istio-system.ingress-9090')
  assert.deepEqual(rule.metadata.labels, { manager: 'Aeraki' })
  assert.deepEqual(rule.spec, {
    hosts: ['greeter.shop.svc.cluster.local'],
    gateways: ['istio-system/ingress'],
    tcp: [
      {
        match: [{ port: 9090 }],
        route: [{ destination: { host: 'greeter.shop.svc.cluster.local', port: { number: 9090 } } }],
      },
    ],
  })
})

test('with routes apart from listeners, the filter of a gateway fetches its configuration, too', () => {
  const yaml =
    entry('greeter').replace('metaprotocol-', '') + router('greeter', 9090) + gateway.replace('metaprotocol-', '')
  const { names, get } = generateYaml(yaml, { istioDelivery: { kind: 'extension-config' } })
  const config = filter.replace('outbound', 'config')
  assert.ok(names.includes(config) && names.includes(filter))
  const [before, after] = [config, filter].map((name) => {
    const object = get(name)
    assert.ok(object.kind === 'EnvoyFilter')
    assert.deepEqual(object.spec.workloadSelector, { labels: { istio: 'ingressgateway' } })
    return object.spec.configPatches?.[0]?.patch?.value as { name: string; config_discovery?: { type_urls: string[] } }
  })
  assert.equal(before?.name, 'gateway|9090||ingress.istio-system')
  assert.equal(after?.name, before.name)
  assert.match(after.config_discovery?.type_urls[0] ?? '', /ThriftProxy$/)
})

test('several servers have names of their own, and a name without namespace is one of the MetaRouter', () => {
  const own = gateway
    .replaceAll('istio-system', 'shop')
    .replace('{port: {number: 80, name: http', '{port: {number: 9091, name: tcp-metaprotocol-thrift')
  const { names } = generateYaml(
    entry('greeter') + router('greeter', 9090, 'ingress') + entry('other') + router('other', 9091, 'ingress') + own,
  )
  assert.deepEqual(
    names.filter((name) => name.startsWith('shop/')),
    [
      'shop/aeraki-gateway-outbound-ingress.shop-9090',
      'shop/aeraki-gateway-outbound-ingress.shop-9091',
      'shop/aeraki-vs-shop.ingress-9090',
      'shop/aeraki-vs-shop.ingress-9091',
    ],
  )
})

test('a server that nobody uses, or two want, is reported', () => {
  const nobody = generateYaml(entry('greeter') + router('greeter', undefined, 'other/gateway') + gateway)
  assert.deepEqual(nobody.said, ['ENVOY_GATEWAY Gateway spec.servers[0].port'])
  assert.ok(!nobody.names.includes(filter))

  const two = generateYaml(
    entry('greeter') +
      router('greeter', 9090) +
      entry('other').replace('10.1.2.3', '10.1.2.4') +
      router('other', 9090) +
      gateway,
  )
  assert.deepEqual(two.said, ['ENVOY_GATEWAY Gateway spec.servers[0].port'])
  assert.match(JSON.stringify(two.get(filter)), /greeter\.shop/)
})

function ofGateway(objects: readonly { readonly metadata: { readonly name: string } }[]): string[] {
  return objects.map(({ metadata }) => metadata.name).filter((name) => name.includes('ingress'))
}

test('a gateway follows what it exposes', () => {
  const mesh = createMesh(createVipAllocator(), 'istio-system')
  const generated = createGeneratedObjects({ mesh, rootNamespace: 'istio-system', allocatedAddresses: false })
  const write = (yaml: string, kind: 'put' | 'remove' = 'put') =>
    generated.publish(mesh.apply(loadResources(yaml, 'test.yaml').objects.map((object) => ({ kind, object }))))
  write(gateway + router('greeter', 9090))
  assert.equal(generated.objects().length, 0)
  const names = ['aeraki-gateway-outbound-ingress.istio-system-9090', 'aeraki-vs-istio-system.ingress-9090']
  assert.deepEqual(ofGateway(write(entry('greeter')).changed.map(({ object }) => object)), names)
  assert.deepEqual(ofGateway(write(router('greeter', 9090, 'other/gateway')).removed), names)
  assert.deepEqual(ofGateway(write(router('greeter', 9090)).changed.map(({ object }) => object)), names)
  assert.deepEqual(ofGateway(write(gateway, 'remove').removed), names)
})
