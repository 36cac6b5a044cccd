import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { LoadBalancingPolicy } from '../src/config/model.ts'
import { createBalancer, type Balanced } from '../src/cluster/balancer.ts'
import { priorityLoads } from '../src/cluster/priority-load.ts'
import { remainder, xxHash64, type Hash64 } from '../src/cluster/xxhash64.ts'

interface Item extends Balanced {
  readonly key: string
  readonly weight: number
  activeRequests: number
}

function items(weights: readonly number[]): Item[] {
  return weights.map((weight, index) => ({ key: `10.0.0.${index}:80`, weight, activeRequests: 0 }))
}

/** The same numbers each time. */
function seeded(seed = 1): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

function shares(policy: LoadBalancingPolicy, weights: readonly number[], picks: number): number[] {
  const list = items(weights)
  const random = seeded()
  const balancer = createBalancer(policy, list, random)
  const counts = list.map(() => 0)
  for (let index = 0; index < picks; index += 1) {
    const hash = policy === 'ring-hash' || policy === 'maglev' ? xxHash64(`key-${index}`) : undefined
    const at = list.indexOf(balancer.pick(hash))
    counts[at] = (counts[at] ?? 0) + 1
  }
  return counts
}

describe('balancers', () => {
  test('round robin takes turns, and weights are kept exactly and evenly', () => {
    assert.deepEqual(shares('round-robin', [1, 1, 1], 300), [100, 100, 100])
    for (const [index, count] of shares('round-robin', [5, 3, 2], 1000).entries()) {
      assert.ok(Math.abs(count - [500, 300, 200][index]!) <= 1, `${index}: ${count}`)
    }
    const list = items([3, 1])
    const balancer = createBalancer('round-robin', list, seeded())
    const picks = Array.from({ length: 40 }, () => list.indexOf(balancer.pick(undefined))).join('')
    assert.doesNotMatch(picks, /0000|11/)
  })

  for (const policy of ['random', 'ring-hash', 'maglev'] as const) {
    test(`${policy} keeps the shares`, () => {
      const tolerance = policy === 'ring-hash' ? 0.15 : 0.05
      const check = (weights: readonly number[]): void => {
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        for (const [index, count] of shares(policy, weights, 20_000).entries()) {
          const expected = (20_000 * weights[index]!) / total
          assert.ok(Math.abs(count - expected) < 20_000 * tolerance, `${index}: ${count} instead of ${expected}`)
        }
      }
      check([1, 1, 1, 1])
      if (policy === 'random' || policy === 'maglev') check([6, 3, 1])
    })
  }

  test('least request prefers the one with fewer requests in flight', () => {
    const list = items([1, 1])
    const balancer = createBalancer('least-request', list, seeded())
    list[0]!.activeRequests = 5
    for (let index = 0; index < 50; index += 1) assert.ok(balancer.pick(undefined) === list[1])
  })

  test('least request honours weights', () => {
    const list = items([1, 9])
    const balancer = createBalancer('least-request', list, seeded())
    for (let index = 0; index < 1000; index += 1) balancer.pick(undefined).activeRequests += 1
    assert.ok(Math.abs(list[1]!.activeRequests - 900) < 30, `${list[1]!.activeRequests}`)
  })

  for (const policy of ['ring-hash', 'maglev'] as const) {
    test(`${policy}: when an endpoint leaves, hardly any other's requests move`, () => {
      const before = items([1, 1, 1, 1, 1])
      const after = before.filter((_, index) => index !== 2)
      const first = createBalancer(policy, before, seeded())
      const second = createBalancer(policy, after, seeded())
      let moved = 0
      for (let index = 0; index < 5000; index += 1) {
        const hash = xxHash64(`user ${index}`)
        const was = first.pick(hash)
        if (was !== before[2] && second.pick(hash) !== was) moved += 1
      }
      assert.ok(moved < (policy === 'ring-hash' ? 750 : 250), `${moved} of 5000`)
    })
  }
})

function hex({ high, low }: Hash64): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}

describe('xxHash64', () => {
  /** From the reference implementation. */
  const known: readonly (readonly [string, string])[] = [
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['Nobody inspects the spammish repetition', 'fbcea83c8a378bf1'],
  ]
  test('gives the known hashes', () => {
    for (const [text, hash] of known) assert.equal(hex(xxHash64(text)), hash)
  })

  test('remainders are those of the 64-bit number', () => {
    const half = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(half, half, fc.integer({ min: 1, max: 1 << 20 }), (high, low, divisor) => {
        const wide = (BigInt(high) << 32n) | BigInt(low)
        assert.equal(remainder({ high, low }, divisor), Number(wide % BigInt(divisor)))
      }),
    )
  })
})

function loads(counts: readonly (readonly [healthy: number, total: number])[], panic = 0): readonly number[] {
  const priorities = counts.map(([healthy, total]) => ({ healthy, total, degraded: 0 }))
  return priorityLoads(priorities, 140, panic).map((load) => load.healthy)
}

describe('priorities', () => {
  /** The table in Envoy's documentation of priority levels. */
  test('loads are those of Envoy', () => {
    assert.deepEqual(
      loads([
        [100, 100],
        [100, 100],
      ]),
      [100, 0],
    )
    assert.deepEqual(
      loads([
        [72, 100],
        [100, 100],
      ]),
      [100, 0],
    )
    assert.deepEqual(
      loads([
        [71, 100],
        [100, 100],
      ]),
      [99, 1],
    )
    assert.deepEqual(
      loads([
        [50, 100],
        [100, 100],
      ]),
      [70, 30],
    )
    assert.deepEqual(
      loads([
        [25, 100],
        [100, 100],
      ]),
      [35, 65],
    )
    assert.deepEqual(
      loads([
        [0, 100],
        [100, 100],
      ]),
      [0, 100],
    )
    assert.deepEqual(
      loads([
        [25, 100],
        [25, 100],
      ]),
      [50, 50],
    )
  })

  test('three levels share as in the documentation', () => {
    assert.deepEqual(
      loads([
        [5, 100],
        [0, 100],
        [95, 100],
      ]),
      [7, 0, 93],
    )
  })

  test('nobody healthy: nobody gets anything without panic, all share with it', () => {
    assert.deepEqual(
      loads([
        [0, 10],
        [0, 10],
      ]),
      [0, 0],
    )
    const panicking = priorityLoads(
      [
        { healthy: 0, degraded: 0, total: 30 },
        { healthy: 0, degraded: 0, total: 10 },
      ],
      140,
      50,
    )
    assert.deepEqual(panicking, [
      { healthy: 75, degraded: 0, panic: true },
      { healthy: 25, degraded: 0, panic: true },
    ])
  })

  test('degraded endpoints come after the healthy ones of all priorities', () => {
    const [first, second] = priorityLoads(
      [
        { healthy: 0, degraded: 10, total: 10 },
        { healthy: 5, degraded: 0, total: 10 },
      ],
      140,
      0,
    )
    assert.equal(first?.degraded, 30)
    assert.equal(second?.healthy, 70)
  })

  test('the loads add up to 100 whenever anything is available', () => {
    const count = fc.integer({ min: 0, max: 40 })
    const health = fc
      .tuple(count, count, count)
      .map(([healthy, degraded, bad]) => ({ healthy, degraded, total: healthy + degraded + bad }))
    fc.assert(
      fc.property(
        fc.array(health, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 100 }),
        (priorities, panic) => {
          const result = priorityLoads(priorities, 140, panic)
          const sum = result.reduce((total, load) => total + load.healthy + load.degraded, 0)
          const available = priorities.some(
            ({ healthy, degraded, total }) =>
              Math.floor((140 * healthy) / total) > 0 || Math.floor((140 * degraded) / total) > 0,
          )
          if (available) assert.equal(sum, 100)
          else assert.ok(sum === 0 || sum === 100)
        },
      ),
    )
  })
})
