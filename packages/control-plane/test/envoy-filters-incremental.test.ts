/** What a change costs: services translated anew, and objects written again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LoadedObject, loadResources } from '@aeraki/api'
import { createMesh } from '../src/mesh/mesh.ts'
import { createGeneratedObjects } from '../src/envoy-filter/generated.ts'
import { createVipAllocator } from '../src/vip/allocator.ts'

const count = 10_000

function hostOf(index: number): string {
  return `svc-${index}.shop.svc.cluster.local`
}

const [template] = loadResources(
  `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: svc}
spec:
  hosts: [template]
  ports: [{number: 20880, name: tcp-dubbo, protocol: TCP}]
  resolution: STATIC
`,
  'test.yaml',
).objects

/** Made from one that has been checked: checking ten thousand would take longer than all the rest. */
function entry(index: number, namespace = 'shop'): LoadedObject {
  if (template?.kind !== 'ServiceEntry') throw new Error('no template')
  return {
    ...template,
    metadata: {
      ...template.metadata,
      name: `svc-${index}`,
      namespace,
      annotations: { interface: `org.example.S${index}` },
    },
    spec: {
      ...template.spec,
      hosts: [hostOf(index)],
      addresses: [`10.0.${Math.floor(index / 256)}.${index % 256}`],
      workloadSelector: { labels: { app: `svc-${index}` } },
    },
  }
}

function routes(index: number, weight: number): LoadedObject[] {
  const to = hostOf(index)
  return loadResources(
    `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes, namespace: shop}
spec:
  hosts: [${to}]
  http: [{route: [{destination: {host: ${to}, subset: v1}, weight: ${weight}}, {destination: {host: ${to}, subset: v2}, weight: ${100 - weight}}]}]
`,
    'routes.yaml',
  ).objects
}

function destinationRule(policy: string): LoadedObject[] {
  return loadResources(
    `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: r, namespace: shop}
spec: {host: ${hostOf(1)}, trafficPolicy: {loadBalancer: {simple: ${policy}}}}
`,
    'rule.yaml',
  ).objects
}

function startMesh(objects: readonly LoadedObject[]) {
  const mesh = createMesh(createVipAllocator(), 'istio-system')
  const filters = createGeneratedObjects({ mesh, rootNamespace: 'istio-system', allocatedAddresses: false })
  const put = (added: readonly LoadedObject[]) =>
    filters.publish(mesh.apply(added.map((object) => ({ kind: 'put', object }))))
  const remove = (gone: readonly LoadedObject[]) =>
    filters.publish(mesh.apply(gone.map((object) => ({ kind: 'remove', object }))))
  const first = put(objects)
  return { mesh, filters, put, remove, first }
}

test('one changed VirtualService among 10,000 services translates one service and rewrites one object', () => {
  const { filters, put, first, remove } = startMesh(Array.from({ length: count }, (_, index) => entry(index)))
  assert.equal(filters.recomputed, count)
  assert.equal(first.changed.length, 2 * count)

  const before = { recomputed: filters.recomputed, rewritten: filters.rewritten }
  const added = put(routes(4711, 30))
  assert.equal(filters.recomputed - before.recomputed, 1)
  assert.deepEqual(
    added.changed.map(({ object }) => object.metadata.name),
    [`aeraki-outbound-${hostOf(4711)}-10.0.18.103-20880`],
  )
  assert.equal(put(routes(4711, 60)).changed.length, 1)
  assert.equal(filters.recomputed - before.recomputed, 2)
  assert.equal(filters.rewritten - before.rewritten, 2)

  // The same once more: nothing is rewritten.
  assert.deepEqual(put(routes(4711, 60)), { changed: [], removed: [] })
  assert.equal(filters.rewritten - before.rewritten, 2)

  // Taken away, the object is what it was at first.
  const [back] = remove(routes(4711, 60)).changed
  assert.equal(
    back?.version,
    first.changed.find(({ object }) => object.metadata.name === back?.object.metadata.name)?.version,
  )
})

test('a change that no filter has anything of rewrites nothing', () => {
  const { filters, put } = startMesh([entry(1)])
  const rewritten = filters.rewritten
  assert.deepEqual(put(destinationRule('RANDOM')), { changed: [], removed: [] })
  assert.equal(filters.rewritten, rewritten)
})

test('a policy is read by the services of its namespace that ask for its kind, and a service that goes takes its objects along', () => {
  const { filters, put, remove } = startMesh([entry(1), entry(2, 'other')])
  const policy = loadResources(
    `{apiVersion: dubbo.aeraki.io/v1alpha1, kind: DubboAuthorizationPolicy, metadata: {name: p, namespace: shop}, spec: {rules: [{from: [{source: {principals: [a]}}]}]}}`,
    'policy.yaml',
  ).objects
  const before = filters.recomputed
  assert.deepEqual(
    put(policy).changed.map(({ object }) => `${object.metadata.namespace}/${object.metadata.name}`),
    [`shop/aeraki-inbound-${hostOf(1)}-20880`],
  )
  assert.equal(filters.recomputed - before, 1)
  const { removed } = remove([entry(1)])
  assert.equal(removed.length, 2)
  assert.equal(filters.objects().length, 2)
})
