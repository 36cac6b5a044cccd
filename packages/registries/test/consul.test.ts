/** Of Consul's answers, and of turns. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readService } from '../src/consul/services.ts'
import { rotate } from '../src/consul/rotation.ts'

const options = { domain: undefined, protocol: 'tcp' }

function entry(service: object = {}, checks: readonly string[] = ['passing'], node: object = {}): object {
  return {
    Node: { Node: 'n1', Address: '10.0.0.9', Datacenter: 'dc1', ...node },
    Service: {
      ID: 'web-1',
      Service: 'web',
      Address: '10.0.0.1',
      Port: 80,
      Tags: [],
      Meta: {},
      Weights: { Passing: 1, Warning: 1 },
      ...service,
    },
    Checks: checks.map((Status) => ({ Status })),
  }
}

function read(service?: object, checks?: readonly string[], more: { domain?: string } = {}) {
  return readService('web', [entry(service, checks)], { ...options, ...more })
}

test('an instance becomes an endpoint of its service, in its datacenter', () => {
  const [registration] = read().registrations
  assert.equal(registration?.host, 'web')
  assert.equal(registration.address, '10.0.0.1')
  assert.deepEqual(registration.port, { protocol: 'tcp', number: 80 })
  assert.equal(registration.locality, 'dc1')
  assert.equal(registration.process, 'n1/web-1')
  assert.equal(read({ Address: '' }).registrations[0]?.address, '10.0.0.9', "the node's address stands in")
  assert.equal(read({}, [], { domain: 'service.consul' }).registrations[0]?.host, 'web.service.consul')
  assert.equal(read({ Meta: { protocol: 'thrift' } }).registrations[0]?.port.protocol, 'thrift')
})

test('tags and meta become labels, and the locality', () => {
  const Tags = ['version=v1', 'lane|blue', 'team:shop', 'public', '', 7]
  const [registration] = read({ Tags, Meta: { version: 'v2', region: 'eu', zone: 'eu-1' } }).registrations
  assert.deepEqual(registration?.labels, {
    lane: 'blue',
    region: 'eu',
    'tag.public': 'true',
    team: 'shop',
    version: 'v2',
    zone: 'eu-1',
  })
  assert.equal(registration.locality, 'eu/eu-1')
})

test('checks and weights say how much traffic an instance gets', () => {
  const Weights = { Passing: 5, Warning: 2 }
  assert.equal(read({ Weights }).registrations[0]?.weight, 500)
  assert.equal(read({ Weights }, ['passing', 'warning']).registrations[0]?.weight, 200)
  assert.equal(read({ Weights }, ['warning', 'critical']).registrations[0]?.health, 'unhealthy')
  assert.equal(read({ Weights: { Passing: 1, Warning: 0 } }, ['warning']).rejections[0]?.code, 'REGISTRATION_DISABLED')
  assert.equal(read({ Weights: undefined }).registrations[0]?.weight, 100)
})

test("Consul's own proxies and gateways are left out", () => {
  for (const Kind of ['connect-proxy', 'mesh-gateway', 'api-gateway', 'ingress-gateway', 'terminating-gateway']) {
    assert.deepEqual(read({ Kind }), { registrations: [], rejections: [] })
  }
  assert.equal(read({ Kind: 'typical' }).registrations.length, 1)
})

test("Dubbo's registration says its service in a URL", () => {
  const url = 'dubbo://10.0.0.1:20880/org.demo.Api?interface=org.demo.Api&side=provider&version=1.0.0&weight=50'
  const [registration] = read({ Meta: { url } }).registrations
  assert.equal(registration?.host, 'org.demo.api-1-0-0')
  assert.equal(registration.weight, 50)
  assert.equal(read({ Meta: { url: 'http://10.0.0.1/docs?side=left' } }).registrations[0]?.host, 'web')
})

test("an instance of a Dubbo application has nobody's services", () => {
  const Tags = ['dubbo.metadata.revision=ab12', 'dubbo.endpoints=[{"port":20880,"protocol":"dubbo"}]']
  const { registrations, rejections } = read({ Tags })
  assert.deepEqual(registrations, [])
  assert.equal(rejections[0]?.code, 'REGISTRATION_NO_METADATA')
  assert.match(rejections[0]?.reason ?? '', /register-mode=interface/)
})

test('broken instances are rejected with a reason', () => {
  assert.equal(read({ Address: 'db.internal' }).rejections[0]?.code, 'REGISTRATION_ADDRESS')
  assert.equal(read({ Port: 0 }).rejections[0]?.code, 'REGISTRATION_PORT')
  assert.equal(read({ Meta: { protocol: '<b>' } }).rejections[0]?.code, 'REGISTRATION_PROTOCOL')
  assert.equal(readService('web', [{}], options).rejections[0]?.code, 'REGISTRATION_MALFORMED')
  assert.equal(readService('web', {}, options).rejections[0]?.code, 'REGISTRATION_MALFORMED')
  assert.equal(readService('a b', [entry()], options).rejections[0]?.code, 'REGISTRATION_HOST')
})

test('everybody gets turns, not too many at once, and long ones only while there are few', async (context) => {
  const stop = new AbortController()
  context.after(() => stop.abort())
  const turns = new Map<string, number>()
  const waits: number[] = []
  let [busy, most] = [0, 0]
  const rotation = rotate<string>({
    width: 2,
    longest: 3_600_000,
    round: 10,
    pause: 0,
    signal: stop.signal,
    async turn(key, wait, signal) {
      turns.set(key, (turns.get(key) ?? 0) + 1)
      waits.push(wait)
      busy += 1
      most = Math.max(most, busy)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait)
        signal.addEventListener('abort', () => {
          clearTimeout(timer)
          resolve()
        })
      })
      busy -= 1
    },
  })
  rotation.add('a')
  rotation.add('b')
  assert.deepEqual(waits, [3_600_000, 3_600_000])
  rotation.add('c')
  rotation.add('d')
  await until(() => ['a', 'b', 'c', 'd'].every((key) => (turns.get(key) ?? 0) > 3))
  assert.equal(most, 2)
  rotation.delete('d')
  await until(() => rotation.size === 3)
  const so = turns.get('d')
  const others = turns.get('a') ?? 0
  await until(() => (turns.get('a') ?? 0) > others + 3)
  assert.ok((turns.get('d') ?? 0) <= (so ?? 0) + 1)
})

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 60_000
  while (!holds()) {
    assert.ok(Date.now() < end, String(holds))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
