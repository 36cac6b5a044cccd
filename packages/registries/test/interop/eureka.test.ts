/** Against Spring Cloud's Eureka server, with a Spring application that registers itself and instances registered over REST. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eurekaApplication, type EurekaServer, eurekaServer, needPeer } from '@aeraki/testing'
import { eureka } from '../../src/eureka/registry.ts'
import type { EurekaSettings } from '../../src/eureka/settings.ts'
import { startBridge } from '../support/bridge.ts'
import { Recorder } from '../support/recorder.ts'
import { type RecordingRelay, startRecordingRelay } from '../support/recording-relay.ts'

const skip = needPeer('eureka').skip || needPeer('java').skip

function watch(context: { after(hook: () => Promise<void>): void }, settings: EurekaSettings): Recorder {
  const recorder = new Recorder()
  const registry = eureka.create('eureka', { refresh: '200ms', ...settings })
  registry.start(recorder)
  context.after(() => registry.close())
  return recorder
}

async function request(server: EurekaServer, method: string, path: string, body?: object): Promise<void> {
  const { username, password, origin, pathname } = new URL(server.url)
  const authorization = `Basic ${Buffer.from(decodeURIComponent(`${username}:${password}`)).toString('base64')}`
  const answer = await fetch(`${origin}${pathname}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(username === '' ? {} : { authorization }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`)
}

/** As any client does; the lease is long, so that nobody has to renew it. */
async function register(server: EurekaServer, app: string, id: string, fields: object = {}): Promise<void> {
  const instance = {
    instanceId: id,
    app,
    hostName: '10.0.0.1',
    ipAddr: '10.0.0.1',
    vipAddress: app,
    status: 'UP',
    port: { $: 8080, '@enabled': true },
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
    leaseInfo: { renewalIntervalInSecs: 300, durationInSecs: 900 },
    ...fields,
  }
  await request(server, 'POST', `/apps/${app}`, { instance })
}

/** A connector that reads the server through a relay, and has read everything once. */
async function watchThroughRelay(
  context: { after(hook: () => Promise<void>): void },
  server: EurekaServer,
): Promise<{ relay: RecordingRelay; recorder: Recorder; fullReads: () => number }> {
  const relay = await startRecordingRelay(server.url)
  // Rarely enough that a change falls between two questions: an answer that is put together meanwhile may have the old hash.
  const recorder = watch(context, { servers: [relay.url], refresh: '500ms' })
  context.after(() => relay.close())
  await recorder.until(({ syncs }) => syncs === 1)
  await relay.answered('/apps/delta')
  return { relay, recorder, fullReads: () => relay.asked.filter((path) => path.endsWith('/apps')).length }
}

/** It takes connections before it serves. */
async function started(server: EurekaServer): Promise<void> {
  await server.start()
  const end = Date.now() + 120_000
  while (
    !(await request(server, 'GET', '/apps').then(
      () => true,
      () => false,
    ))
  ) {
    assert.ok(Date.now() < end, 'Eureka does not serve')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** What the server would have answered had this instance not changed; with the hash that counts it. */
function withoutInstance(body: string, id: string): string {
  const answer = JSON.parse(body) as { applications: { application: { instance: { instanceId: string }[] }[] } }
  for (const application of answer.applications.application) {
    application.instance = application.instance.filter(({ instanceId }) => instanceId !== id)
  }
  return JSON.stringify(answer)
}

test('Eureka', { skip }, async (suite) => {
  let first: EurekaServer
  let second: EurekaServer
  before(async () => {
    first = await eurekaServer()
    second = await eurekaServer({ user: { name: 'mesh', password: 'pa:ss' }, deltas: false })
    await Promise.all([started(first), started(second)])
  })
  after(async () => {
    await Promise.all([first.close(), second.close()])
  })

  await suite.test('instances come, change and go, and no change is missed', async (context) => {
    const recorder = watch(context, { servers: [first.url], domain: 'spring.mesh' })
    await recorder.until(({ syncs }) => syncs === 1)
    await register(first, 'SHOP', 'a', { metadata: { lane: 'blue', zone: 'z1' } })
    await register(first, 'SHOP', 'b', { ipAddr: '10.0.0.2', securePort: { $: 8443, '@enabled': true } })
    await recorder.until(({ endpoints }) => endpoints.length === 3)
    const blue = recorder.registrations.find(({ process }) => process === 'a')
    assert.equal(blue?.host, 'shop.spring.mesh')
    assert.deepEqual([blue.labels['lane'], blue.locality], ['blue', 'z1'])
    await request(first, 'PUT', '/apps/SHOP/a/status?value=OUT_OF_SERVICE')
    await recorder.until(({ rejections }) => rejections.some(({ code }) => code === 'REGISTRATION_DISABLED'))
    await request(first, 'DELETE', '/apps/SHOP/a/status?value=UP')
    await recorder.until(({ endpoints }) => endpoints.length === 3)
    await request(first, 'DELETE', '/apps/SHOP/b')
    await recorder.until(({ endpoints }) => endpoints.join() === 'shop.spring.mesh 10.0.0.1:8080')
    await request(first, 'DELETE', '/apps/SHOP/a')
    await recorder.until(({ units }) => units.size === 0)
    assert.equal(recorder.states.filter(({ kind }) => kind === 'disconnected').length, 0)
  })

  await suite.test('changes are read as deltas, and everything only at the start', async (context) => {
    const { relay, recorder, fullReads } = await watchThroughRelay(context, first)
    await register(first, 'SHOP', 'a')
    await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080')
    await relay.answered('/apps/delta')
    await register(first, 'SHOP', 'b', { ipAddr: '10.0.0.2' })
    await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080,shop 10.0.0.2:8080')
    await relay.answered('/apps/delta')
    await request(first, 'PUT', '/apps/SHOP/a/status?value=DOWN')
    await recorder.until(({ registrations }) => registrations.some(({ health }) => health === 'unhealthy'))
    await relay.answered('/apps/delta')
    await request(first, 'DELETE', '/apps/SHOP/a')
    await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.2:8080')
    await relay.answered('/apps/delta')
    await request(first, 'DELETE', '/apps/SHOP/b')
    await recorder.until(({ units }) => units.size === 0)
    assert.equal(fullReads(), 1)
    assert.equal(recorder.syncs, 1)
  })

  await suite.test('a delta that was lost shows in the hash, and everything is read again, once', async (context) => {
    const { relay, recorder, fullReads } = await watchThroughRelay(context, first)
    await register(first, 'SHOP', 'kept')
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    // For good: only by reading everything can it be known.
    relay.falsify('/apps/delta', (body) => withoutInstance(body, 'lost'))
    await relay.answered('/apps/delta')
    await register(first, 'SHOP', 'lost', { ipAddr: '10.0.0.2' })
    await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080,shop 10.0.0.2:8080')
    await relay.answered('/apps/delta', 2)
    assert.equal(fullReads(), 2)
    await request(first, 'DELETE', '/apps/SHOP/lost')
    await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080')
    await relay.answered('/apps/delta', 2)
    assert.equal(fullReads(), 3)

    relay.falsify('/apps/delta', (body) => {
      relay.falsify('/apps/delta', undefined)
      return body.replace(/"apps__hashcode":"[^"]*"/, '"apps__hashcode":"UP_99_"')
    })
    await relay.answered('/apps')
    await relay.answered('/apps/delta', 2)
    assert.equal(fullReads(), 4)
    assert.deepEqual(recorder.endpoints, ['shop 10.0.0.1:8080'])
    assert.equal(recorder.states.filter(({ kind }) => kind === 'disconnected').length, 0)
    await request(first, 'DELETE', '/apps/SHOP/kept')
    await recorder.until(({ units }) => units.size === 0)
  })

  await suite.test('a server that tells no deltas is read in full each time', async (context) => {
    const { relay, recorder, fullReads } = await watchThroughRelay(context, second)
    await register(second, 'SHOP', 'a')
    await recorder.until(({ endpoints }) => endpoints.join() === 'shop 10.0.0.1:8080')
    await request(second, 'DELETE', '/apps/SHOP/a')
    await recorder.until(({ units }) => units.size === 0)
    assert.ok(fullReads() >= 3)
    assert.ok(fullReads() >= relay.asked.length - fullReads(), 'after each refusal everything is read')
    assert.equal(recorder.states.filter(({ kind }) => kind === 'disconnected').length, 0)
  })

  await suite.test('a Spring application registers itself, and goes when it is killed', async (context) => {
    const recorder = watch(context, { servers: [first.url] })
    const application = await eurekaApplication({
      name: 'orders',
      servers: [first.url],
      metadata: { aeraki_meta_app_version: 'v7' },
    })
    context.after(() => application.close())
    await application.start()
    await recorder.until(({ endpoints }) => endpoints.join() === `orders 127.0.0.1:${application.port}`)
    assert.equal(recorder.registrations[0]?.labels['version'], 'v7')
    await application.stop()
    await recorder.until(({ units }) => units.size === 0)
  })

  await suite.test(
    'one server is believed at a time, with a user and password, and the next one when it dies',
    async (context) => {
      await register(first, 'ONLY-FIRST', 'a')
      await register(second, 'ONLY-SECOND', 'a')
      const recorder = watch(context, { servers: [first.url, second.url] })
      await recorder.until(({ endpoints }) => endpoints.length === 1)
      const connected = recorder.states.at(-1)
      assert.ok(connected?.kind === 'connected' && !connected.server.includes('pa:ss'))
      const [used, other] =
        recorder.endpoints[0]?.startsWith('only-first') === true ? [first, 'only-second'] : [second, 'only-first']
      await used.stop()
      await recorder.until(({ endpoints }) => endpoints.length === 1 && endpoints[0]?.startsWith(other) === true)
      await started(used)
      await request(first, 'DELETE', '/apps/ONLY-FIRST/a').catch(() => undefined)
      await request(second, 'DELETE', '/apps/ONLY-SECOND/a').catch(() => undefined)
      await recorder.until(({ units }) => units.size === 0)
    },
  )

  await suite.test('broken registrations are rejected with a reason, and nothing else suffers', async (context) => {
    const huge = 'y'.repeat(100_000)
    await register(first, 'FINE', 'hostile', {
      metadata: { x: '\u0001\u{1F600}', lane: ' blue,', _proto: 'z', huge, [huge.slice(0, 1000)]: 'key' },
    })
    await register(first, 'FINE', 'nowhere', { ipAddr: 'no where' })
    await register(first, 'FINE', 'port', { port: { $: 70_000, '@enabled': true } })
    await register(first, 'FINE', 'negative', { port: { $: -1, '@enabled': true } })
    await register(first, 'FINE', 'none', { port: { $: 1, '@enabled': false } })
    await register(first, encodeURIComponent('a b'), 'name', { app: 'a b' })
    // Eureka itself takes them for one.
    await register(first, 'Orders', 'upper', { ipAddr: '10.0.0.3' })
    await register(first, 'ORDERS', 'lower', { ipAddr: '10.0.0.4' })
    const mesh = startBridge({ registries: [{ type: 'eureka', servers: [first.url], refresh: '200ms' }] })
    context.after(() => mesh.close())
    await mesh.until('all is judged', () => mesh.rejections().length === 5 && mesh.endpoints('orders')?.length === 2)
    const codes = mesh.rejections().map(({ code, provider }) => `${code} ${provider}`)
    assert.deepEqual(codes.toSorted(), [
      'REGISTRATION_ADDRESS FINE nowhere',
      'REGISTRATION_HOST A B name',
      'REGISTRATION_PORT FINE negative',
      'REGISTRATION_PORT FINE none',
      'REGISTRATION_PORT FINE port',
    ])
    assert.deepEqual(mesh.endpoints('fine'), ['10.0.0.1:8080'])
    assert.deepEqual(mesh.endpoints('orders'), ['10.0.0.3:8080', '10.0.0.4:8080'])
    const fine = [...mesh.bridge.services()].find(({ host }) => host === 'fine')
    const { lane, huge: cut } = fine?.instances[0]?.labels ?? {}
    assert.deepEqual([lane, cut], ['blue', 'y'.repeat(63)])
    await register(first, 'FINE', 'next', { ipAddr: '10.0.0.5' })
    await mesh.until('the next one comes', () => mesh.endpoints('fine')?.length === 2)
  })

  await suite.test('a wrong password is an error that does not show it', async (context) => {
    const url = second.url.replace('pa:ss', 'secret')
    const recorder = watch(context, { servers: [url] })
    await recorder.until(({ lastState }) => lastState === 'disconnected')
    assert.match(recorder.reason, /status 401/)
    assert.doesNotMatch(recorder.reason, /secret/)
    const given = watch(context, {
      servers: [second.url.replace('mesh:pa:ss@', '')],
      username: 'mesh',
      password: 'pa:ss',
    })
    await given.until(({ syncs }) => syncs === 1)
  })
})
