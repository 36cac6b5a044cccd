/** EnvoyFilters: which there are, what they match, and where they stand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateYaml, patchesOf } from './support/envoy-filters.ts'

const tcpProxy = 'envoy.filters.network.tcp_proxy'
const host = 'demo.shop.svc.cluster.local'

interface EntryOptions {
  readonly name?: string
  readonly namespace?: string
  readonly host?: string
  readonly addresses?: string
  readonly ports?: string
  readonly more?: string
  readonly annotations?: string
}

function entry(options: EntryOptions = {}): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: ${options.name ?? 'demo'}
  namespace: ${options.namespace ?? 'shop'}
  annotations: ${options.annotations ?? '{interface: org.example.Demo}'}
spec:
  hosts: ["${options.host ?? host}"]
  addresses: ${options.addresses ?? '[10.1.2.3]'}
  ports: ${options.ports ?? '[{number: 20880, name: tcp-dubbo, protocol: TCP}]'}
  resolution: STATIC
  ${options.more ?? 'workloadSelector: {labels: {app: demo}}'}
---`
}

function virtualService(subset: string, namespace: string, more = ''): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes-${subset}, namespace: ${namespace}}
spec:
  hosts: [${host}]
  http: [{route: [{destination: {host: ${host}, subset: ${subset}}}]}]
  ${more}
---`
}

const subsets = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: demo, namespace: shop}
spec:
  host: ${host}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---`

test('every port and every address has its filter, workloads by the port that they listen on', () => {
  const { names, get, said } = generateYaml(
    entry({
      addresses: '[10.1.2.3, "2001:db8::1"]',
      ports: `
    - {number: 20880, name: tcp-dubbo, protocol: TCP, targetPort: 20881}
    - {number: 9090, name: tcp, protocol: TCP}
    - {number: 20990, name: tcp-dubbo-second, protocol: TCP}`,
    }),
  )
  assert.deepEqual(said, [])
  assert.deepEqual(names, [
    `istio-system/aeraki-outbound-${host}-10.1.2.3-20880`,
    `istio-system/aeraki-outbound-${host}-10.1.2.3-20990`,
    `istio-system/aeraki-outbound-${host}-2001-db8--1-20880`,
    `istio-system/aeraki-outbound-${host}-2001-db8--1-20990`,
    `shop/aeraki-inbound-${host}-20880`,
    `shop/aeraki-inbound-${host}-20990`,
  ])
  const [outbound] = patchesOf(get(`istio-system/aeraki-outbound-${host}-2001-db8--1-20880`))
  assert.deepEqual(
    { ...outbound, config: undefined },
    {
      operation: 'REPLACE',
      listener: '2001:db8::1_20880',
      destinationPort: undefined,
      filter: tcpProxy,
      name: 'envoy.filters.network.dubbo_proxy',
      config: undefined,
    },
  )
  const inbound = get(`shop/aeraki-inbound-${host}-20880`)
  assert.deepEqual(inbound.metadata.labels, { manager: 'Aeraki' })
  assert.deepEqual(inbound.kind === 'EnvoyFilter' && inbound.spec.workloadSelector, { labels: { app: 'demo' } })
  const [patch] = patchesOf(inbound)
  assert.equal(patch?.listener, 'virtualInbound')
  assert.equal(patch?.destinationPort, 20881)
  assert.match(JSON.stringify(patch?.config), /"cluster":"inbound\|20881\|\|"/)
})

test('workloads that listen elsewhere than the others have their own filter chain patched, too', () => {
  const { get } = generateYaml(`${entry()}
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: old, namespace: shop}
spec: {address: 10.0.0.9, labels: {app: demo}, ports: {tcp-dubbo: 30880}}
`)
  assert.deepEqual(
    patchesOf(get(`shop/aeraki-inbound-${host}-20880`)).map(({ destinationPort }) => destinationPort),
    [20880, 30880],
  )
})

test('workloads may be selected by an annotation, and without a selector there is no inbound filter', () => {
  const more = 'endpoints: [{address: 10.0.0.1}]'
  const selected = generateYaml(entry({ more, annotations: '{interface: a.B, workloadSelector: "version : v1"}' }))
  const inbound = selected.get(`shop/aeraki-inbound-${host}-20880`)
  assert.deepEqual(inbound.kind === 'EnvoyFilter' && inbound.spec.workloadSelector, { labels: { version: 'v1' } })
  assert.deepEqual(generateYaml(entry({ more })).names, [`istio-system/aeraki-outbound-${host}-10.1.2.3-20880`])
})

test('a host with a wildcard that has an address is served', () => {
  const { names, get, said } = generateYaml(entry({ host: '*.demo.example', more: 'endpoints: [{address: 10.0.0.1}]' }))
  assert.deepEqual(said, [])
  assert.deepEqual(names, ['istio-system/aeraki-outbound-wildcard.demo.example-10.1.2.3-20880'])
  assert.match(JSON.stringify(get(names[0] ?? '')), /"cluster":"outbound\|20880\|\|\*\.demo\.example"/)
})

test('long names are cut, and stay different', () => {
  const label = 'a'.repeat(60)
  const long = `${label}.${label}.${label}.${label}`
  const { names } = generateYaml(entry({ host: long, addresses: '[10.1.2.3, 10.1.2.4]' }))
  assert.equal(names.length, 3)
  for (const name of names) assert.ok((name.split('/')[1] ?? '').length <= 253)
})

test('a service that clients have no address for is reported, and its workloads are patched all the same', () => {
  for (const addresses of ['[]', '[10.0.0.0/8]']) {
    const { names, said } = generateYaml(entry({ addresses }))
    assert.deepEqual(names, [`shop/aeraki-inbound-${host}-20880`])
    assert.ok(said.includes('ENVOY_NO_ADDRESS ServiceEntry spec.addresses'), said.join())
  }
})

test('a missing annotation is an error with its place, and nothing empty is written', () => {
  const { names, said } = generateYaml(entry({ annotations: '{}', more: 'endpoints: [{address: 10.0.0.1}]' }))
  assert.deepEqual(names, [])
  assert.deepEqual(said, ['ENVOY_MISSING_ANNOTATION ServiceEntry metadata.annotations'])
})

test('destinations keep their host and port, and short names are made whole', () => {
  const { get } = generateYaml(`${entry()}${entry({
    name: 'canary',
    host: 'canary.shop.svc.cluster.local',
    addresses: '[10.1.2.4]',
    ports: '[{number: 20999, name: tcp-dubbo, protocol: TCP}]',
  })}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes, namespace: shop}
spec:
  hosts: [demo]
  http:
  - match:
    - {method: {exact: sayHello}}
    - {headers: {batchJob: {exact: "true"}}, port: 20880}
    - {headers: {never: {exact: "true"}}, port: 1}
    route: [{destination: {host: canary}, weight: 10}, {destination: {host: ${host}}, weight: 90}]
  - route: [{destination: {host: ${host}}, weight: 1}, {destination: {host: ${host}}, weight: 1}]
`)
  const [patch] = patchesOf(get(`istio-system/aeraki-outbound-${host}-10.1.2.3-20880`))
  const config = patch?.config as { multipleRouteConfig: { routeConfig: { routes: object[] }[] } } | undefined
  const weighted = {
    weightedClusters: {
      clusters: [
        { name: 'outbound|20999||canary.shop.svc.cluster.local', weight: 10 },
        { name: `outbound|20880||${host}`, weight: 90 },
      ],
    },
  }
  assert.deepEqual(config?.multipleRouteConfig.routeConfig[0]?.routes, [
    { match: { method: { name: { exact: 'sayHello' } } }, route: weighted },
    {
      match: {
        method: { name: { safeRegex: { regex: '.*' } } },
        headers: [{ name: 'batchjob', stringMatch: { exact: 'true' } }],
      },
      route: weighted,
    },
    {
      match: { method: { name: { safeRegex: { regex: '.*' } } } },
      route: { cluster: `outbound|20880||${host}` },
    },
  ])
})

test("a namespace's own rule replaces the filter that everyone has, for its clients alone", () => {
  const { names, get } = generateYaml(
    entry({ more: 'endpoints: [{address: 10.0.0.1}]' }) +
      subsets +
      virtualService('v1', 'shop') +
      virtualService('v2', 'web', 'exportTo: [.]'),
  )
  const name = `aeraki-outbound-${host}-10.1.2.3-20880`
  assert.deepEqual(names, [`istio-system/${name}`, `web/${name}`])
  const [common] = patchesOf(get(`istio-system/${name}`))
  const [special] = patchesOf(get(`web/${name}`))
  assert.equal(common?.filter, tcpProxy)
  // Istio applies those of the root namespace first: what is to be replaced is the filter that it has put there.
  assert.equal(special?.filter, 'envoy.filters.network.dubbo_proxy')
  assert.match(JSON.stringify(common?.config), /\|v1\|/)
  assert.match(JSON.stringify(special?.config), /\|v2\|/)
})

function router(exportTo: string): string {
  return `
apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: routes, namespace: other}
spec:
  hosts: [${host}]
  exportTo: ${exportTo}
  routes: [{route: [{destination: {host: ${host}}}]}]
---`
}

function namespaces(exportTo: string): string[] {
  return generateYaml(entry() + router(exportTo)).names.map((name) => name.replace(/-demo\..*/, ''))
}

test('exportTo of a MetaRouter says in which namespaces the filters are', () => {
  assert.deepEqual(namespaces('["."]'), ['shop/aeraki-inbound', 'shop/aeraki-outbound'])
  assert.deepEqual(namespaces('[web, batch]'), [
    'batch/aeraki-inbound',
    'batch/aeraki-outbound',
    'web/aeraki-inbound',
    'web/aeraki-outbound',
  ])
  assert.deepEqual(namespaces('["*"]'), ['istio-system/aeraki-outbound', 'shop/aeraki-inbound'])
  assert.deepEqual(namespaces('["~"]'), [])
})

test('one host and address in two namespaces is written once, and reported', () => {
  const more = 'endpoints: [{address: 10.0.0.1}]'
  const { names, said } = generateYaml(
    entry({ more }) + entry({ more, namespace: 'web', annotations: '{interface: org.example.Other}' }),
  )
  assert.deepEqual(names, [`istio-system/aeraki-outbound-${host}-10.1.2.3-20880`])
  assert.ok(said.includes('ENVOY_CONTESTED ServiceEntry spec.hosts'), said.join())
})

test('one address and port of two hosts is reported', () => {
  const more = 'endpoints: [{address: 10.0.0.1}]'
  const two = generateYaml(entry({ more }) + entry({ more, name: 'other', host: 'other.shop.svc.cluster.local' }))
  assert.deepEqual(two.said, ['ENVOY_CONTESTED ServiceEntry spec.addresses'])
  const apart = generateYaml(
    entry({ more }) + entry({ more, name: 'other', host: 'other.shop.svc.cluster.local', addresses: '[10.1.2.4]' }),
  )
  assert.deepEqual(apart.said, [])
})
