/** Services of registries as ServiceEntries in a real cluster. Everything is looked at with kubectl. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import type { BridgeListener, ServiceModel, ServiceSource } from '@aeraki/registries'
import { type Cluster, needPeer } from '@aeraki/testing'
import { type ServiceEntryOutput, writeServiceEntries } from '../../src/outputs/kubernetes/service-entries.ts'
import { startMeshCluster, until } from '../support/cluster.ts'

const { skip } = needPeer('kubernetes')

describe('ServiceEntries of registries in a cluster', { skip }, () => {
  let cluster: Cluster
  const outputs: ServiceEntryOutput[] = []

  before(async () => {
    cluster = await startMeshCluster()
  })
  afterEach(async () => {
    await Promise.all(outputs.splice(0).map((output) => output.close()))
    cluster.kubectl(['delete', 'serviceentries', '--all', '-n', 'shop'])
  })
  after(() => cluster?.stop())

  function start(source: ServiceSource): ServiceEntryOutput {
    const output = writeServiceEntries(source, {
      kubeconfig: cluster.adminConfig,
      namespace: 'istio-system',
      timing: { longestPause: 500, silence: 2000, missing: 500, confirm: 300 },
      election: { leaseMs: 2000, renewDeadlineMs: 1300, retryMs: 200 },
    })
    outputs.push(output)
    return output
  }

  function entries(): Record<string, Entry> {
    const { items } = JSON.parse(cluster.kubectl(['get', 'serviceentries', '-n', 'shop', '-o', 'json'])) as {
      items: Entry[]
    }
    return Object.fromEntries(items.map((item) => [item.metadata.name, item]))
  }

  const names = (): string => Object.keys(entries()).toSorted().join()
  function addressesOf(name: string): string | undefined {
    const entry = entries()[name]
    return entry?.spec.endpoints?.map(({ address }) => address).join()
  }

  function patch(spec: object): void {
    cluster.kubectl([
      'patch',
      'serviceentry',
      'aeraki-a-b',
      '-n',
      'shop',
      '--type=merge',
      '-p',
      JSON.stringify({ spec }),
    ])
  }

  test('are written when every registry has been read, follow changes and go', async () => {
    const source = new FakeSource()
    start(source)
    source.tell(['a.b', '10.0.0.1'], ['c.d', '10.0.0.2'])
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.equal(names(), '')
    source.finish()
    await until('both are there', () => names() === 'aeraki-a-b,aeraki-c-d')
    assert.deepEqual(entries()['aeraki-a-b']?.metadata.labels, { manager: 'aeraki', registry: 'main' })
    source.tell(['a.b', '10.0.0.1', '10.0.0.3'], ['c.d'])
    await until(
      'the change is there',
      () => names() === 'aeraki-a-b' && addressesOf('aeraki-a-b') === '10.0.0.1,10.0.0.3',
    )
  })

  test('leave fields alone that others set, and are repaired where theirs are changed', async () => {
    const source = new FakeSource(['a.b', '10.0.0.1'])
    const output = start(source)
    source.finish()
    await until('it is there', () => names() === 'aeraki-a-b')
    patch({ addresses: ['240.240.0.9'] })
    source.tell(['a.b', '10.0.0.2'])
    await until('the change is there', () => addressesOf('aeraki-a-b') === '10.0.0.2')
    assert.deepEqual(entries()['aeraki-a-b']?.spec.addresses, ['240.240.0.9'])
    patch({ endpoints: [] })
    await until('it is repaired', () => addressesOf('aeraki-a-b') === '10.0.0.2')
    assert.equal(output.counters.repaired, 1)
    assert.deepEqual(entries()['aeraki-a-b']?.spec.addresses, ['240.240.0.9'])
  })

  test("take over dubbo2istio's of the same name, and leave its others and everybody else's", async () => {
    const dubbo2istio = { manager: 'aeraki', registry: 'dubbo2istio' }
    for (const name of ['aeraki-a-b', 'aeraki-c-d']) {
      cluster.kubectl(['create', '-f', '-', '--field-manager=aeraki'], foreignEntry(name, dubbo2istio))
    }
    cluster.kubectl(['create', '-f', '-'], foreignEntry('aeraki-e-f', {}))
    const source = new FakeSource(['a.b', '10.0.0.1'], ['e.f', '10.0.0.1'])
    const output = start(source)
    source.finish()
    await until('it is taken over', () => addressesOf('aeraki-a-b') === '10.0.0.1')
    await until('the other is refused', () => output.failures.size === 1)
    assert.match(String([...output.failures.values()]), /somebody else's/)
    assert.equal(names(), 'aeraki-a-b,aeraki-c-d,aeraki-e-f')
    assert.equal(entries()['aeraki-a-b']?.metadata.labels['registry'], 'main')
  })

  test('that an earlier bridge left go when every registry has been read, and another bridge takes over', async () => {
    const first = new FakeSource(['a.b', '10.0.0.1'], ['c.d', '10.0.0.1'])
    const output = start(first)
    first.finish()
    await until('both are there', () => names() === 'aeraki-a-b,aeraki-c-d')
    const second = new FakeSource(['a.b', '10.0.0.1'])
    const successor = start(second)
    second.finish()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    assert.equal(successor.leads, false)
    assert.equal(names(), 'aeraki-a-b,aeraki-c-d')
    outputs.splice(outputs.indexOf(output), 1)
    await output.close()
    await until('what nobody has any more is gone', () => names() === 'aeraki-a-b')
    assert.deepEqual(
      { ...successor.counters, conflicts: 0 },
      { applied: 0, deleted: 1, repaired: 0, conflicts: 0, failed: 0 },
    )
  })
})

/** As somebody else writes it. */
function foreignEntry(name: string, labels: object): string {
  return JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name, namespace: 'shop', labels },
    spec: { hosts: [name], resolution: 'STATIC', ports: [{ number: 1, name: 'tcp', protocol: 'TCP' }] },
  })
}

interface Entry {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: {
    readonly addresses?: readonly string[]
    readonly endpoints?: readonly { readonly address: string }[]
  }
}

type Told = readonly [host: string, ...addresses: string[]]

/** A bridge that has read what the test says. */
class FakeSource implements ServiceSource {
  #listener: BridgeListener | undefined
  readonly #known: readonly Told[]

  constructor(...known: readonly Told[]) {
    this.#known = known
  }

  services(): Iterable<ServiceModel> {
    return []
  }

  subscribe(listener: BridgeListener): () => void {
    this.#listener = listener
    this.tell(...this.#known)
    return () => (this.#listener = undefined)
  }

  /** Without addresses: the host is gone. */
  tell(...all: readonly Told[]): void {
    const changes = all.map(([host, ...addresses]) => ({
      host,
      service: addresses.length === 0 ? undefined : serviceOf(host, addresses),
    }))
    this.#listener?.changed(changes)
  }

  finish(): void {
    this.#listener?.complete?.()
  }
}

function serviceOf(host: string, addresses: readonly string[]): ServiceModel {
  return {
    registries: ['main'],
    host,
    namespace: 'shop',
    interface: host,
    workloadSelector: undefined,
    ports: [{ number: 20880, name: 'tcp-metaprotocol-dubbo', protocol: 'TCP' }],
    instances: addresses.map((address) => ({
      address,
      ports: { 'tcp-metaprotocol-dubbo': 20880 },
      weight: undefined,
      locality: '',
      labels: { registryName: 'main' },
      serviceAccount: 'default',
    })),
  }
}
