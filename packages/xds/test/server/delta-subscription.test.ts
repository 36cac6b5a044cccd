import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { DeltaDiscoveryRequestSchema } from '../../src/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { StaticProvider, typeUrls } from '../../src/index.ts'
import { DeltaSubscription } from '../../src/server/delta-subscription.ts'
import type { Verdict } from '../../src/server/subscription.ts'
import { item, node } from '../resources.ts'

/** `send` gives the names of the next response, those of removed ones with a minus; undefined when there is none. */
function setUp(typeUrl: string, ...names: readonly string[]) {
  const provider = new StaticProvider()
  const view = provider.connect(node('n'))
  const subscription = new DeltaSubscription(typeUrl)
  provider.onChange((change) => subscription.changed(change.get(typeUrl) ?? new Set(), view))
  for (const name of names) provider.set(item(typeUrl, name))
  let nonce = 0
  const receive = (init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): Verdict =>
    subscription.receive(create(DeltaDiscoveryRequestSchema, init), view)
  return {
    provider,
    subscription,
    receive,
    set: (name: string, revision: number) => provider.set(item(typeUrl, name, revision)),
    remove: (name: string) => provider.delete(typeUrl, name),
    version: (name: string): string => view.get(typeUrl, name)?.version ?? '',
    send: (part: 'changes' | 'everything' = 'everything'): string[] | undefined => {
      const { owed } = subscription
      if (!owed.changes && !(owed.removals && part === 'everything')) return undefined
      const outgoing = subscription.next(part, view, String(nonce + 1))
      if (outgoing === undefined) return undefined
      nonce++
      const { resources, removedResources } = outgoing.response
      for (const { name, version } of resources) assert.equal(version, view.get(typeUrl, name)?.version)
      return [...resources.map(({ name }) => name), ...removedResources.map((name) => `-${name}`)]
    },
    ack: () => receive({ responseNonce: String(nonce) }),
    nack: () => receive({ responseNonce: String(nonce), errorDetail: { code: 3, message: 'bad' } }),
  }
}

describe('wildcard subscription', () => {
  test('a first request without names is for everything of listeners and clusters, for nothing of others', () => {
    for (const [typeUrl, expected] of [
      [typeUrls.cluster, ['a']],
      [typeUrls.listener, ['a']],
      [typeUrls.endpoints, []],
    ] as const) {
      const { receive, send } = setUp(typeUrl, 'a')
      receive({})
      assert.deepEqual(send(), expected)
    }
  })

  test('new ones come, changed ones come, removed ones are named', () => {
    const { receive, send, ack, set, remove } = setUp(typeUrls.cluster, 'a', 'b')
    receive({})
    assert.deepEqual(send(), ['a', 'b'])
    ack()
    set('a', 2)
    set('c', 1)
    remove('b')
    assert.deepEqual(send('changes'), ['a', 'c'])
    ack()
    assert.deepEqual(send('everything'), ['-b'])
  })

  test('nothing there is answered, once', () => {
    const { receive, send, ack } = setUp(typeUrls.cluster)
    receive({})
    assert.deepEqual(send(), [])
    ack()
    assert.equal(send(), undefined)
  })

  test('* can be asked for later, and given up', () => {
    const { receive, send, ack, set } = setUp(typeUrls.cluster, 'a', 'b')
    receive({ resourceNamesSubscribe: ['a'] })
    assert.deepEqual(send(), ['a'])
    ack()
    receive({ resourceNamesSubscribe: ['*'] })
    assert.deepEqual(send(), ['a', 'b'])
    ack()
    receive({ resourceNamesUnsubscribe: ['*'] })
    set('b', 2)
    assert.equal(send(), undefined)
    set('a', 2)
    assert.deepEqual(send(), ['a'])
  })

  test('a name beside the wildcard, dropped: told whether the wildcard has it', () => {
    const { receive, send, ack } = setUp(typeUrls.cluster, 'a')
    receive({})
    send()
    ack()
    receive({ resourceNamesSubscribe: ['a', 'x'] })
    assert.deepEqual(send(), ['a', '-x'])
    ack()
    receive({ resourceNamesUnsubscribe: ['a', 'x'] })
    assert.deepEqual(send(), ['a', '-x'])
  })
})

describe('named subscription', () => {
  test('names come and go; what is not subscribed is not sent', () => {
    const { receive, send, ack, set } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNamesSubscribe: ['a'] })
    assert.deepEqual(send(), ['a'])
    ack()
    set('b', 2)
    assert.equal(send(), undefined)
    receive({ resourceNamesSubscribe: ['b'], resourceNamesUnsubscribe: ['a'] })
    assert.deepEqual(send(), ['b'])
    ack()
    set('a', 2)
    assert.equal(send(), undefined)
  })

  test('what does not exist is said to be removed, at once and once, and sent when it comes to be', () => {
    const { receive, send, ack, set } = setUp(typeUrls.endpoints)
    receive({ resourceNamesSubscribe: ['x'] })
    assert.deepEqual(send('changes'), ['-x'])
    ack()
    assert.equal(send(), undefined)
    set('x', 1)
    assert.deepEqual(send(), ['x'])
  })

  test('a name asked for again is sent again, or said to be absent again', () => {
    const { receive, send, ack } = setUp(typeUrls.endpoints, 'a')
    receive({ resourceNamesSubscribe: ['a', 'x'] })
    send()
    ack()
    receive({ resourceNamesSubscribe: ['a', 'x'] })
    assert.deepEqual(send(), ['a', '-x'])
  })

  test('an unknown type is answered as empty', () => {
    const { receive, send } = setUp('type.googleapis.com/nobody.knows.Me')
    receive({ resourceNamesSubscribe: ['x'] })
    assert.deepEqual(send(), ['-x'])
  })
})

describe('reconnect with initial versions', () => {
  test('equal ones are not sent, others are, vanished ones are named', () => {
    const { receive, send, version } = setUp(typeUrls.cluster, 'a', 'b', 'c')
    receive({ initialResourceVersions: { a: version('a'), b: 'old', gone: 'old' } })
    assert.deepEqual(send('changes'), ['b', 'c'])
    assert.deepEqual(send('everything'), ['-gone'])
  })

  test('when nothing differs nothing is sent', () => {
    const { receive, send, version } = setUp(typeUrls.cluster, 'a')
    receive({ initialResourceVersions: { a: version('a') } })
    assert.equal(send(), undefined)
  })

  test('with names: equal ones are not sent, new and vanished ones are; what is not subscribed does not count', () => {
    const { receive, send, version } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({
      resourceNamesSubscribe: ['a', 'b', 'gone'],
      initialResourceVersions: { a: version('a'), gone: 'old', other: 'old' },
    })
    assert.deepEqual(send(), ['b', '-gone'])
  })

  test('an empty answer to one who has nothing', () => {
    const { receive, send } = setUp(typeUrls.cluster)
    receive({ initialResourceVersions: {} })
    assert.deepEqual(send(), [])
  })
})

describe('answers', () => {
  test('ACK: nothing more is sent', () => {
    const { receive, send, ack, subscription } = setUp(typeUrls.cluster, 'a')
    receive({})
    send()
    assert.equal(subscription.inFlight, true)
    assert.equal(ack().kind, 'ack')
    assert.equal(subscription.inFlight, false)
    assert.equal(send(), undefined)
  })

  test('NACK: the same is not sent again, nor with what changes beside it; a new version is', () => {
    const { receive, send, ack, nack, set } = setUp(typeUrls.cluster, 'a', 'b')
    receive({})
    send()
    ack()
    set('a', 2)
    send()
    const verdict = nack()
    assert.ok(verdict.kind === 'nack')
    assert.deepEqual([verdict.reason, verdict.resources], ['bad', ['a']])
    assert.equal(send(), undefined)
    set('b', 2)
    assert.deepEqual(send(), ['b'])
    ack()
    set('a', 3)
    assert.deepEqual(send(), ['a'])
  })

  test('a stale nonce answers nothing, but its names count', () => {
    const { receive, send, ack, set } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNamesSubscribe: ['a'] })
    send()
    ack()
    set('a', 2)
    send()
    assert.equal(receive({ responseNonce: '1', resourceNamesSubscribe: ['b'] }).kind, 'stale')
    ack()
    assert.deepEqual(send(), ['b'])
  })

  test('names in an ACK count', () => {
    const { receive, send } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNamesSubscribe: ['a'] })
    send()
    assert.equal(receive({ responseNonce: '1', resourceNamesSubscribe: ['b'] }).kind, 'ack')
    assert.deepEqual(send(), ['b'])
  })

  test('a request that says nothing is a repeat', () => {
    const { receive, send, ack } = setUp(typeUrls.cluster, 'a')
    receive({})
    send()
    ack()
    assert.equal(receive({}).kind, 'repeat')
    assert.equal(send(), undefined)
  })
})

describe('changes', () => {
  test('what changes while a response is under way is in the next, once', () => {
    const { receive, send, ack, set, remove } = setUp(typeUrls.cluster, 'a', 'b')
    receive({})
    send()
    set('a', 2)
    set('a', 3)
    remove('b')
    set('b', 1)
    ack()
    assert.deepEqual(send(), ['a'])
    ack()
    assert.equal(send(), undefined)
  })

  test('removed, told, and back with the same bytes: sent', () => {
    const { receive, send, ack, set, remove } = setUp(typeUrls.cluster, 'a')
    receive({})
    send()
    ack()
    remove('a')
    assert.deepEqual(send(), ['-a'])
    ack()
    set('a', 1)
    assert.deepEqual(send(), ['a'])
  })

  test('resend sends again what is subscribed', () => {
    const { receive, send, ack, subscription, provider } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNamesSubscribe: ['a'] })
    send()
    ack()
    subscription.resend(['a', 'b', 'c'], provider.connect(node('n')))
    assert.deepEqual(send(), ['a'])
  })
})
