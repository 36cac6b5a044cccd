import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bridge, createBridge, type ServiceModel } from '@aeraki/registries'
import { createRegistrySource } from '../src/sources/registry.ts'
import type { OriginUpdate } from '../src/sources/source.ts'

function serviceOf(host: string, address: string): ServiceModel {
  return {
    registries: ['main'],
    host,
    namespace: 'shop',
    interface: host,
    workloadSelector: undefined,
    ports: [{ number: 20880, name: 'tcp-metaprotocol-dubbo', protocol: 'TCP' }],
    instances: [
      {
        address,
        ports: { 'tcp-metaprotocol-dubbo': 20880 },
        weight: undefined,
        locality: 'bj/1',
        labels: { registryName: 'main' },
        serviceAccount: 'default',
      },
    ],
  }
}

test('services of registries are objects of the mesh, all of them before the start is over, and follow their changes', async () => {
  const listeners = new Set<Parameters<Bridge['subscribe']>[0]>()
  const hosts = Array.from({ length: 2000 }, (_, index) => `org.demo.api${index}`)
  const bridge: Bridge = {
    ...createBridge({
      namespace: 'default',
      serviceAccount: '',
      ports: {},
      grace: 0,
      massGrace: 0,
      startTimeout: undefined,
      registries: [],
      outputs: {},
    }),
    subscribe(listener) {
      listeners.add(listener)
      listener.changed(hosts.map((host) => ({ host, service: serviceOf(host, '10.0.0.1') })))
      return () => listeners.delete(listener)
    },
  }
  const updates: OriginUpdate[] = []
  const source = createRegistrySource(bridge, Promise.resolve())
  await source.start((batch) => void updates.push(...batch))
  assert.deepEqual(
    updates.map(({ origin }) => origin),
    hosts.map((host) => `registry:shop/aeraki-${host.replaceAll('.', '-')}`),
  )
  const [first] = updates
  assert.deepEqual(first?.diagnostics, [])
  assert.deepEqual(
    first?.objects.map(({ kind, metadata, source: { file } }) => [kind, metadata.name, file]),
    [['ServiceEntry', 'aeraki-org-demo-api0', 'registry main']],
  )

  // The latest change of a host is what counts.
  for (const listener of listeners) {
    listener.changed([{ host: 'org.demo.api0', service: serviceOf('org.demo.api0', '10.0.0.2') }])
    listener.changed([{ host: 'org.demo.api0', service: undefined }])
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(updates.slice(hosts.length), [
    { origin: 'registry:shop/aeraki-org-demo-api0', state: 'removed', objects: [], diagnostics: [] },
  ])
  await source.close()
  assert.equal(listeners.size, 0)
})
