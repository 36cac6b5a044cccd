import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type DiscoveryRequest, DiscoveryRequestSchema } from '../../src/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { StaticProvider, typeUrls } from '../../src/index.ts'
import { SotwSubscription } from '../../src/server/sotw-subscription.ts'
import type { Verdict } from '../../src/server/subscription.ts'
import { resourceName } from '../../src/wire.ts'
import { item, node } from '../resources.ts'

/** A subscription with its provider; `send` gives names of the next response, or undefined when there is none. */
function setUp(typeUrl: string, ...names: readonly string[]) {
  const provider = new StaticProvider()
  const view = provider.connect(node('n'))
  const subscription = new SotwSubscription(typeUrl)
  provider.onChange((change) => subscription.changed(change.get(typeUrl) ?? new Set(), view))
  for (const name of names) provider.set(item(typeUrl, name))
  let nonce = 0
  let version = ''
  return {
    provider,
    subscription,
    set: (name: string, revision: number) => provider.set(item(typeUrl, name, revision)),
    remove: (name: string) => provider.delete(typeUrl, name),
    receive: (init: MessageInitShape<typeof DiscoveryRequestSchema>): Verdict => {
      const request: DiscoveryRequest = create(DiscoveryRequestSchema, init)
      return subscription.receive(request, view)
    },
    send: (part: 'changes' | 'everything' = 'everything'): string[] | undefined => {
      const { owed } = subscription
      if (!owed.changes && !(owed.removals && part === 'everything')) return undefined
      const outgoing = subscription.next(part, view, String(nonce + 1))
      if (outgoing === undefined) return undefined
      nonce++
      version = outgoing.version
      assert.equal(outgoing.response.nonce, String(nonce))
      return outgoing.response.resources.map(({ value }) => String(resourceName(value)))
    },
    ack: (...resourceNames: readonly string[]) =>
      subscription.receive(
        create(DiscoveryRequestSchema, {
          resourceNames: [...resourceNames],
          responseNonce: String(nonce),
          versionInfo: version,
        }),
        view,
      ),
    nack: (...resourceNames: readonly string[]) =>
      subscription.receive(
        create(DiscoveryRequestSchema, {
          resourceNames: [...resourceNames],
          responseNonce: String(nonce),
          errorDetail: { code: 3, message: 'bad' },
        }),
        view,
      ),
    version: () => version,
  }
}

describe('wildcard subscription', () => {
  for (const typeUrl of [typeUrls.cluster, typeUrls.listener]) {
    test(`a first request without names of ${typeUrl.split('.').at(-1)} is for everything`, () => {
      const { receive, send } = setUp(typeUrl, 'a', 'b')
      receive({})
      assert.deepEqual(send(), ['a', 'b'])
    })
  }

  test('an explicit * is for everything, and stays so without names only if none were said', () => {
    const { receive, send, ack, set } = setUp(typeUrls.cluster, 'a')
    receive({ resourceNames: ['*'] })
    assert.deepEqual(send(), ['a'])
    assert.equal(ack().kind, 'ack')
    set('a', 2)
    assert.equal(send(), undefined)
  })

  test('* beside names has both, names without * end it', () => {
    const { receive, send, ack, set } = setUp(typeUrls.cluster, 'a', 'b')
    receive({})
    send()
    ack('*', 'b')
    assert.deepEqual(send(), ['a', 'b'])
    ack('b')
    set('a', 2)
    assert.equal(send(), undefined)
    set('b', 2)
    assert.deepEqual(send(), ['b'])
  })

  test('endpoints without names are none', () => {
    const { receive, send, set } = setUp(typeUrls.endpoints, 'a')
    receive({})
    assert.deepEqual(send(), [])
    set('a', 2)
    assert.equal(send(), undefined)
  })

  test('a client that comes back with the version of everything gets nothing until something changes', () => {
    const first = setUp(typeUrls.cluster, 'a', 'b')
    first.receive({})
    first.send()
    const again = setUp(typeUrls.cluster, 'b', 'a')
    again.receive({ versionInfo: first.version() })
    assert.equal(again.send(), undefined)
    again.set('a', 2)
    assert.deepEqual(again.send(), ['b', 'a'])
  })

  test('a client that comes back with another version gets everything', () => {
    const { receive, send } = setUp(typeUrls.cluster, 'a')
    receive({ versionInfo: 'old' })
    assert.deepEqual(send(), ['a'])
  })
})

describe('named subscription', () => {
  test('the first request is answered even if there is nothing', () => {
    for (const typeUrl of [typeUrls.endpoints, typeUrls.cluster, 'type.googleapis.com/nobody.knows.Me']) {
      const { receive, send } = setUp(typeUrl)
      receive({ resourceNames: ['x'] })
      assert.deepEqual(send(), [])
    }
  })

  test('a missing name is sent when it comes to be', () => {
    const { receive, send, ack, set } = setUp(typeUrls.routes)
    receive({ resourceNames: ['r'] })
    send()
    ack('r')
    set('r', 1)
    assert.deepEqual(send(), ['r'])
  })

  test('endpoints and routes are sent alone when they change, clusters with all the others', () => {
    for (const [typeUrl, expected] of [
      [typeUrls.endpoints, ['b']],
      [typeUrls.cluster, ['a', 'b']],
    ] as const) {
      const { receive, send, ack, set } = setUp(typeUrl, 'a', 'b', 'c')
      receive({ resourceNames: ['a', 'b'] })
      assert.deepEqual(send(), ['a', 'b'])
      ack('a', 'b')
      set('b', 2)
      set('c', 2)
      assert.deepEqual(send(), expected)
    }
  })

  test('a name added with an ACK is sent, one that was dropped is not any more', () => {
    const { receive, send, ack, set } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNames: ['a'] })
    send()
    assert.equal(ack('b').kind, 'ack')
    assert.deepEqual(send(), ['b'])
    ack('b')
    set('a', 2)
    assert.equal(send(), undefined)
  })

  test('a name that is dropped and asked for again is sent again', () => {
    const { receive, send, ack } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNames: ['a', 'b'] })
    send()
    ack('b')
    assert.equal(send(), undefined)
    assert.equal(ack('a', 'b').kind, 'subscription')
    assert.deepEqual(send(), ['a'])
  })

  test('a cluster asked for that is not there is answered with what is', () => {
    const { receive, send, ack } = setUp(typeUrls.cluster, 'a')
    receive({ resourceNames: ['a'] })
    send()
    ack('a', 'nope')
    assert.deepEqual(send(), ['a'])
  })

  test('a client that comes back with names is answered, whatever version it says', () => {
    const first = setUp(typeUrls.endpoints, 'a')
    first.receive({ resourceNames: ['a'] })
    first.send()
    const again = setUp(typeUrls.endpoints, 'a')
    again.receive({ resourceNames: ['a'], versionInfo: first.version() })
    assert.deepEqual(again.send(), ['a'])
  })
})

describe('answers', () => {
  test('ACK: nothing is sent until something changes', () => {
    const { receive, send, ack, subscription, set } = setUp(typeUrls.cluster, 'a')
    receive({})
    send()
    assert.equal(subscription.inFlight, true)
    assert.equal(ack().kind, 'ack')
    assert.equal(subscription.inFlight, false)
    assert.equal(send(), undefined)
    set('a', 1)
    assert.equal(send(), undefined, 'equal bytes are no change')
    set('a', 2)
    assert.deepEqual(send(), ['a'])
  })

  test('NACK: the same is not sent again, a new version is', () => {
    const { receive, send, ack, nack, set } = setUp(typeUrls.endpoints, 'a')
    receive({ resourceNames: ['a'] })
    send()
    ack('a')
    set('a', 2)
    send()
    const verdict = nack('a')
    assert.equal(verdict.kind, 'nack')
    assert.ok(verdict.kind === 'nack')
    assert.deepEqual([verdict.reason, verdict.code, verdict.resources], ['bad', 3, ['a']])
    assert.equal(send(), undefined)
    set('a', 3)
    assert.deepEqual(send(), ['a'])
  })

  test('NACK: a way back to what was accepted is sent', () => {
    const { receive, send, ack, nack, set } = setUp(typeUrls.cluster, 'a')
    receive({})
    send()
    ack()
    set('a', 2)
    send()
    nack()
    set('a', 1)
    assert.deepEqual(send(), ['a'])
  })

  test('a stale nonce is ignored, names and all', () => {
    const { receive, send, ack, set } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNames: ['a'] })
    send()
    ack('a')
    set('a', 2)
    send()
    assert.equal(receive({ resourceNames: ['a', 'b'], responseNonce: '1' }).kind, 'stale')
    assert.equal(send(), undefined)
    assert.equal(ack('a', 'b').kind, 'ack')
    assert.deepEqual(send(), ['b'])
  })

  test('an empty nonce while a response is under way crossed it: ignored', () => {
    const { receive, send } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNames: ['a'] })
    send()
    assert.equal(receive({ resourceNames: ['a', 'b'] }).kind, 'stale')
  })

  test('an empty nonce when all is answered begins anew', () => {
    const { receive, send, ack } = setUp(typeUrls.endpoints, 'a')
    receive({ resourceNames: ['a'] })
    send()
    ack('a')
    assert.equal(receive({ resourceNames: ['a'] }).kind, 'subscription')
    assert.deepEqual(send(), ['a'])
  })

  test('more names before the first response are in it', () => {
    const { receive, send } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNames: ['a'] })
    receive({ resourceNames: ['a', 'b'] })
    assert.deepEqual(send(), ['a', 'b'])
  })

  test('a request that says nothing new is a repeat, and sends nothing by itself', () => {
    const { receive, send, ack } = setUp(typeUrls.endpoints, 'a')
    receive({ resourceNames: ['a'] })
    send()
    ack('a')
    assert.equal(ack('a').kind, 'repeat')
    assert.equal(send(), undefined)
  })
})

describe('changes', () => {
  test('what changes while a response is under way is in the next, once', () => {
    const { receive, send, ack, set } = setUp(typeUrls.endpoints, 'a')
    receive({ resourceNames: ['a'] })
    send()
    set('a', 2)
    set('a', 3)
    ack('a')
    assert.deepEqual(send(), ['a'])
    ack('a')
    assert.equal(send(), undefined)
  })

  test('what changes and changes back is not sent', () => {
    const { receive, send, ack, set } = setUp(typeUrls.endpoints, 'a')
    receive({ resourceNames: ['a'] })
    send()
    ack('a')
    set('a', 2)
    set('a', 1)
    assert.equal(send(), undefined)
  })

  test('a removed cluster stays in what is sent of changes, and is gone in everything', () => {
    const { receive, send, ack, set, remove } = setUp(typeUrls.cluster, 'a', 'b')
    receive({})
    send()
    ack()
    set('b', 2)
    remove('a')
    assert.deepEqual(send('changes'), ['b', 'a'])
    ack()
    assert.equal(send('changes'), undefined)
    assert.deepEqual(send('everything'), ['b'])
  })

  test('a cluster that is back before its removal was sent is not sent', () => {
    const { receive, send, ack, set, remove } = setUp(typeUrls.cluster, 'a')
    receive({})
    send()
    ack()
    remove('a')
    set('a', 1)
    assert.equal(send(), undefined)
  })

  test('that endpoints are gone is not said', () => {
    const { receive, send, ack, remove } = setUp(typeUrls.endpoints, 'a')
    receive({ resourceNames: ['a'] })
    send()
    ack('a')
    remove('a')
    assert.equal(send(), undefined)
  })

  test('resend sends again what is subscribed', () => {
    const { receive, send, ack, subscription, provider } = setUp(typeUrls.endpoints, 'a', 'b')
    receive({ resourceNames: ['a'] })
    send()
    ack('a')
    subscription.resend(['a', 'b', 'c'], provider.connect(node('n')))
    assert.deepEqual(send(), ['a'])
  })
})
