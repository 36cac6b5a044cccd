import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isKind, loadValue } from '@aeraki/api'
import { overlayRegistries } from '../src/sources/kubernetes/overlay.ts'
import type { OriginUpdate } from '../src/sources/source.ts'
import { createStore } from '../src/store/store.ts'

const origins = { registry: 'registry:shop/aeraki-a', cluster: 'ServiceEntry/shop/aeraki-a' }

interface EntryOptions {
  readonly endpoint?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: object
  readonly resourceVersion?: string
}

function entry(origin: string, options: EntryOptions = {}) {
  const { endpoint = '10.0.0.1', labels = { manager: 'aeraki' }, spec = {}, resourceVersion } = options
  const object = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: {
      name: 'aeraki-a',
      namespace: 'shop',
      labels,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: {
      hosts: ['a'],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: 20880, name: 'tcp-dubbo', protocol: 'TCP' }],
      endpoints: [{ address: endpoint }],
      ...spec,
    },
  }
  return { origin, state: 'present', ...loadValue(object, origin) } as const satisfies OriginUpdate
}

function removed(origin: string): OriginUpdate {
  return { origin, state: 'removed', objects: [], diagnostics: [] }
}

/** What the store makes of it: `endpoint address`, of each entry; never two of one name. */
function start() {
  const store = createStore()
  let changes = 0
  const { cluster, registries } = overlayRegistries((updates) => (changes += store.apply(updates).length))
  return {
    changes: () => changes,
    cluster: (update: OriginUpdate) => cluster([update]),
    registries: (update: OriginUpdate) => registries([update]),
    has(...expected: readonly string[]) {
      assert.deepEqual(store.diagnostics(), [])
      const entries = [...store.objects()].filter((object) => isKind(object, 'ServiceEntry'))
      const seen = entries.map(({ spec }) => `${spec.endpoints?.[0]?.address} ${spec.addresses?.join() ?? '-'}`)
      assert.deepEqual(seen, expected)
    },
  }
}

const addressed = { spec: { addresses: ['240.241.0.1'] } }

describe('a service of a registry and its ServiceEntry in the cluster', () => {
  test("are one object: the registry's, with what only the cluster's has", () => {
    const mesh = start()
    mesh.cluster(entry(origins.cluster, addressed))
    mesh.has('10.0.0.1 240.241.0.1')
    mesh.registries(entry(origins.registry, { endpoint: '10.0.0.2' }))
    mesh.has('10.0.0.2 240.241.0.1')
    mesh.cluster(entry(origins.cluster, { spec: { addresses: ['240.241.0.9'] } }))
    mesh.has('10.0.0.2 240.241.0.9')
  })

  test('in whichever order they come and go', () => {
    const mesh = start()
    mesh.registries(entry(origins.registry))
    mesh.has('10.0.0.1 -')
    mesh.cluster(entry(origins.cluster, addressed))
    mesh.has('10.0.0.1 240.241.0.1')
    mesh.cluster(removed(origins.cluster))
    mesh.has('10.0.0.1 -')
    mesh.cluster(entry(origins.cluster, { ...addressed, endpoint: '10.0.0.7' }))
    mesh.registries(removed(origins.registry))
    mesh.has('10.0.0.7 240.241.0.1')
    mesh.cluster(removed(origins.cluster))
    mesh.has()
  })

  test("the cluster's counts where somebody else made it, as istiod sees no other", () => {
    const mesh = start()
    mesh.registries(entry(origins.registry))
    mesh.cluster(entry(origins.cluster, { endpoint: '10.0.0.7', labels: {} }))
    mesh.has('10.0.0.7 -')
    mesh.registries(entry(origins.registry, { endpoint: '10.0.0.2' }))
    mesh.has('10.0.0.7 -')
    mesh.cluster(removed(origins.cluster))
    mesh.has('10.0.0.2 -')
  })

  test('a change of the registry is one change, not another one when it has been written into the cluster', () => {
    const mesh = start()
    mesh.cluster(entry(origins.cluster, { ...addressed, resourceVersion: '1' }))
    mesh.registries(entry(origins.registry))
    const before = mesh.changes()
    mesh.registries(entry(origins.registry, { endpoint: '10.0.0.2' }))
    mesh.cluster(entry(origins.cluster, { ...addressed, endpoint: '10.0.0.2', resourceVersion: '2' }))
    mesh.has('10.0.0.2 240.241.0.1')
    assert.equal(mesh.changes(), before + 1)
  })
})
