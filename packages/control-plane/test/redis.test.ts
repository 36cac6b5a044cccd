/** Redis in EnvoyFilters: which clusters are patched, what the rest of the mesh says of them, and Secrets that come and go. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadPath, loadResources } from '@aeraki/api'
import { createGeneratedObjects } from '../src/envoy-filter/generated.ts'
import type { GeneratedObject } from '../src/envoy-filter/object.ts'
import { createMesh } from '../src/mesh/mesh.ts'
import { createVipAllocator } from '../src/vip/allocator.ts'
import { generateYaml } from './support/envoy-filters.ts'

const host = 'cache.data.svc.cluster.local'
const cluster = `outbound|6379||${host}`

function entry(more = 'addresses: [10.1.2.3]', ports = '[{number: 6379, name: tcp-redis, protocol: TCP}]'): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cache, namespace: data}
spec:
  hosts: [${host}]
  ports: ${ports}
  resolution: STATIC
  workloadSelector: {labels: {app: cache}}
  ${more}
---`
}

function aeraki(kind: string, spec: string): string {
  return `
apiVersion: redis.aeraki.io/v1alpha1
kind: ${kind}
metadata: {name: cache, namespace: data}
spec: ${spec}
---`
}

const secret = `
apiVersion: v1
kind: Secret
metadata: {name: clients, namespace: data}
stringData: {password: hush}
---`

const guarded = aeraki('RedisService', `{host: [${host}], settings: {auth: {secret: {name: clients}}}}`)
const clustered = aeraki(
  'RedisDestination',
  `{host: ${host}, trafficPolicy: {connectionPool: {redis: {mode: CLUSTER}}}}`,
)

function patchesOf(object: GeneratedObject) {
  assert.ok(object.kind === 'EnvoyFilter')
  return (object.spec.configPatches ?? []).map(({ applyTo, match, patch }) => ({
    what: `${patch?.operation} ${applyTo}`,
    of: match?.listener?.name ?? JSON.stringify(match?.cluster?.['name']),
    value: JSON.stringify(patch?.value),
  }))
}

const filter = `istio-system/aeraki-outbound-${host}-10.1.2.3-6379`

test('every Redis port has a filter and a patched cluster of its own, and workloads have none', () => {
  const ports = '[{number: 6379, name: tcp-redis, protocol: TCP}, {number: 6380, name: tcp-redis-2, protocol: TCP}]'
  const { names, get, said } = generateYaml(entry('addresses: [10.1.2.3]', ports))
  assert.deepEqual(said, [])
  assert.deepEqual(names, [filter, filter.replace('6379', '6380')])
  assert.deepEqual(
    patchesOf(get(filter.replace('6379', '6380'))).map(({ what, of }) => `${what} ${of}`),
    ['REPLACE NETWORK_FILTER 10.1.2.3_6380', `MERGE CLUSTER "${cluster.replace('6379', '6380')}"`],
  )
})

test('a service without an address has its cluster patched all the same', () => {
  const { names, get, said } = generateYaml(entry('') + clustered)
  assert.deepEqual(said, ['ENVOY_NO_ADDRESS ServiceEntry spec.addresses'])
  assert.deepEqual(names, [`istio-system/aeraki-outbound-${host}-6379`])
  assert.deepEqual(
    patchesOf(get(names[0] ?? '')).map(({ what }) => what),
    ['REMOVE CLUSTER', 'ADD CLUSTER'],
  )
})

test('a DestinationRule keeps its load balancer, and its TLS where the cluster is replaced', () => {
  const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cache, namespace: data}
spec: {host: ${host}, trafficPolicy: {loadBalancer: {simple: RANDOM}, tls: {mode: ISTIO_MUTUAL}}}
---`
  const merged = patchesOf(generateYaml(entry() + rule).get(filter))
  assert.deepEqual(
    merged.map(({ what }) => what),
    ['REPLACE NETWORK_FILTER'],
  )
  const replaced = patchesOf(generateYaml(entry() + rule + clustered).get(filter))
  assert.match(replaced.at(-1)?.value ?? '', /"sni":"outbound_\.6379_\._\.cache\.data\.svc\.cluster\.local"/)
})

/** Whether the cluster has the mesh's mutual TLS, with an endpoint for each of the labels. */
function isMutual(labels: readonly string[], more: string, rule = ''): boolean {
  const addresses = labels.map((label, i) => `{address: 10.9.9.${i}, labels: {${label}}}`)
  const inline = entry(`addresses: [10.1.2.3]\n  endpoints: [${addresses.join()}]\n  ${more}`)
  const yaml = inline.replace('workloadSelector: {labels: {app: cache}}', '') + rule + clustered
  const { get, said } = generateYaml(yaml)
  assert.deepEqual(said, [])
  const value = patchesOf(get(filter)).at(-1)?.value ?? ''
  return value.includes('"name":"ROOTCA"') && value.includes('"sni":"outbound_.6379_._.cache.data.svc.cluster.local"')
}

test("where every server has a sidecar, the cluster that takes the place of Istio's keeps automatic mutual TLS", () => {
  const meshed = 'security.istio.io/tlsMode: istio'
  const internal = 'location: MESH_INTERNAL'
  const off = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cache, namespace: data}
spec: {host: ${host}, trafficPolicy: {tls: {mode: DISABLE}}}
---`
  assert.ok(isMutual([meshed, meshed], internal))
  assert.ok(!isMutual([meshed, 'app: cache'], internal), 'one way for all: plain where one has no sidecar')
  assert.ok(!isMutual([meshed, meshed], 'location: MESH_EXTERNAL'))
  assert.ok(!isMutual([meshed, meshed], internal, off))
})

function seeds(yaml: string): string {
  return patchesOf(generateYaml(yaml + clustered).get(filter)).at(-1)?.value ?? ''
}

test('seeds are the endpoints that a ServiceEntry has, else the host by its name', () => {
  assert.match(seeds(entry()), new RegExp(`"address":"${host}","portValue":6379`))
  const inline = entry('addresses: [10.1.2.3]\n  endpoints: [{address: 10.9.9.9, ports: {tcp-redis: 7000}}]')
  assert.match(seeds(inline.replace('workloadSelector: {labels: {app: cache}}', '')), /"10\.9\.9\.9","portValue":7000/)
})

test('the talk prints its filters and clusters, with the Secret trimmed', () => {
  const folder = join(import.meta.dirname, '../../../examples/redis')
  const { diagnostics } = loadPath(folder)
  assert.deepEqual(diagnostics, [])
  const files = ['service-entry', 'redis-service', 'redis-destination']
  const yaml = files.map((name) => readFileSync(join(folder, `${name}.yaml`), 'utf8')).join('\n---\n')
  const { get, said } = generateYaml(yaml)
  assert.deepEqual(said, [])
  const patches = patchesOf(get(`istio-system/aeraki-outbound-redis-cluster.redis.svc.cluster.local-127.77.1.10-6379`))
  assert.deepEqual(
    patches.map(({ what }) => what),
    ['REPLACE NETWORK_FILTER', 'REMOVE CLUSTER', 'ADD CLUSTER'],
  )
  assert.match(patches[0]?.value ?? '', /"downstreamAuthPasswords":\[\{"inlineString":"testredis"\}\]/)
})

test('a Secret counts as soon as it comes, and stays in force when it goes', () => {
  const mesh = createMesh(createVipAllocator(), 'istio-system')
  const { objects } = loadResources(entry() + guarded + secret, 'test.yaml')
  const given = objects.find(({ kind }) => kind === 'Secret')
  assert.ok(given !== undefined)
  const generated = createGeneratedObjects({ mesh, rootNamespace: 'istio-system', allocatedAddresses: false })
  const apply = (kind: 'put' | 'remove', ...which: typeof objects): string => {
    const { changed } = generated.publish(mesh.apply(which.map((object) => ({ kind, object }))))
    return changed.map(({ text }) => text).join()
  }
  const said = (): string[] => generated.reports().map(({ finding }) => `${finding.code} ${finding.field}`)
  const missing = ['ENVOY_MISSING_SECRET spec.settings.auth.secret.name']

  assert.match(apply('put', ...objects.filter((object) => object !== given)), /BlackHoleCluster/)
  assert.deepEqual(said(), missing)
  const served = apply('put', given)
  assert.match(served, /"inlineString":"hush"/)
  assert.doesNotMatch(served, /BlackHoleCluster/)
  assert.deepEqual(said(), [])
  assert.equal(apply('remove', given), '')
  assert.deepEqual(said(), missing)
  assert.ok(!generated.reports().some(({ finding }) => JSON.stringify(finding).includes('hush')))
})

function timeoutRule(of: string, timeout: string): string {
  const spec = `{host: [${of}], settings: {opTimeout: ${timeout}}}`
  return aeraki('RedisService', spec).replace('name: cache', `name: ${of}`)
}

test('one changed RedisService among many recomputes the service that it is for, and no other', () => {
  const mesh = createMesh(createVipAllocator(), 'istio-system')
  const generated = createGeneratedObjects({ mesh, rootNamespace: 'istio-system', allocatedAddresses: false })
  const many = Array.from({ length: 200 }, (_, i) => ({ host: `s${i}.data.svc.cluster.local`, address: `10.1.2.${i}` }))
  const yaml = many.map(
    (each) =>
      entry(`addresses: [${each.address}]`).replace('name: cache', `name: ${each.host}`).replace(host, each.host) +
      timeoutRule(each.host, '1s'),
  )
  const put = (text: string) =>
    generated.publish(
      mesh.apply(loadResources(text, 'test.yaml').objects.map((object) => ({ kind: 'put' as const, object }))),
    )
  assert.equal(put(yaml.join('')).changed.length, 200)
  const { recomputed } = generated
  const { changed } = put(timeoutRule('s7.data.svc.cluster.local', '2s'))
  assert.deepEqual(
    changed.map(({ object }) => object.metadata.name),
    ['aeraki-outbound-s7.data.svc.cluster.local-10.1.2.7-6379'],
  )
  assert.equal(generated.recomputed - recomputed, 1)
})
