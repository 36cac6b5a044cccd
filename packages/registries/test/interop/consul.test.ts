/** Against a real Consul agent, with services registered over its own interface and checked by it. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, before, test } from 'node:test'
import {
  type ConsulAgent,
  consulAgent,
  freePort,
  makeCertificates,
  needPeer,
  startDubboProvider,
} from '@aeraki/testing'
import { consul } from '../../src/consul/registry.ts'
import type { ConsulSettings } from '../../src/consul/settings.ts'
import { startBridge } from '../support/bridge.ts'
import { Recorder } from '../support/recorder.ts'

const skip = needPeer('consul').skip || needPeer('openssl').skip
const javaSkip = needPeer('dubbo-java').skip || needPeer('java').skip

function watch(context: { after(hook: () => Promise<void>): void }, settings: ConsulSettings): Recorder {
  const recorder = new Recorder()
  const registry = consul.create('consul', settings)
  registry.start(recorder)
  context.after(() => registry.close())
  return recorder
}

test('Consul', { skip }, async (suite) => {
  let agent: ConsulAgent
  let checked: Server
  let healthStatus = 200
  before(async () => {
    agent = await consulAgent()
    await agent.start()
    checked = createServer((_, answer) => answer.writeHead(healthStatus).end())
    await new Promise<void>((resolve) => checked.listen(0, '127.0.0.1', resolve))
  })
  after(async () => {
    checked.close()
    await agent.close()
  })
  const register = (definition: object): Promise<unknown> =>
    agent.request('PUT', '/v1/agent/service/register', definition)
  const deregister = (id: string): Promise<unknown> => agent.request('PUT', `/v1/agent/service/deregister/${id}`)

  await suite.test('services come, change and go, with their tags, meta and weights', async (context) => {
    const recorder = watch(context, { address: agent.url, domain: 'service.consul' })
    await recorder.until(({ syncs }) => syncs === 1)
    assert.deepEqual(recorder.endpoints, [])
    await register({
      ID: 'web-1',
      Name: 'web',
      Address: '10.0.0.1',
      Port: 8080,
      Tags: ['lane=blue'],
      Meta: { protocol: 'http' },
      Weights: { Passing: 3, Warning: 1 },
    })
    await register({ ID: 'web-2', Name: 'web', Address: '10.0.0.2', Port: 8080 })
    await recorder.until(({ endpoints }) => endpoints.length === 2)
    const [first] = recorder.registrations.toSorted((a, b) => (a.address < b.address ? -1 : 1))
    assert.equal(first?.host, 'web.service.consul')
    assert.deepEqual(
      [first.weight, first.locality, first.port.protocol, first.labels['lane']],
      [300, 'dc1', 'http', 'blue'],
    )
    await register({ ID: 'web-1', Name: 'web', Address: '10.0.0.1', Port: 9090 })
    await recorder.until(({ endpoints }) => endpoints.includes('web.service.consul 10.0.0.1:9090'))
    await deregister('web-1')
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    await deregister('web-2')
    await recorder.until(({ units }) => units.size === 0)
  })

  await suite.test('an instance whose check fails gets no traffic until it passes again', async (context) => {
    const recorder = watch(context, { address: agent.url })
    const { port } = checked.address() as { port: number }
    const Check = { HTTP: `http://127.0.0.1:${port}/`, Interval: '100ms', Timeout: '5s', Status: 'passing' }
    await register({
      ID: 'sick',
      Name: 'sick',
      Address: '10.0.0.1',
      Port: 1,
      Weights: { Passing: 10, Warning: 1 },
      Check,
    })
    await recorder.until(hasSome('healthy'))
    healthStatus = 503
    await recorder.until(hasSome('unhealthy'))
    // 429 is a warning to Consul.
    healthStatus = 429
    await recorder.until(({ registrations }) => registrations.some(({ weight }) => weight === 100))
    healthStatus = 200
    await recorder.until(({ registrations }) => registrations.some(({ weight }) => weight === 1000))
    await agent.request('PUT', '/v1/agent/service/maintenance/sick?enable=true')
    await recorder.until(hasSome('unhealthy'))
    await deregister('sick')
    await recorder.until(({ units }) => units.size === 0)
  })

  await suite.test('more services than queries at once take turns', async (context) => {
    const names = Array.from({ length: 150 }, (_, index) => `many-${index}`)
    const recorder = watch(context, { address: agent.url })
    await recorder.until(({ syncs }) => syncs === 1)
    for (const name of names) await register({ ID: name, Name: name, Address: '10.0.0.1', Port: 1 })
    await recorder.until(({ endpoints }) => endpoints.length === 150)
    for (const name of [names[0], names[149]]) {
      await register({ ID: name, Name: name, Address: '10.0.0.2', Port: 1 })
      await recorder.until(({ endpoints }) => endpoints.includes(`${name} 10.0.0.2:1`))
    }
    for (const name of names) await deregister(name)
    await recorder.until(({ units }) => units.size === 0)
  })

  await suite.test('a filter leaves instances out, and a datacenter that is not there is an error', async (context) => {
    const filtered = watch(context, { address: agent.url, filter: '"public" in Service.Tags' })
    const nowhere = watch(context, { address: agent.url, datacenter: 'dc9' })
    await register({ ID: 'a', Name: 'a', Address: '10.0.0.1', Port: 1, Tags: ['public'] })
    await register({ ID: 'b', Name: 'b', Address: '10.0.0.2', Port: 1 })
    await filtered.until(({ endpoints }) => endpoints.join() === 'a 10.0.0.1:1')
    await nowhere.until(({ lastState }) => lastState === 'disconnected')
    assert.match(nowhere.reason, /No path to datacenter/)
    await deregister('a')
    await deregister('b')
  })

  await suite.test('broken registrations are rejected with a reason, and nothing else suffers', async (context) => {
    // The catalogue takes what an agent would refuse.
    const put = (Service: string, ID: string, fields: object = {}): Promise<unknown> =>
      agent.request('PUT', '/v1/catalog/register', {
        Node: 'broken',
        Address: '10.9.0.1',
        Service: { Service, ID, Address: '10.0.0.1', Port: 8080, ...fields },
      })
    const Tags = ['x=\u0001\u{1F600}', 'lane= blue,', '__proto__=z', '', '=', `huge=${'y'.repeat(100_000)}`]
    await put('fine', 'hostile', { Tags })
    await put('fine', 'nowhere', { Address: 'no where' })
    await put('fine', 'port', { Port: 70_000 })
    await put('fine', 'negative', { Port: -1 })
    await put('fine', 'url', { Meta: { url: 'dubbo://10.0.0.2:1/%ZZ?side=provider&x=%ZZ' } })
    await put('a b', 'name')
    // Consul itself takes them for one.
    await put('Orders', 'upper', { Address: '10.0.0.3' })
    await put('orders', 'lower', { Address: '10.0.0.4' })
    const mesh = startBridge({ registries: [{ type: 'consul', address: agent.url }] })
    context.after(() => mesh.close())
    await mesh.until('all is judged', () => mesh.rejections().length === 5 && mesh.endpoints('orders')?.length === 2)
    assert.deepEqual(
      mesh
        .rejections()
        .map(({ code, provider }) => `${code} ${provider}`)
        .toSorted(),
      [
        'REGISTRATION_ADDRESS broken/nowhere',
        'REGISTRATION_HOST broken/name',
        'REGISTRATION_HOST dubbo://10.0.0.2:1/%ZZ?side=provider&x=%ZZ',
        'REGISTRATION_PORT broken/negative',
        'REGISTRATION_PORT broken/port',
      ],
    )
    assert.deepEqual(mesh.endpoints('fine'), ['10.0.0.1:8080'])
    assert.deepEqual(mesh.endpoints('orders'), ['10.0.0.3:8080', '10.0.0.4:8080'])
    const fine = [...mesh.bridge.services()].find(({ host }) => host === 'fine')
    assert.deepEqual(fine?.instances[0]?.labels, {
      huge: 'y'.repeat(63),
      lane: 'blue',
      proto: 'z',
      registryName: 'consul',
      tag: 'true',
    })
    await put('fine', 'next', { Address: '10.0.0.5' })
    await mesh.until('the next one comes', () => mesh.endpoints('fine')?.length === 2)
    await agent.request('PUT', '/v1/catalog/deregister', { Node: 'broken' })
    await mesh.until('all are gone', () => [...mesh.bridge.services()].length === 0)
  })

  await suite.test('an agent that went and came back empty is read anew', async (context) => {
    const own = await consulAgent()
    context.after(() => own.close())
    await own.start()
    const put = (ID: string): Promise<unknown> =>
      own.request('PUT', '/v1/agent/service/register', { ID, Name: ID, Address: '10.0.0.1', Port: 1 })
    await put('before')
    const recorder = watch(context, { address: own.url })
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    await own.stop()
    await recorder.until(({ lastState }) => lastState === 'disconnected')
    assert.equal(recorder.endpoints.length, 1, 'what was known stays')
    await own.start()
    await put('after')
    await recorder.until(({ endpoints }) => endpoints.join() === 'after 10.0.0.1:1')
  })

  await suite.test('an ACL token is needed where access is denied without', async (context) => {
    const root = '11111111-2222-3333-4444-555555555555'
    const own = await consulAgent({ managementToken: root })
    context.after(() => own.close())
    await own.start()
    await own.request('PUT', '/v1/agent/service/register', { ID: 'a', Name: 'a', Address: '10.0.0.1', Port: 1 })
    const Rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'
    await own.request('PUT', '/v1/acl/policy', { Name: 'reader', Rules })
    const token = (await own.request('PUT', '/v1/acl/token', { Policies: [{ Name: 'reader' }] })) as {
      SecretID: string
      AccessorID: string
    }
    const recorder = watch(context, { address: own.url, token: token.SecretID })
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    const stranger = watch(context, { address: own.url, token: '99999999-2222-3333-4444-555555555555' })
    await stranger.until(({ lastState }) => lastState === 'disconnected')
    assert.match(stranger.reason, /ACL token/)
    await own.request('DELETE', `/v1/acl/token/${token.AccessorID}`)
    await own.request('PUT', '/v1/agent/service/register', { ID: 'a', Name: 'a', Address: '10.0.0.2', Port: 1 })
    await recorder.until(({ lastState }) => lastState === 'disconnected')
    assert.equal(recorder.endpoints.length, 1, 'what was known stays')
  })

  await suite.test(
    "an application of Dubbo's that registers nothing else is told",
    { skip: javaSkip },
    async (context) => {
      const recorder = watch(context, { address: agent.url })
      const provider = await startDubboProvider('java', {
        port: await freePort(),
        registry: agent.url.replace('http:', 'consul:'),
        registerMode: 'instance',
        application: 'lonely',
      })
      context.after(() => provider.stop())
      await recorder.until(({ rejections }) => rejections.length === 1)
      assert.equal(recorder.rejections[0]?.code, 'REGISTRATION_NO_METADATA')
      assert.deepEqual(recorder.endpoints, [])
    },
  )

  await suite.test('TLS with a certificate of our own', async (context) => {
    const certificates = makeCertificates()
    context.after(() => certificates.remove())
    const own = await consulAgent({ tls: certificates })
    context.after(() => own.close())
    await own.start()
    await own.request('PUT', '/v1/agent/service/register', { ID: 'a', Name: 'a', Address: '10.0.0.1', Port: 1 })
    const { ca, client } = certificates
    const recorder = watch(context, { address: own.url, tls: { ca, ...client } })
    await recorder.until(({ endpoints }) => endpoints.join() === 'a 10.0.0.1:1')
    await own.request('PUT', '/v1/agent/service/register', { ID: 'b', Name: 'b', Address: '10.0.0.2', Port: 1 })
    await recorder.until(({ endpoints }) => endpoints.length === 2)
    const stranger = watch(context, { address: own.url, tls: { ca } })
    await stranger.until(({ lastState }) => lastState === 'disconnected')
    assert.match(stranger.reason, /certificate/)
    const distrustful = watch(context, { address: own.url, tls: client })
    await distrustful.until(({ lastState }) => lastState === 'disconnected')
    assert.match(distrustful.reason, /certificate/)
  })

  await suite.test('several datacenters are read through one agent, and their hosts are one', async (context) => {
    const near = await consulAgent()
    context.after(() => near.close())
    await near.start()
    const far = await consulAgent({ datacenter: 'dc2', join: [near.wan] })
    context.after(() => far.close())
    await far.start()
    await putWeb(near, 'web-1', '10.1.0.1')
    await putWeb(far, 'web-2', '10.2.0.1')
    const registry = { type: 'consul', address: near.url }
    const mesh = startBridge({
      registries: [
        { name: 'near', ...registry, datacenter: 'dc1' },
        { name: 'far', ...registry, datacenter: 'dc2' },
      ],
    })
    context.after(() => mesh.close())
    await mesh.until('both have it', () => mesh.endpoints('web')?.join() === '10.1.0.1:80,10.2.0.1:80')
    const [service] = mesh.bridge.services()
    assert.deepEqual(
      service?.instances.map(({ locality, labels }) => `${locality} ${labels['registryName']}`).toSorted(),
      ['dc1 near', 'dc2 far'],
    )
    // The other datacenter can't be reached: what it had stays, and this one goes on.
    await far.stop()
    await mesh.until(
      'the far one is stale',
      () => mesh.bridge.registries.find(({ name }) => name === 'far')?.slices.stale === true,
    )
    await putWeb(near, 'web-3', '10.1.0.2')
    await mesh.until(
      'the near one is read on',
      () => mesh.endpoints('web')?.join() === '10.1.0.1:80,10.1.0.2:80,10.2.0.1:80',
    )
  })

  await suite.test(
    'a server that was restored from a snapshot is read anew, though its index went back',
    async (context) => {
      const own = await consulAgent({ keeps: 'all' })
      context.after(() => own.close())
      await own.start()
      const registerOutside = (name: string, address: string): Promise<unknown> =>
        own.request('PUT', '/v1/catalog/register', {
          Node: 'outside',
          Address: address,
          SkipNodeUpdate: true,
          Service: { ID: name, Service: name, Address: address, Port: 1 },
        })
      await registerOutside('a', '10.0.0.1')
      const snapshot = await own.snapshot()
      const recorder = watch(context, { address: own.url })
      await recorder.until(({ syncs }) => syncs === 1)
      for (let index = 0; index < 20; index += 1) await registerOutside('a', `10.0.1.${index}`)
      await registerOutside('b', '10.0.0.3')
      await recorder.until(({ endpoints }) => endpoints.join() === 'a 10.0.1.19:1,b 10.0.0.3:1')
      await own.restore(snapshot)
      await recorder.until(({ endpoints }) => endpoints.join() === 'a 10.0.0.1:1')
      await registerOutside('c', '10.0.0.4')
      await recorder.until(({ endpoints }) => endpoints.join() === 'a 10.0.0.1:1,c 10.0.0.4:1')
      assert.equal(recorder.syncs, 2)
    },
  )
})

function putWeb(agent: ConsulAgent, ID: string, Address: string): Promise<unknown> {
  return agent.request('PUT', '/v1/agent/service/register', { ID, Name: 'web', Address, Port: 80 })
}

function hasSome(health: string): (recorder: Recorder) => boolean {
  return ({ registrations }) => registrations.some((each) => each.health === health)
}
