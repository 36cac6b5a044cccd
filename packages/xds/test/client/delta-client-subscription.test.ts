/** What the client's side of a delta subscription costs, counted. */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { DeltaClientSubscription } from '../../src/client/delta-client-subscription.ts'
import { DeltaDiscoveryResponseSchema } from '../../src/gen/envoy/service/discovery/v3/discovery_pb.ts'
import { typeUrls } from '../../src/index.ts'
import { item, node } from '../resources.ts'

test('an answer compares no names, however many are wanted', () => {
  const names = Array.from({ length: 1000 }, (_, index) => `table-${index}`)
  const subscription = new DeltaClientSubscription(typeUrls.routes)
  subscription.want(names)
  const first = subscription.next(node('n'))
  assert.equal(first?.resourceNamesSubscribe.length, 1000)

  const { name, version, any } = item(typeUrls.routes, 'table-7')
  const resources = [{ name, version, resource: any }]
  const response = create(DeltaDiscoveryResponseSchema, { typeUrl: typeUrls.routes, nonce: '1', resources })
  const looked = mock.method(Set.prototype, 'has')
  subscription.received(response)
  subscription.answered(response, undefined, true)
  const answer = subscription.next(undefined)
  const looks = looked.mock.callCount()
  looked.mock.restore()
  assert.equal(answer?.responseNonce, '1')
  assert.deepEqual([answer?.resourceNamesSubscribe, answer?.resourceNamesUnsubscribe], [[], []])
  assert.ok(looks < 10, `${looks} names were looked up`)

  subscription.want([...names.slice(1), 'another'])
  const change = subscription.next(undefined)
  assert.deepEqual(change?.resourceNamesSubscribe, ['another'])
  assert.deepEqual(change?.resourceNamesUnsubscribe, ['table-0'])
})
