import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { review } from '../src/webhook/review.ts'

function request(operation: string, spec: object, apiVersion = 'admission.k8s.io/v1'): unknown {
  const object = {
    apiVersion: 'metaprotocol.aeraki.io/v1alpha1',
    kind: 'MetaRouter',
    metadata: { name: 'r', namespace: 'shop' },
    spec,
  }
  return { apiVersion, kind: 'AdmissionReview', request: { uid: 'u1', operation, object } }
}

const valid = { hosts: ['orders.example'], routes: [{ route: [{ destination: { host: 'orders.example' } }] }] }

describe('an admission review', () => {
  test('lets a valid object pass, in the version that it came in', () => {
    for (const version of ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1']) {
      assert.deepEqual(review(request('CREATE', valid, version)), {
        apiVersion: version,
        kind: 'AdmissionReview',
        response: { uid: 'u1', allowed: true },
      })
    }
  })

  test('denies an error with code, field, what was found and the remedy', () => {
    const { response } = review(request('UPDATE', { hosts: ['orders.example'], rotes: [] }))
    assert.equal(response.allowed, false)
    assert.equal(response.status?.code, 422)
    assert.match(
      response.status?.message ?? '',
      /^API_UNKNOWN_FIELD spec\.rotes: .*did you mean "routes"\?\n {4}Write routes\./,
    )
  })

  test('lets everything be deleted', () => {
    assert.equal(review(request('DELETE', { rotes: [] })).response.allowed, true)
  })

  test('refuses what is none', () => {
    assert.throws(() => review({ kind: 'Pod' }), { code: 'WEBHOOK_REQUEST' })
    assert.throws(() => review({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }), {
      code: 'WEBHOOK_REQUEST',
    })
  })
})
