import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadResources, validateSet } from '../src/index.ts'

function check(text: string): string[] {
  const { objects, diagnostics } = loadResources(text, 'x.yaml')
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity === 'error'),
    [],
  )
  return validateSet(objects).map(({ severity, code, name, field, line, message }) => {
    assert.equal(severity, 'warning')
    assert.notEqual(message, '')
    return `${code} ${name} ${field} ${line}`
  })
}

const istio = 'apiVersion: networking.istio.io/v1'
const service = (name: string, rest = '') => `
{${istio}, kind: ServiceEntry, metadata: {name: ${name}, namespace: shop}, spec: {hosts: [${name}.shop.svc.cluster.local], ports: [{number: 20880, name: tcp-metaprotocol-dubbo}]${rest}}}
---`
const withPorts = (ports: string) =>
  `{${istio}, kind: ServiceEntry, metadata: {name: p}, spec: {hosts: [p.q], ports: [${ports}]}}\n---\n`
const rule = `
{${istio}, kind: DestinationRule, metadata: {name: orders, namespace: shop}, spec: {host: orders, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}}
---`
const router = (name: string, spec: string, metadata = '') => `
{apiVersion: metaprotocol.aeraki.io/v1alpha1, kind: MetaRouter, metadata: {name: ${name}, namespace: shop${metadata}}, spec: ${spec}}
---`
const host = 'orders.shop.svc.cluster.local'
const virtual = (name: string) =>
  `{${istio}, kind: VirtualService, metadata: {name: ${name}, namespace: shop}, spec: {hosts: [orders], http: [{route: [{destination: {host: orders}}]}]}}\n---\n`

describe('a set of objects', () => {
  test('that fits together gives no warning; short names are of the namespace', () => {
    const spec = `{hosts: [${host}], routes: [{route: [{destination: {host: orders, subset: v1, port: {number: 20880}}}]}]}`
    assert.deepEqual(check(service('orders') + rule + router('r', spec)), [])
  })

  test('a subset that no DestinationRule has is named, with the one that was meant', () => {
    const spec = `{hosts: [${host}], routes: [{route: [{destination: {host: ${host}, subset: v3}}]}]}`
    const text = service('orders') + rule + router('r', spec)
    assert.deepEqual(check(text), ['API_UNKNOWN_SUBSET r spec.routes[0].route[0].destination.subset 6'])
    assert.match(validateSet(loadResources(text, 'x.yaml').objects)[0]?.message ?? '', /did you mean v1\?/)
  })

  test('a protocol that is one slip away from a known one is named, unless it is declared', () => {
    const slips =
      '{number: 1, name: tcp-dubo-x}, {number: 2, name: tcp-metaprotocol-thirft}, {number: 3, name: tcp-metaprotocl-dubbo}, ' +
      '{number: 4, name: x, appProtocol: aeraki.io/dubbos}, {number: 5, name: tcp-web}, {number: 6, name: http-dubo}'
    assert.deepEqual(check(withPorts(slips)), [
      'API_SIMILAR_PROTOCOL p spec.ports[0].name 1',
      'API_SIMILAR_PROTOCOL p spec.ports[1].name 1',
      'API_SIMILAR_PROTOCOL p spec.ports[2].name 1',
      'API_SIMILAR_PROTOCOL p spec.ports[3].appProtocol 1',
    ])
    const declaration =
      '{apiVersion: metaprotocol.aeraki.io/v1alpha1, kind: ApplicationProtocol, metadata: {name: d}, spec: {protocol: dubbos, codec: aeraki.meta_protocol.codec.dubbo}}'
    assert.deepEqual(check(withPorts('{number: 4, name: tcp-metaprotocol-dubbos}') + declaration), [])
  })

  test('a host that no ServiceEntry has is named once for each object', () => {
    const spec = `{hosts: [odrers.shop.svc.cluster.local], routes: [{route: [{destination: {host: odrers.shop.svc.cluster.local}}], mirror: {host: none.example.com}}]}`
    const text = service('orders') + router('r', spec)
    assert.deepEqual(check(text), [
      'API_UNKNOWN_HOST r spec.hosts[0] 4',
      'API_UNKNOWN_HOST r spec.routes[0].mirror.host 4',
    ])
    assert.match(validateSet(loadResources(text, 'x.yaml').objects)[0]?.message ?? '', /did you mean orders\.shop/)
  })

  test('a wildcard ServiceEntry has every host under it', () => {
    const text = `
{${istio}, kind: ServiceEntry, metadata: {name: w}, spec: {hosts: ["*.example.com"], ports: [{number: 1, name: tcp-dubbo}]}}
---
{${istio}, kind: VirtualService, metadata: {name: v}, spec: {hosts: [a.example.com], http: [{route: [{destination: {host: a.example.com}}]}]}}`
    assert.deepEqual(check(text), [])
  })

  test('a port that the service does not have is named', () => {
    const spec = `{hosts: [${host}], routes: [{route: [{destination: {host: ${host}, port: {number: 1}}}]}]}`
    assert.deepEqual(check(service('orders') + router('r', spec)), [
      'API_UNKNOWN_PORT r spec.routes[0].route[0].destination.port.number 4',
    ])
  })

  test('two MetaRouters, and two VirtualServices, for one host are one too many', () => {
    const text = `${service('orders')}${router('a', `{hosts: [${host}]}`)}${router('b', `{hosts: [${host}]}`)}\n${virtual('c')}${virtual('d')}`
    assert.deepEqual(check(text), ['API_HOST_TAKEN b spec.hosts[0] 6', 'API_HOST_TAKEN d spec.hosts[0] 10'])
  })

  test('a MetaRouter for plain TCP does nothing', () => {
    const text = service('orders').replace('tcp-metaprotocol-dubbo', 'tcp') + router('r', `{hosts: [${host}]}`)
    assert.deepEqual(check(text), ['API_NOT_META_PROTOCOL r spec.hosts[0] 4'])
  })

  test('the early form for another protocol than the port says is doubtful', () => {
    const text = `${service('orders')}
{apiVersion: networking.aeraki.io/v1alpha1, kind: VirtualService, metadata: {name: r}, spec: {host: [${host}], protocol: thrift, Route: [{destination: {host: ${host}}}]}}`
    assert.deepEqual(check(text), ['API_NOT_META_PROTOCOL r spec.hosts[0] 4'])
  })

  test('a subset that selects none of the listed endpoints is empty', () => {
    const endpoints = ', resolution: STATIC, endpoints: [{address: 10.0.0.1, labels: {version: v1}}]'
    assert.deepEqual(check(service('orders', endpoints) + rule), ['API_EMPTY_SUBSET orders spec.subsets[1] 4'])
  })

  test('one address and port is for one service', () => {
    const address = ', addresses: [10.0.0.1]'
    assert.deepEqual(check(service('a', address) + service('b', address)), ['API_ADDRESS_TAKEN b spec.addresses[0] 4'])
  })

  test('gateways and secrets that are named are there', () => {
    const spec = `{hosts: [${host}], gateways: [ingress, istio-system/other]}`
    const text = `${service('orders')}${router('r', spec)}
{apiVersion: redis.aeraki.io/v1alpha1, kind: RedisService, metadata: {name: s, namespace: shop}, spec: {host: [${host}], settings: {auth: {secret: {name: pw}}}}}`
    assert.deepEqual(check(text), [
      'API_UNKNOWN_REFERENCE r spec.gateways[0] 4',
      'API_UNKNOWN_REFERENCE r spec.gateways[1] 4',
      'API_UNKNOWN_REFERENCE s spec.settings.auth.secret.name 6',
    ])
  })
})
