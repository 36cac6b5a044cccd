import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import type { Registration } from '../src/contract.ts'
import { Slices } from '../src/bridge/slices.ts'
import { registration } from './support/registrations.ts'

let clock: number
let changed: string[]
let slices: Slices

const of = (...registrations: Registration[]) => ({ registrations, rejections: [] })
const demo = registration()
const others = ['a', 'b', 'c'].map((host) => registration({ host }))

/** Connected, with three other hosts that stay, so that one that vanishes is not half of all. */
beforeEach(() => {
  clock = 1000
  changed = []
  slices = new Slices({
    grace: 100,
    massGrace: 1000,
    now: () => clock,
    onChange: (hosts) => changed.push(...hosts),
  })
  slices.connection({ kind: 'connected', server: 's' })
  slices.unit('others', of(...others))
  slices.unit('demo', of(demo))
  slices.synced(['others', 'demo'])
  changed = []
})

const after = (milliseconds: number): Slices => {
  clock += milliseconds
  slices.expire()
  return slices
}

describe("a registry's slice of a host", () => {
  test('is live while any unit has a healthy registration of it', () => {
    slices.unit('more', of(registration({ address: '10.0.0.2' })))
    slices.unit('demo', of())
    assert.deepEqual(slices.of(demo.host), { kind: 'live', registrations: [registration({ address: '10.0.0.2' })] })
  })

  test('keeps what it had last until the grace is over', () => {
    slices.unit('demo', of())
    assert.deepEqual(slices.of(demo.host), { kind: 'vanishing', registrations: [demo] })
    assert.equal(after(99).of(demo.host)?.kind, 'vanishing')
    assert.equal(after(1).of(demo.host), undefined)
    assert.deepEqual(changed, [demo.host, demo.host])
  })

  test('keeps it when the clock is set forward', (t) => {
    let wall = Date.now()
    t.mock.method(Date, 'now', () => wall)
    const real = new Slices({ grace: 60_000, massGrace: 60_000, onChange: () => undefined })
    real.connection({ kind: 'connected', server: 's' })
    real.unit('demo', of(demo))
    real.synced(['demo'])
    real.unit('demo', of())
    wall += 3_600_000
    real.expire()
    assert.equal(real.of(demo.host)?.kind, 'vanishing')
  })

  test('is live again as soon as somebody registers', () => {
    slices.unit('demo', of())
    after(50)
    slices.unit('demo', of(demo))
    assert.equal(after(500).of(demo.host)?.kind, 'live')
    slices.unit('demo', of())
    assert.equal(after(99).of(demo.host)?.kind, 'vanishing')
  })

  test('vanishes when all its registrations are unhealthy', () => {
    slices.unit('demo', of(registration({ health: 'unhealthy' })))
    assert.equal(slices.of(demo.host)?.kind, 'vanishing')
    assert.deepEqual(slices.counts(), { units: 2, hosts: 4, vanishing: 1, accepted: 3, rejected: 1 })
    assert.equal(after(100).of(demo.host), undefined)
  })

  test('stays, whatever the time, while the registry can not be reached or is not read in full again', () => {
    slices.unit('demo', of())
    slices.connection({ kind: 'disconnected', reason: 'gone' })
    assert.equal(slices.stale, true)
    assert.equal(after(10_000).of(demo.host)?.kind, 'vanishing')
    slices.connection({ kind: 'connected', server: 's' })
    assert.equal(after(10_000).of(demo.host)?.kind, 'vanishing')
    slices.synced(['others'])
    assert.equal(slices.stale, false)
    assert.equal(after(0).of(demo.host), undefined)
  })

  test('goes after the grace when its unit is not among those of a full read', () => {
    slices.connection({ kind: 'disconnected', reason: 'gone' })
    slices.connection({ kind: 'connected', server: 's' })
    slices.unit('others', of(...others))
    slices.synced(['others'])
    assert.equal(slices.of(demo.host)?.kind, 'vanishing')
    assert.equal(after(100).of(demo.host), undefined)
  })

  test('stays longer when more than half of the hosts vanished with it', () => {
    slices.synced([])
    assert.equal(after(999).counts().vanishing, 4)
    assert.equal(after(1).counts().hosts, 0)
  })
})
