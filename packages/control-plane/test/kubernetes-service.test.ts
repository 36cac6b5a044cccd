import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KubernetesObject } from '@aeraki/kubernetes'
import { loadObject } from '../src/sources/kubernetes/load.ts'
import {
  type EndpointSlice,
  type Service,
  serviceEntryOf,
  type Surroundings,
} from '../src/sources/kubernetes/service-entry.ts'

function service(spec: Service['spec'], annotations: Record<string, string> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'orders', namespace: 'shop', resourceVersion: '7', annotations },
    ...(spec === undefined ? {} : { spec }),
  }
}

function slice(
  addresses: readonly string[],
  ports: EndpointSlice['ports'] = [{ name: 'tcp-dubbo', port: 30880 }],
  more: Record<string, unknown> = {},
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'orders-1', namespace: 'shop' },
    addressType: 'IPv4',
    ports,
    endpoints: addresses.map((address) => ({ addresses: [address] })),
    ...more,
  }
}

const dubbo = { name: 'tcp-dubbo', port: 20880, targetPort: 'rpc' }

function around(slices: readonly EndpointSlice[], more: Partial<Surroundings> = {}): Surroundings {
  return { slices, podLabels: () => undefined, nodeLabels: () => undefined, domain: 'cluster.local', ...more }
}

describe('a Kubernetes Service as a ServiceEntry', () => {
  test('has its host, addresses, selector and ready endpoints with their own ports', () => {
    const spec = {
      clusterIP: '10.96.0.7',
      clusterIPs: ['10.96.0.7', 'fd00::7'],
      selector: { app: 'orders' },
      ports: [dubbo],
    }
    const unready = slice([], undefined, { endpoints: [{ addresses: ['10.1.0.9'], conditions: { ready: false } }] })
    const entry = serviceEntryOf(service(spec), around([slice(['10.1.0.2', '10.1.0.1']), unready]))
    assert.equal(entry?.metadata.name, 'synthetic-orders')
    assert.equal(entry?.source.file, 'kubernetes:shop/orders@7')
    assert.deepEqual(entry?.spec, {
      hosts: ['orders.shop.svc.cluster.local'],
      addresses: ['10.96.0.7', 'fd00::7'],
      ports: [{ number: 20880, name: 'tcp-dubbo', protocol: 'TCP', targetPort: 30880 }],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      endpoints: [
        { address: '10.1.0.1', ports: { 'tcp-dubbo': 30880 } },
        { address: '10.1.0.2', ports: { 'tcp-dubbo': 30880 } },
      ],
      workloadSelector: { labels: { app: 'orders' } },
    })
  })

  test('is none of our business without a port of ours', () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'tcp-dubbo', port: 53, protocol: 'UDP' },
    ]
    assert.equal(serviceEntryOf(service({ clusterIP: '10.96.0.7', ports }), around([])), undefined)
  })

  test('headless, has the addresses of its endpoints, which its clients dial', () => {
    const entry = serviceEntryOf(
      service({ clusterIP: 'None', ports: [dubbo] }),
      around([slice(['10.1.0.1', '10.1.0.2'])]),
    )
    assert.deepEqual(entry?.spec.addresses, ['10.1.0.1', '10.1.0.2'])
    assert.equal(entry?.spec.resolution, 'NONE')
  })

  test('of an external name is resolved by that name', () => {
    const spec = { type: 'ExternalName', externalName: 'orders.example', ports: [dubbo] }
    const entry = serviceEntryOf(service(spec), around([]))
    assert.deepEqual(entry?.spec.endpoints, [{ address: 'orders.example' }])
    assert.deepEqual(
      [entry?.spec.resolution, entry?.spec.location, entry?.spec.addresses],
      ['DNS', 'MESH_EXTERNAL', []],
    )
  })

  test('with one port without a name is found by appProtocol', () => {
    const spec = { clusterIP: '10.96.0.7', ports: [{ port: 20880, appProtocol: 'aeraki.io/dubbo' }] }
    const entry = serviceEntryOf(service(spec), around([slice(['10.1.0.1'], [{ port: 30880 }])]))
    assert.deepEqual(entry?.spec.endpoints, [{ address: '10.1.0.1', ports: { 'tcp-20880': 30880 } }])
  })

  test('of two address families has each pod once, under the address of the first', () => {
    const spec = { clusterIP: 'fd00::7', ipFamilies: ['IPv6', 'IPv4'], ports: [dubbo] }
    const slices = [slice(['10.1.0.1']), slice(['fd00::1'], undefined, { addressType: 'IPv6' })]
    assert.deepEqual(
      serviceEntryOf(service(spec), around(slices))?.spec.endpoints?.map(({ address }) => address),
      ['fd00::1'],
    )
  })

  test('takes labels from pods, and places from pods, nodes or slices', () => {
    const endpoints = ['a', 'b', 'c'].map((name, i) => ({
      addresses: [`10.1.0.${i}`],
      zone: 'eu-9',
      ...(name === 'c' ? {} : { nodeName: 'n1' }),
      targetRef: { kind: 'Pod', name },
    }))
    const pods: Record<string, Record<string, string>> = {
      'shop/a': { 'istio-locality': 'us.us-1' },
      'shop/b': { version: 'v2' },
    }
    const entry = serviceEntryOf(
      service({ clusterIP: '10.96.0.7', ports: [dubbo] }),
      around([slice([], undefined, { endpoints })], {
        podLabels: (key) => pods[key],
        nodeLabels: () => ({ 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': 'eu-1' }),
      }),
    )
    assert.deepEqual(
      entry?.spec.endpoints?.map(({ locality, labels }) => [locality, labels?.['version']]),
      [
        ['us/us-1', undefined],
        ['eu/eu-1', 'v2'],
        ['/eu-9', undefined],
      ],
    )
  })

  test('is exported as its annotation says', () => {
    const annotated = service(
      { clusterIP: '10.96.0.7', ports: [dubbo] },
      { 'networking.istio.io/exportTo': '., billing' },
    )
    assert.deepEqual(serviceEntryOf(annotated, around([]))?.spec.exportTo, ['.', 'billing'])
  })
})

function istioEntry(more: object): KubernetesObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'orders', namespace: 'shop', resourceVersion: '9', uid: 'u', generation: 3 },
    spec: { hosts: ['orders.example'], ports: [], ...more },
  }
}

describe('an object of the API server', () => {
  test('of Istio may have fields that we do not know yet: they are passed over with a warning', () => {
    const { objects, diagnostics } = loadObject(istioEntry({ ports: [{ number: 1, name: 'tcp', futureField: true }] }))
    assert.equal(objects.length, 1)
    const [warning] = diagnostics.filter(({ code }) => code === 'API_UNKNOWN_FIELD')
    assert.equal(warning?.severity, 'warning')
    assert.equal(warning?.field, 'spec.ports[0].futureField')
    assert.equal(warning?.file, 'kubernetes:shop/orders@9')
  })

  test('of Istio with another mistake is broken all the same', () => {
    const { objects, diagnostics } = loadObject(istioEntry({ futureField: true, resolution: 'STAIC' }))
    assert.deepEqual(objects, [])
    assert.ok(diagnostics.some(({ severity, field }) => severity === 'error' && field === 'spec.resolution'))
  })

  test('of ours may not', () => {
    const ours = { ...istioEntry({}), apiVersion: 'metaprotocol.aeraki.io/v1alpha1', kind: 'MetaRouter' }
    assert.deepEqual(loadObject(ours).objects, [])
  })
})
