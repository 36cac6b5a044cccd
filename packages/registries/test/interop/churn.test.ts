/** The small one of bench/registries.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needPeer, type PeerName } from '@aeraki/testing'
import { churn } from '../support/churn.ts'
import type { FillableType } from '../support/fillable.ts'

interface Case {
  readonly type: FillableType
  readonly peers: readonly PeerName[]
  /**
   * Writes of a change at most: where an instance on another port is another one, which comes while the first one goes, it is
   * two events. Mostly they come together.
   */
  readonly writes: 1 | 2
}

const cases: readonly Case[] = [
  { type: 'zookeeper', peers: ['zookeeper', 'java'], writes: 2 },
  { type: 'etcd', peers: ['etcd'], writes: 2 },
  { type: 'consul', peers: ['consul'], writes: 1 },
  { type: 'eureka', peers: ['eureka', 'java'], writes: 1 },
]

for (const { type, peers, writes: most } of cases) {
  const skip = peers.map((name) => needPeer(name).skip).find((reason) => reason !== false) ?? false
  test(`each change in ${type} is written once, and the folder ends as the registry is`, { skip }, async () => {
    // Every service changes once: of two changes between two looks there would be one write.
    const { changes, writes } = await churn({ type, services: 160, instances: 2, rate: 40, seconds: 4 })
    assert.equal(changes, 160)
    assert.ok(writes >= changes && writes <= changes * most, `${writes} writes for ${changes} changes`)
  })
}
