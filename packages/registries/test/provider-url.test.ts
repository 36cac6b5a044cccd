import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assert as check, oneof, property, string } from 'fast-check'
import type { Registration } from '../src/contract.ts'
import { parseProviderUrl } from '../src/dubbo/provider-url.ts'

/** As Java's URLEncoder does. */
const formEncode = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+')

function accepted(url: string): Registration {
  const parsed = parseProviderUrl(formEncode(url))
  assert.equal(parsed.kind, 'accepted', JSON.stringify(parsed))
  assert.ok(parsed.kind === 'accepted')
  return parsed.registration
}

function refusal(encoded: string): string {
  const parsed = parseProviderUrl(encoded)
  assert.ok(parsed.kind === 'rejected', JSON.stringify(parsed))
  return parsed.rejection.code
}

const base = 'dubbo://10.0.0.1:20880/org.demo.Api?interface=org.demo.Api'

describe('a provider URL', () => {
  test('gives host, address, port, weight and labels', () => {
    const found = accepted(
      `${base}&application=shop&group=test&version=1.0.0&methods=a,b&pid=7&timestamp=1&weight=200&service_group=batch job&tags=a,b`,
    )
    assert.deepEqual(found, {
      provider: `${base}&application=shop&group=test&version=1.0.0&methods=a,b&pid=7&timestamp=1&weight=200&service_group=batch job&tags=a,b`,
      host: 'org.demo.api-test-1-0-0',
      interface: 'org.demo.Api',
      namespace: undefined,
      workloadSelector: undefined,
      address: '10.0.0.1',
      port: { protocol: 'dubbo', number: 20880 },
      process: '7',
      weight: 200,
      locality: undefined,
      labels: {
        application: 'shop',
        group: 'test',
        interface: 'org.demo.Api',
        service_group: 'batch-job',
        tags: 'a-b',
        version: '1.0.0',
        weight: '200',
      },
      serviceAccount: undefined,
      health: 'healthy',
      rank: 1,
    })
  })

  test('gives what its aeraki_meta_ parameters say, and no labels of them but the version', () => {
    const found = accepted(
      `${base}&version=1.0.0&aeraki_meta_app_namespace=shop&aeraki_meta_app_service_account=robot&aeraki_meta_workload_selector=shop-v1&aeraki_meta_app_version=v1&aeraki_meta_locality=bj%2F800002`,
    )
    const { namespace, serviceAccount, workloadSelector, locality, labels } = found
    assert.deepEqual(
      { namespace, serviceAccount, workloadSelector, locality, labels },
      {
        namespace: 'shop',
        serviceAccount: 'robot',
        workloadSelector: 'shop-v1',
        locality: 'bj/800002',
        labels: { interface: 'org.demo.Api', version: 'v1' },
      },
    )
  })

  test('may have an IPv6 host, with brackets or without, user information and a context path', () => {
    assert.equal(accepted('tri://[2001:DB8::1]:50051/a.B').address, '2001:db8::1')
    assert.equal(accepted('dubbo://2001:db8::1:20880/a.B').address, '2001:db8::1')
    const rest = accepted('rest://me:secret@10.0.0.1:8080/context/a.B?x=1')
    assert.deepEqual([rest.interface, rest.port], ['a.B', { protocol: 'rest', number: 8080 }])
  })

  test('treats version 0.0.0 as none, and says that empty:// is nobody', () => {
    assert.equal(accepted(`${base}&version=0.0.0`).host, 'org.demo.api')
    assert.deepEqual(parseProviderUrl(formEncode('empty://10.0.0.1/a.B?category=providers')), { kind: 'nothing' })
  })

  test('is refused with the reason when it is wrong', () => {
    assert.equal(refusal('dubbo%3A%2F%2F1.2.3.4%ZZ'), 'REGISTRATION_MALFORMED')
    assert.equal(refusal('%C3%28'), 'REGISTRATION_MALFORMED')
    assert.equal(refusal('no url at all'), 'REGISTRATION_MALFORMED')
    assert.equal(refusal(formEncode('dubbo://10.0.0.1:20880')), 'REGISTRATION_MALFORMED')
    assert.equal(refusal(formEncode('dubbo://10.0.0.1:99999/a.B')), 'REGISTRATION_PORT')
    assert.equal(refusal(formEncode('dubbo://10.0.0.1/a.B')), 'REGISTRATION_PORT')
    assert.equal(refusal(formEncode('dubbo://some-host:20880/a.B')), 'REGISTRATION_ADDRESS')
    assert.equal(refusal(formEncode('dubbo://0.0.0.0:20880/a.B')), 'REGISTRATION_ADDRESS')
    assert.equal(refusal(formEncode(`dubbo://10.0.0.1:1/${'x'.repeat(64)}.B`)), 'REGISTRATION_HOST')
    assert.equal(refusal(formEncode('dubbo://10.0.0.1:1/a..B')), 'REGISTRATION_HOST')
    assert.equal(refusal(formEncode(`${base}&disabled=true`)), 'REGISTRATION_DISABLED')
    assert.equal(refusal(formEncode(`${base}&weight=0`)), 'REGISTRATION_DISABLED')
    assert.equal(refusal(formEncode(`${base}&aeraki_meta_app_namespace=No_Name`)), 'REGISTRATION_NAMESPACE')
    assert.equal(refusal(formEncode(`override://10.0.0.1:1/a.B`)), 'REGISTRATION_PROTOCOL')
    assert.equal(refusal('x'.repeat(70_000)), 'REGISTRATION_TOO_LARGE')
  })

  test('of any text never throws, and what it gives is always valid', () => {
    const text = oneof(
      string(),
      string({ unit: 'binary' }).map((query) => formEncode(`${base}&${query}`.toWellFormed())),
      string().map((authority) => formEncode(`dubbo://${authority}/a.B`.toWellFormed())),
    )
    check(
      property(text, (encoded) => {
        const parsed = parseProviderUrl(encoded)
        if (parsed.kind !== 'accepted') return
        const { host, labels } = parsed.registration
        assert.match(host, /^[a-z0-9.-]+$/)
        for (const [key, value] of Object.entries(labels)) {
          assert.match(key, /^([a-z0-9.-]+\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/)
          assert.match(value, /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/)
        }
      }),
    )
  })
})
