/** The small one of bench/registries.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needPeer } from '@aeraki/testing'
import { churn } from '../support/churn.ts'

const peer = needPeer('zookeeper')

test(
  'under a hundred changes a second, each change is written once and the folder ends as the registry is',
  {
    skip: peer.skip === false ? needPeer('java').skip : peer.skip,
  },
  async () => {
    const { changes, writes } = await churn({ services: 300, instances: 2, rate: 100, seconds: 4 })
    // A change is a node that comes and one that goes: mostly one event, and never more than two.
    assert.ok(writes >= changes && writes <= changes * 2, `${writes} writes for ${changes} changes`)
  },
)
