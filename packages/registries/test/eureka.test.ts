/** Of Eureka's JSON, as its different serialisers and clients write it. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { readInstance } from '../src/eureka/instances.ts'
import { eureka } from '../src/eureka/registry.ts'
import { hashOf, readApplications } from '../src/eureka/wire.ts'
import { Recorder } from './support/recorder.ts'

function instance(overrides: object = {}): object {
  return {
    instanceId: 'host:shop:8080',
    hostName: 'host',
    app: 'SHOP',
    ipAddr: '10.0.0.1',
    status: 'UP',
    port: { $: 8080, '@enabled': 'true' },
    securePort: { $: 443, '@enabled': 'false' },
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
    metadata: { '@class': 'java.util.Collections$EmptyMap', lane: 'blue' },
    ...overrides,
  }
}

function read(overrides: object = {}, domain?: string) {
  const body = { applications: { application: { name: 'SHOP', instance: instance(overrides) } } }
  const [found] = readApplications(body).instances
  assert.ok(found !== undefined)
  return readInstance(found, domain)
}

test('an instance becomes an endpoint of its application in lower case', () => {
  const { registrations, rejections } = read()
  assert.deepEqual(rejections, [])
  const [registration] = registrations
  assert.equal(registration?.host, 'shop')
  assert.deepEqual(registration.port, { protocol: 'http', number: 8080 })
  assert.deepEqual(registration.labels, { lane: 'blue' })
  assert.equal(registration.health, 'healthy')
  assert.equal(read({}, 'spring.mesh').registrations[0]?.host, 'shop.spring.mesh')
})

test('numbers and booleans may be text, and lists of one the element alone', () => {
  assert.equal(read({ port: { $: '8080', '@enabled': true } }).registrations[0]?.port.number, 8080)
  assert.equal(read({ port: 8080 }).registrations[0]?.port.number, 8080)
  const both = { applications: { application: [{ name: 'A', instance: [instance(), instance({ instanceId: 'b' })] }] } }
  assert.equal(readApplications(both).instances.length, 2)
  assert.equal(
    readApplications({ applications: { versions__delta: '1', apps__hashcode: '', application: [] } }).instances.length,
    0,
  )
  assert.equal(readApplications({ applications: { application: null } }).instances.length, 0)
  assert.throws(() => readApplications([]), /no "applications"/)
})

test('both ports may be enabled, or the secure one alone', () => {
  const secure = { securePort: { $: 8443, '@enabled': 'true' } }
  assert.deepEqual(
    read(secure).registrations.map(({ port }) => port),
    [
      { protocol: 'http', number: 8080 },
      { protocol: 'https', number: 8443 },
    ],
  )
  const alone = read({ ...secure, port: { $: 8080, '@enabled': 'false' } })
  assert.deepEqual(
    alone.registrations.map(({ port }) => port.protocol),
    ['https'],
  )
})

test('only instances that are up get traffic', () => {
  for (const status of ['DOWN', 'STARTING', 'UNKNOWN', 'strange']) {
    assert.equal(read({ status }).registrations[0]?.health, 'unhealthy')
  }
  assert.equal(read({ status: 'OUT_OF_SERVICE' }).rejections[0]?.code, 'REGISTRATION_DISABLED')
})

test('zones become localities', () => {
  const amazon = { dataCenterInfo: { name: 'Amazon', metadata: { 'availability-zone': 'us-east-1c' } } }
  assert.equal(read(amazon).registrations[0]?.locality, 'us-east-1/us-east-1c')
  assert.equal(read({ metadata: { zone: 'z1' } }).registrations[0]?.locality, 'z1')
  assert.equal(read({ metadata: { zone: 'z1', region: 'r1' } }).registrations[0]?.locality, 'r1/z1')
  assert.equal(read({ metadata: { zone: 'z1', aeraki_meta_locality: 'a/b' } }).registrations[0]?.locality, 'a/b')
})

test('broken instances are rejected with a reason', () => {
  assert.equal(read({ ipAddr: 'unknown' }).rejections[0]?.code, 'REGISTRATION_ADDRESS')
  assert.equal(read({ ipAddr: undefined, hostName: '10.0.0.7' }).registrations[0]?.address, '10.0.0.7')
  assert.equal(read({ port: { $: 0, '@enabled': 'true' } }).rejections[0]?.code, 'REGISTRATION_PORT')
  assert.equal(read({ port: { $: 1, '@enabled': 'false' } }).rejections[0]?.code, 'REGISTRATION_PORT')
  assert.equal(read({ port: 'x', securePort: undefined }).rejections[0]?.code, 'REGISTRATION_PORT')
  assert.deepEqual(
    readApplications({ applications: { application: ['x', { name: 'A', instance: [7] }] } }).instances,
    [],
  )
})

test('the hash counts statuses in alphabetical order', () => {
  assert.equal(hashOf(['UP', 'DOWN', 'UP']), 'DOWN_1_UP_2_')
  assert.equal(hashOf([]), '')
})

function answer(hash: string, ...instances: object[]): object {
  return { applications: { apps__hashcode: hash, application: [{ name: 'SHOP', instance: instances }] } }
}

test('changes are taken from deltas, and everything is read again only where the server counts otherwise', async (t) => {
  const second = instance({ instanceId: 'second', ipAddr: '10.0.0.2' })
  const third = instance({ instanceId: 'third', ipAddr: '10.0.0.3' })
  let all = answer('UP_1_', instance())
  let delta = answer('UP_1_')
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(request.url === '/eureka/apps' ? all : delta))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const recorder = new Recorder()
  const registry = eureka.create('eureka', { servers: [`http://127.0.0.1:${port}/eureka`], refresh: '10ms' })
  registry.start(recorder)
  t.after(() => registry.close())

  await recorder.until(({ endpoints }) => endpoints.length === 1)
  delta = answer('UP_2_', second)
  await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080,shop 10.0.0.2:8080')
  delta = answer('UP_1_', { ...second, actionType: 'DELETED' })
  await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080')
  assert.deepEqual(
    asked.filter((path) => path !== '/eureka/apps/delta'),
    ['/eureka/apps'],
  )
  // A change that no delta has told.
  all = answer('UP_2_', instance(), third)
  delta = answer('UP_2_')
  await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080,shop 10.0.0.3:8080')
  assert.equal(recorder.syncs, 2)
})
