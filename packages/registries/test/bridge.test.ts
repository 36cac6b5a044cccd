import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { type Bridge, createBridge, type ServiceChange } from '../src/bridge/bridge.ts'
import type { BridgeConfig } from '../src/bridge/config.ts'
import { toServiceEntries } from '../src/bridge/service-entry.ts'
import { metricsOf, providersOf, statusOf } from '../src/bridge/status.ts'
import { defineRegistry, type Registration, type RegistrySink } from '../src/contract.ts'
import { closed } from '@aeraki/api/schema'
import { registration } from './support/registrations.ts'

/** Registries that say what the test tells them. */
const sinks = new Map<string, RegistrySink>()
const toy = defineRegistry('toy', closed({}), (name) => ({
  start: (sink) => void sinks.set(name, sink),
  async close() {},
  progress: () => ({ heardAt: undefined, pending: 0 }),
}))

let bridge: Bridge | undefined
let told: ServiceChange[][] = []
let completed = 0

afterEach(async () => {
  await bridge?.close()
  bridge = undefined
})

function start(more: Partial<BridgeConfig> = {}): Promise<void> {
  told = []
  completed = 0
  const config: BridgeConfig = {
    namespace: 'default',
    serviceAccount: 'default',
    ports: {},
    grace: 0,
    massGrace: 0,
    startTimeout: undefined,
    outputs: {},
    registries: ['one', 'two'].map((name) => ({ name, type: toy, settings: {} })),
    ...more,
  }
  bridge = createBridge(config, { gatherMs: 1, expireMs: 5 })
  bridge.subscribe({ changed: (changes) => told.push([...changes]), complete: () => (completed += 1) })
  return bridge.start()
}

function say(name: string, unit: string, ...registrations: Registration[]): void {
  sinks.get(name)?.unit(unit, { registrations, rejections: [] })
}

function read(name: string, ...units: string[]): void {
  sinks.get(name)?.connection({ kind: 'connected', server: 's' })
  sinks.get(name)?.synced(units)
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30))
const addresses = (change: ServiceChange | undefined): string[] | undefined =>
  change?.service?.instances.map(({ address }) => address)

const names = (): string[] =>
  [...(bridge?.services() ?? [])].flatMap((service) => toServiceEntries(service).map(({ metadata: { name } }) => name))
const here = registration()
const there = registration({ address: '10.0.0.2' })

describe('a bridge', () => {
  test('gives hosts whose ServiceEntries would have one name names of their own, whoever came first, and only as long', async () => {
    const dotted = registration({ host: 'orders.eu', interface: 'orders.eu' })
    const dashed = registration({ host: 'orders-eu', interface: 'orders-eu' })
    const seen: string[][] = []
    for (const [first, second] of [
      [dotted, dashed],
      [dashed, dotted],
    ] as const) {
      const started = start()
      say('one', 'first', first)
      read('one', 'first')
      read('two')
      await started
      assert.deepEqual(names(), ['aeraki-orders-eu'])
      say('two', 'second', second)
      await settled()
      seen.push(names().toSorted())
      say('two', 'second')
      await settled()
      assert.deepEqual(names(), ['aeraki-orders-eu'])
      assert.deepEqual(
        told.map((batch) => batch.map(({ host }) => host)),
        [[first.host], ['orders-eu', 'orders.eu'], ['orders-eu', 'orders.eu']],
      )
      await bridge?.close()
    }
    assert.match(String(seen[0]), /^aeraki-orders-eu-[0-9a-f]{12},aeraki-orders-eu-[0-9a-f]{12}$/)
    assert.equal(new Set(seen[0]).size, 2)
    assert.deepEqual(seen[0], seen[1])
  })

  test('tells nothing before every registry has been read in full, and then everything at once', async () => {
    const started = start()
    say('one', 'u', here)
    read('one', 'u')
    await settled()
    assert.equal(told.length, 0)
    assert.equal(bridge?.ready, false)
    say('two', 'u', there)
    read('two', 'u')
    await started
    assert.deepEqual(
      told.map((batch) => batch.map(addresses)),
      [[['10.0.0.1', '10.0.0.2']]],
    )
    assert.equal(bridge?.ready, true)
    assert.equal(completed, 1)
  })

  test('goes on without a registry that is not read in time, but does not say that this is all', async () => {
    const started = start({ startTimeout: 20 })
    say('one', 'u', here)
    read('one', 'u')
    await started
    assert.deepEqual(told.flat().map(addresses), [['10.0.0.1']])
    assert.equal(completed, 0)
    assert.equal(bridge?.ready, false)
    read('two')
    await settled()
    assert.equal(completed, 1)
    assert.equal(told.length, 1)
  })

  test('tells nothing where a registry says the same again, in whatever order', async () => {
    const started = start()
    say('one', 'u', here, there)
    read('one', 'u')
    read('two')
    await started
    say('one', 'u', there, here)
    say('one', 'v', registration({ rank: 0 }))
    say('one', 'v')
    read('one', 'u')
    await settled()
    assert.equal(told.length, 1)
  })

  test('keeps what a registry said while it is away, and drops what another one lost meanwhile', async () => {
    const started = start({ grace: 10_000, massGrace: 10_000 })
    say('one', 'u', here)
    say('two', 'u', there)
    read('one', 'u')
    read('two', 'u')
    await started
    sinks.get('one')?.connection({ kind: 'disconnected', reason: 'gone' })
    say('two', 'u')
    await settled()
    // What vanished from two would get traffic that one can serve.
    assert.deepEqual(told.map((batch) => batch.map(addresses)).at(-1), [['10.0.0.1']])
    const { registries } = statusOf(bridge as Bridge)
    assert.deepEqual(
      registries.map(({ name, stale, vanishing, losses }) => [name, stale, vanishing, losses]),
      [
        ['one', true, 0, 1],
        ['two', false, 1, 0],
      ],
    )
    assert.deepEqual(
      providersOf(bridge as Bridge, { limit: 10 }).map(({ registry, state }) => [registry, state]),
      [['one', 'stale']],
    )
    const stale = metricsOf(bridge as Bridge).find(({ name }) => name === 'aeraki_registry_stale')
    assert.deepEqual(
      stale?.samples.map(({ value }) => value),
      [1, 0],
    )
  })

  test('merges again only the hosts that a change touches', async () => {
    const started = start()
    const many = Array.from({ length: 100 }, (_, index) => registration({ host: `h${index}`, interface: `h${index}` }))
    for (const each of many) say('one', each.host, each)
    read('one', ...many.map(({ host }) => host))
    read('two')
    await started
    const before = bridge?.counters.merged ?? 0
    say('one', 'h7', registration({ host: 'h7', interface: 'h7', address: '10.0.0.9' }))
    await settled()
    assert.equal((bridge?.counters.merged ?? 0) - before, 1)
    assert.deepEqual(
      told.at(-1)?.map(({ host }) => host),
      ['h7'],
    )
  })
})
