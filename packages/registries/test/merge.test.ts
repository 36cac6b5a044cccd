import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Registration } from '../src/contract.ts'
import { type Claim, type MergeSettings, mergeClaims } from '../src/bridge/merge.ts'
import { mostEndpoints, toServiceEntries } from '../src/bridge/service-entry.ts'
import { registration } from './support/registrations.ts'

const settings: MergeSettings = { namespace: 'default', serviceAccount: 'default', ports: {} }
const host = 'org.demo.api'

function claims(...registrations: Registration[]): Claim[] {
  return registrations.map((each) => ({ registry: 'main', registration: each }))
}

function merged(all: readonly Claim[], overrides: Partial<MergeSettings> = {}) {
  const found = mergeClaims(host, all, { ...settings, ...overrides })
  assert.ok(found)
  return found
}

function portOf(all: readonly Claim[], ports: MergeSettings['ports'] = {}) {
  return merged(all, { ports }).service.ports[0]
}

function entriesOf(addresses: readonly string[]) {
  return toServiceEntries(merged(claims(...addresses.map((address) => registration({ address })))).service)
}

describe('the claims for a host', () => {
  test('become the ServiceEntry that dubbo2istio would write', () => {
    const provider = registration({
      namespace: 'shop',
      workloadSelector: 'shop-v1',
      locality: 'bj/800002',
      serviceAccount: 'robot',
      labels: { service_group: 'batch' },
    })
    assert.deepEqual(toServiceEntries(merged(claims(provider)).service), [
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'ServiceEntry',
        metadata: {
          name: 'aeraki-org-demo-api',
          namespace: 'shop',
          labels: { manager: 'aeraki', registry: 'main' },
          annotations: { interface: 'org.demo.Api', workloadSelector: 'shop-v1' },
        },
        spec: {
          hosts: [host],
          location: 'MESH_INTERNAL',
          resolution: 'STATIC',
          ports: [{ number: 20880, name: 'tcp-metaprotocol-dubbo', protocol: 'TCP' }],
          endpoints: [
            {
              address: '10.0.0.1',
              ports: { 'tcp-metaprotocol-dubbo': 20880 },
              labels: { service_group: 'batch', registryName: 'main' },
              locality: 'bj/800002',
              serviceAccount: 'robot',
            },
          ],
        },
      },
    ])
  })

  test('count a provider once that is listed by interface and by application, or in two registries', () => {
    const byApplication = registration({ rank: 0, labels: { rank: '0' } })
    const { service } = merged([
      ...claims(byApplication, registration({ process: '7', labels: { rank: '1' } })),
      { registry: 'another', registration: registration({ labels: { rank: 'other registry' } }) },
    ])
    assert.deepEqual(
      service.instances.map(({ labels }) => labels),
      [{ rank: 'other registry', registryName: 'another' }],
    )
  })

  test('give one instance the ports of all its protocols', () => {
    const tri = { protocol: 'tri', number: 50051 }
    const { service } = merged(
      claims(
        registration({ process: '7' }),
        registration({ process: '7', port: tri }),
        registration({ address: '10.0.0.2' }),
        registration({ address: '10.0.0.2', port: tri }),
      ),
    )
    assert.deepEqual(
      service.ports.map(({ name, number, protocol }) => [name, number, protocol]),
      [
        ['tcp-metaprotocol-dubbo', 20880, 'TCP'],
        ['grpc-tri', 50051, 'GRPC'],
      ],
    )
    assert.deepEqual(
      service.instances.map(({ ports }) => ports),
      [1, 2].map(() => ({ 'tcp-metaprotocol-dubbo': 20880, 'grpc-tri': 50051 })),
    )
  })

  test('leave a port out that some instances lack, and instances that lack the port which most have', () => {
    const tri = { protocol: 'tri', number: 50051 }
    const upgrading = merged(
      claims(registration(), registration({ address: '10.0.0.2' }), registration({ address: '10.0.0.2', port: tri })),
    )
    assert.deepEqual(
      upgrading.service.ports.map(({ name }) => name),
      ['tcp-metaprotocol-dubbo'],
    )
    const odd = merged(
      claims(registration(), registration({ address: '10.0.0.2' }), registration({ address: '10.0.0.3', port: tri })),
    )
    assert.deepEqual(
      odd.service.instances.map(({ address }) => address),
      ['10.0.0.1', '10.0.0.2'],
    )
    assert.deepEqual(
      odd.conflicts.map(({ code, reason }) => [code, reason]),
      [['REGISTRATION_CONFLICT', 'it has no port for dubbo, as others of org.demo.api have']],
    )
  })

  test('have the port that all agree on, else the usual one, unless it is configured', () => {
    const two = claims(
      registration(),
      registration({ address: '10.0.0.2', port: { protocol: 'dubbo', number: 30000 } }),
    )
    assert.equal(portOf(two.slice(1))?.number, 30000)
    assert.equal(portOf(two)?.number, 20880)
    assert.deepEqual(portOf(two, { dubbo: { name: 'tcp-dubbo', number: 1234 } }), {
      name: 'tcp-dubbo',
      number: 1234,
      protocol: 'TCP',
    })
  })

  test('keep weights only where they differ', () => {
    const same = merged(claims(registration({ weight: 200 }), registration({ weight: 200, address: '10.0.0.2' })))
    assert.deepEqual(
      same.service.instances.map(({ weight }) => weight),
      [undefined, undefined],
    )
    const different = merged(claims(registration({ weight: 300 }), registration({ address: '10.0.0.2' })))
    assert.deepEqual(
      different.service.instances.map(({ weight }) => weight),
      [300, 100],
    )
  })

  test('of interfaces that differ only by case belong to the one that most say', () => {
    const { service, conflicts } = merged(
      claims(
        registration({ interface: 'ORG.demo.Api', provider: 'intruder' }),
        registration(),
        registration({ address: '10.0.0.2' }),
      ),
    )
    assert.equal(service.interface, 'org.demo.Api')
    assert.deepEqual(
      conflicts.map(({ provider, code }) => [provider, code]),
      [['intruder', 'REGISTRATION_CONFLICT']],
    )
  })

  test('give the same service in whatever order they come', () => {
    const some = fc.record({
      address: fc.constantFrom('10.0.0.1', '10.0.0.2', '2001:db8::1'),
      port: fc.record({ protocol: fc.constantFrom('dubbo', 'tri', 'rest'), number: fc.integer({ min: 1, max: 4 }) }),
      process: fc.constantFrom('', '7'),
      rank: fc.constantFrom(0 as const, 1 as const),
      weight: fc.constantFrom(100, 200),
      interface: fc.constantFrom('org.demo.Api', 'org.demo.API'),
      namespace: fc.constantFrom(undefined, 'a', 'b'),
      provider: fc.constantFrom('x', 'y', 'z'),
    })
    const claim = fc.record({
      registry: fc.constantFrom('main', 'other'),
      registration: some.map((fields) => registration(fields)),
    })
    // Two registrations that are equal in all that is compared are the same one.
    const list = fc.uniqueArray(claim, {
      minLength: 1,
      maxLength: 12,
      selector: ({ registry, registration: { address, port, rank, provider } }) =>
        JSON.stringify([registry, address, port, rank, provider]),
    })
    fc.assert(
      fc.property(
        list.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          assert.deepEqual(merged(shuffled).service, merged(all).service)
        },
      ),
    )
  })

  test('beyond 4,096 are split over entries of one host, and stay where they are when one comes', () => {
    const addresses = Array.from(
      { length: 10_000 },
      (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    )
    const entries = entriesOf(addresses.slice(1))
    assert.deepEqual(
      entries.map(({ metadata }) => metadata.name),
      ['', '-part-2', '-part-3', '-part-4'].map((part) => `aeraki-org-demo-api${part}`),
    )
    assert.ok(entries.every(({ spec }) => spec.endpoints.length <= mostEndpoints && spec.hosts[0] === host))
    assert.equal(entries.flatMap(({ spec }) => spec.endpoints).length, 9999)
    const more = entriesOf(addresses)
    const different = more.filter((entry, index) => JSON.stringify(entry) !== JSON.stringify(entries[index]))
    assert.equal(different.length, 1)
  })
})
