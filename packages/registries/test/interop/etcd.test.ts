/**
 * Against real etcd servers, with keys as Dubbo writes them, written by etcd's own client. Dubbo's own writing is tried
 * end to end, in packages/cli/test/registries.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  type Certificates,
  etcdCluster,
  etcdctl,
  type EtcdServer,
  etcdServer,
  freePort,
  makeCertificates,
  needPeer,
  startDubboProvider,
  startRelay,
} from '@aeraki/testing'
import { etcd } from '../../src/etcd/registry.ts'
import type { EtcdSettings } from '../../src/etcd/settings.ts'
import { startBridge } from '../support/bridge.ts'
import { Recorder } from '../support/recorder.ts'

const skip = needPeer('etcd').skip || needPeer('etcdctl').skip || needPeer('openssl').skip

const javaSkip = needPeer('dubbo-etcd').skip || needPeer('java').skip

/** An application's metadata with one service. */
function services(name: string, port: number): string {
  const service = { name, version: '1.0.0', protocol: 'dubbo', port, path: name, params: { side: 'provider' } }
  return JSON.stringify({ app: 'shop', revision: 'r1', services: { [`${name}:1.0.0:dubbo`]: service } })
}

function dubboEndpoints(port: number): string {
  return JSON.stringify([{ port, protocol: 'dubbo' }])
}

function providerKey(service: string, address: string, parameters = ''): string {
  const url = `dubbo://${address}/${service}?interface=${service}&application=shop&side=provider${parameters}`
  return `/dubbo/${service}/providers/${encodeURIComponent(url)}`
}

/** Watches with these settings until the test is over. */
function watch(context: { after(hook: () => Promise<void>): void }, settings: EtcdSettings): Recorder {
  const recorder = new Recorder()
  const registry = etcd.create('etcd', settings)
  registry.start(recorder)
  context.after(() => registry.close())
  return recorder
}

test('etcd', { skip }, async (suite) => {
  let server: EtcdServer
  let certificates: Certificates
  before(async () => {
    certificates = makeCertificates()
    server = await etcdServer()
    await server.start()
  })
  after(async () => {
    await server.close()
    certificates.remove()
  })
  const put = (key: string, value = '-'): Promise<string> => etcdctl(server.address, ['put', '--', key], value)
  const remove = (...args: string[]): Promise<string> => etcdctl(server.address, ['del', ...args])

  await suite.test('providers of an interface come, change and go', async (context) => {
    const recorder = watch(context, { servers: [server.address], read: ['interfaces'] })
    await recorder.until(({ syncs }) => syncs === 1)
    assert.deepEqual(recorder.endpoints, [])
    const first = providerKey('org.demo.Api', '10.0.0.1:20880', '&aeraki_meta_locality=bj/800002&batch=blue')
    await put(first, '127.0.0.1')
    await put(providerKey('org.demo.Api', '10.0.0.2:20880'))
    await recorder.until(({ endpoints }) => endpoints.length === 2)
    assert.deepEqual(recorder.endpoints, ['org.demo.api 10.0.0.1:20880', 'org.demo.api 10.0.0.2:20880'])
    const registration = recorder.registrations.find(({ address }) => address === '10.0.0.1')
    assert.equal(registration?.locality, 'bj/800002')
    assert.equal(registration?.labels['batch'], 'blue')
    await remove(first)
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    await remove('--prefix', '/dubbo/')
    await recorder.until(({ endpoints }) => endpoints.length === 0)
  })

  await suite.test('a provider goes with its lease', async (context) => {
    const recorder = watch(context, { servers: [server.address] })
    const [, lease = ''] = /lease (\w+)/.exec(await etcdctl(server.address, ['lease', 'grant', '6'])) ?? []
    await etcdctl(server.address, ['put', `--lease=${lease}`, providerKey('org.demo.Leased', '10.0.0.1:1'), '-'])
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    await recorder.until(({ endpoints }) => endpoints.length === 0)
  })

  await suite.test(
    "applications of Java and of dubbo-go get their services from the metadata's revision",
    async (context) => {
      const recorder = watch(context, { servers: [server.address] })
      const metadata = {
        'dubbo.endpoints': dubboEndpoints(20880),
        'dubbo.metadata.revision': 'r1',
        'dubbo.metadata.storage-type': 'remote',
      }
      const java = { serviceName: 'shop', host: '10.0.0.1', port: 20880, enabled: true, healthy: true, metadata }
      await put('/services/shop/10.0.0.1:20880', JSON.stringify(java))
      await recorder.until(({ rejections }) => rejections.length === 1)
      assert.equal(recorder.rejections[0]?.code, 'REGISTRATION_NO_METADATA')
      await put('/dubbo/metadata/shop/r1', services('org.demo.Cart', 20880))
      await recorder.until(({ endpoints: all }) => all.length === 1)
      assert.deepEqual(recorder.endpoints, ['org.demo.cart-1-0-0 10.0.0.1:20880'])

      const goMetadata = { ...metadata, 'dubbo.endpoints': dubboEndpoints(20000), 'dubbo.metadata.revision': 'r2' }
      const go = {
        ID: '10.0.0.2:20000',
        ServiceName: 'store',
        Host: '10.0.0.2',
        Port: 20000,
        Enable: true,
        Healthy: true,
        Metadata: goMetadata,
      }
      await put('/dubbo/store/r2', services('org.demo.Stock', 20000))
      await put('/services/store/10.0.0.2:20000', JSON.stringify(go))
      await recorder.until(({ endpoints: all }) => all.length === 2)
      await put('/services/store/10.0.0.2:20000', JSON.stringify({ ...go, Enable: false }))
      await recorder.until(({ rejections }) => rejections.some(({ code }) => code === 'REGISTRATION_DISABLED'))
      await put('/services/store/10.0.0.2:20000', JSON.stringify({ ...go, Healthy: false }))
      await recorder.until(({ registrations }) => registrations.some(({ health }) => health === 'unhealthy'))

      // Without metadata the mapping has to do.
      const local = { ...metadata, 'dubbo.metadata.revision': 'r3' }
      await put(
        '/services/bare/10.0.0.3:20880',
        JSON.stringify({ ...java, serviceName: 'bare', host: '10.0.0.3', metadata: local }),
      )
      await put('/dubbo/mapping/org.demo.Mapped', 'other,bare')
      await recorder.until(({ endpoints: all }) => all.includes('org.demo.mapped 10.0.0.3:20880'))
      await remove('--prefix', '/')
      await recorder.until(({ units }) => units.size === 0)
    },
  )

  await suite.test('broken registrations are rejected with a reason, and nothing else suffers', async (context) => {
    await put('/dubbo/org.demo.Api/providers/%E0%A4%A')
    await put('/dubbo/org.demo.Api/providers/consumer%3A%2F%2F10.0.0.9%2Forg.demo.Api')
    await put('/dubbo//providers/x')
    await put('/dubbo/config/dubbo/x', 'y')
    await put(providerKey('org.demo.Api', '10.0.0.1:99999'))
    await put(providerKey('org.demo.Api', '10.0.0.1:20880', '&x=\u0001\u{1F600}&lane= blue,&__proto__=z'))
    await put(providerKey('org.demo.Api', '10.0.0.2:20880'))
    await put(providerKey('org.demo.Api', '10.0.0.3:20880', `&x=${'y'.repeat(66_000)}`))
    await put(providerKey('ORG.demo.api', '10.0.0.4:20880'))
    await put('/services/shop/a', '{"host":')
    await put('/services/shop/b', '[]')
    await put('/services/shop/c', JSON.stringify({ host: 'x'.repeat(300_000) }))
    const mesh = startBridge({ registries: [{ type: 'etcd', servers: [server.address] }] })
    context.after(() => mesh.close())
    const has = (endpoints: string, rejections: number): boolean =>
      mesh.endpoints('org.demo.api')?.join() === endpoints && mesh.rejections().length === rejections
    await mesh.until('all is judged', () => has('10.0.0.1:20880,10.0.0.2:20880', 9))
    assert.deepEqual(
      mesh
        .rejections()
        .map(({ code }) => String(code))
        .toSorted(),
      [
        'REGISTRATION_CONFLICT',
        'REGISTRATION_MALFORMED',
        'REGISTRATION_MALFORMED',
        'REGISTRATION_MALFORMED',
        'REGISTRATION_MALFORMED',
        'REGISTRATION_PORT',
        'REGISTRATION_PROTOCOL',
        'REGISTRATION_TOO_LARGE',
        'REGISTRATION_TOO_LARGE',
      ],
    )
    const [service] = mesh.bridge.services()
    const labels = service?.instances.find(({ address }) => address === '10.0.0.1')?.labels
    assert.deepEqual([labels?.['lane'], Object.hasOwn(labels ?? {}, 'x')], ['blue', false])
    await put(providerKey('org.demo.Api', '10.0.0.5:20880'))
    await mesh.until('the next one comes', () => has('10.0.0.1:20880,10.0.0.2:20880,10.0.0.5:20880', 9))
    await remove('--prefix', '/')
    await mesh.until('all are gone', () => [...mesh.bridge.services()].length === 0)
  })

  await suite.test('many providers are read in pages, and none twice', async (context) => {
    const keys = Array.from({ length: 4500 }, (_, index) => {
      const service = `org.demo.Many${Math.floor(index / 50)}`
      return providerKey(service, `10.1.${Math.floor(index / 250)}.${(index % 250) + 1}:20880`)
    })
    for (let start = 0; start < keys.length; start += 100) {
      const puts = keys.slice(start, start + 100).map((key) => `put ${key} x`)
      await etcdctl(server.address, ['txn'], `\n${puts.join('\n')}\n\n\n`)
    }
    const recorder = watch(context, { servers: [server.address] })
    await recorder.until(({ syncs }) => syncs === 1)
    assert.equal(new Set(recorder.endpoints).size, 4500)
    assert.equal(recorder.tellings, 90, 'one for each unit')
    await remove('--prefix', '/')
    await recorder.until(({ units }) => units.size === 0)
  })

  await suite.test('what changed while the server was away, and was compacted since, is found', async (context) => {
    const own = await etcdServer()
    context.after(() => own.close())
    await own.start()
    await etcdctl(own.address, ['put', providerKey('org.demo.Api', '10.0.0.1:1'), '-'])
    const recorder = watch(context, { servers: [own.address] })
    await recorder.until(({ syncs }) => syncs === 1)
    assert.equal(recorder.endpoints.length, 1)
    await own.stop()
    await recorder.until(({ states }) => states.some(({ kind }) => kind === 'disconnected'))
    assert.equal(recorder.endpoints.length, 1, 'what was known stays')
    await own.start()
    await recorder.until(({ syncs }) => syncs === 2)
    await etcdctl(own.address, ['del', '--prefix', '/dubbo'])
    const written = await etcdctl(own.address, ['put', '-w=json', providerKey('org.demo.Other', '10.0.0.2:1'), '-'])
    await etcdctl(own.address, ['compact', String(JSON.parse(written).header.revision)])
    await recorder.until(({ endpoints }) => endpoints.join() === 'org.demo.other 10.0.0.2:1')
  })

  await suite.test('what was compacted away before it could be watched is read again', async (context) => {
    const own = await etcdServer()
    const relay = await startRelay(own.port)
    context.after(async () => {
      await relay.close()
      await own.close()
    })
    await own.start()
    const address = `127.0.0.1:${relay.port}`
    await etcdctl(own.address, ['put', providerKey('org.demo.Api', '10.0.0.1:1'), '-'])
    // What is read is on its way for so long that meanwhile its revision goes.
    relay.delay(1000)
    const watched = watch(context, { servers: [address], read: ['interfaces'] })
    const paged = watch(context, { servers: [address] })
    for (const recorder of [watched, paged]) await recorder.until(({ lastState }) => lastState === 'connected')
    assert.equal(watched.syncs + paged.syncs, 0)
    const written = await etcdctl(own.address, ['put', '-w=json', providerKey('org.demo.Api', '10.0.0.2:1'), '-'])
    await etcdctl(own.address, ['put', providerKey('org.demo.Api', '10.0.0.3:1'), '-'])
    await etcdctl(own.address, ['compact', String(JSON.parse(written).header.revision + 1)])
    assert.equal(watched.syncs + paged.syncs, 0, 'in time')
    relay.delay(0)
    for (const recorder of [watched, paged]) await recorder.until(({ endpoints }) => endpoints.length === 3)
    assert.equal(watched.syncs, 2, 'over the same connection')
    assert.ok(watched.states.every(({ kind }) => kind !== 'disconnected'))
  })

  await suite.test('a user logs in, and again when the token is old', async (context) => {
    const own = await etcdServer({ flags: ['--auth-token-ttl=2'] })
    context.after(() => own.close())
    await own.start()
    const as = (user: string, ...args: string[]): Promise<string> => etcdctl(own.address, [`--user=${user}`, ...args])
    await etcdctl(own.address, ['user', 'add', 'root:secret'])
    await etcdctl(own.address, ['user', 'grant-role', 'root', 'root'])
    await etcdctl(own.address, ['user', 'add', 'reader:pw'])
    await etcdctl(own.address, ['role', 'add', 'reader'])
    await etcdctl(own.address, ['role', 'grant-permission', '--prefix=true', 'reader', 'read', '/'])
    await etcdctl(own.address, ['user', 'grant-role', 'reader', 'reader'])
    await etcdctl(own.address, ['auth', 'enable'])
    const recorder = watch(context, { servers: [own.address], username: 'reader', password: 'pw' })
    await recorder.until(({ syncs }) => syncs === 1)
    await new Promise((resolve) => setTimeout(resolve, 4500))
    await as('root:secret', 'put', providerKey('org.demo.Api', '10.0.0.1:1'), '-')
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    assert.equal(recorder.states.filter(({ kind }) => kind === 'disconnected').length, 0)
    // A change of permissions makes all tokens old.
    await as('root:secret', 'role', 'grant-permission', '--prefix=true', 'reader', 'read', '/more')
    await as('root:secret', 'put', providerKey('org.demo.Api', '10.0.0.2:1'), '-')
    await recorder.until(({ endpoints }) => endpoints.length === 2)

    const wrong = watch(context, { servers: [own.address], username: 'reader', password: 'no' })
    await wrong.until(({ lastState }) => lastState === 'disconnected')
    assert.match(wrong.reason, /invalid user ID or password/)
    const nobody = watch(context, { servers: [own.address] })
    await nobody.until(({ lastState }) => lastState === 'disconnected')
    assert.match(nobody.reason, /user name is empty/)
  })

  await suite.test('TLS with a certificate of our own', async (context) => {
    const own = await etcdServer({ tls: certificates })
    context.after(() => own.close())
    await own.start()
    const { ca, client } = certificates
    const recorder = watch(context, { servers: [own.address], tls: { ca, ...client } })
    await etcdctl(own.address, ['put', providerKey('org.demo.Api', '10.0.0.1:1'), '-'], '', certificates)
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    const stranger = watch(context, { servers: [own.address], tls: { ca } })
    await stranger.until(({ lastState }) => lastState === 'disconnected')
    const distrustful = watch(context, { servers: [own.address], tls: client })
    await distrustful.until(({ lastState }) => lastState === 'disconnected')
    assert.match(distrustful.reason, /certificate/)
  })

  await suite.test('when a member dies the next one is asked, and nothing is lost', async (context) => {
    const members = await etcdCluster()
    context.after(async () => {
      for (const member of members) await member.close()
    })
    await Promise.all(members.map((member) => member.start()))
    const all = members.map(({ address }) => address)
    await etcdctl(all.join(), ['put', providerKey('org.demo.Api', '10.0.0.1:1'), '-'])
    const recorder = watch(context, { servers: all })
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    const used = recorder.states.at(-1)
    const victim = members.find(({ address }) => used?.kind === 'connected' && used.server === address)
    assert.ok(victim !== undefined)
    await victim.stop()
    const others = all.filter((address) => address !== victim.address).join()
    const putAgain = () => etcdctl(others, ['put', providerKey('org.demo.Api', '10.0.0.2:1'), '-'])
    // The one that died may have been the leader: writes fail until there is another one.
    await putAgain().catch(putAgain).catch(putAgain)
    await recorder.until(({ endpoints }) => endpoints.length === 2)
    assert.equal(recorder.lastState, 'connected')
  })

  await suite.test('a member that has lost its cluster is given up, and what it said stays', async (context) => {
    const members = await etcdCluster()
    context.after(async () => {
      for (const member of members) await member.close()
    })
    await Promise.all(members.map((member) => member.start()))
    const [own, ...others] = members
    assert.ok(own !== undefined)
    await etcdctl(own.address, ['put', providerKey('org.demo.Api', '10.0.0.1:1'), '-'])
    const recorder = watch(context, { servers: [own.address] })
    await recorder.until(({ endpoints }) => endpoints.length === 1)
    for (const other of others) await other.stop()
    await recorder.until(({ lastState }) => lastState === 'disconnected')
    assert.equal(recorder.endpoints.length, 1)
    for (const other of others) await other.start()
    await etcdctl(own.address, ['put', providerKey('org.demo.Api', '10.0.0.2:1'), '-'])
    await recorder.until(({ endpoints }) => endpoints.length === 2)
  })

  await suite.test(
    "an application of Dubbo's that registers nothing else is told",
    { skip: javaSkip },
    async (context) => {
      const recorder = watch(context, { servers: [server.address] })
      const provider = await startDubboProvider('java', {
        port: await freePort(),
        registry: `etcd://${server.address}`,
        registerMode: 'instance',
        application: 'lonely',
      })
      context.after(() => provider.kill())
      await recorder.until(({ rejections }) => rejections.length === 1)
      assert.equal(recorder.rejections[0]?.code, 'REGISTRATION_NO_METADATA')
      assert.match(recorder.rejections[0].provider, /^lonely /)
      assert.deepEqual(recorder.endpoints, [])
    },
  )
})
