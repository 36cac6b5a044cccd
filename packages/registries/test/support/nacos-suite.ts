/**
 * Against servers made of Alibaba's own modules (testing/nacos, testing/nacos3). Services are registered by Nacos' client
 * for Java, inside Apache Dubbo, and over Nacos' HTTP interface.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  freeNacosPort,
  freePort,
  makeCertificates,
  type NacosServer,
  nacosServer,
  needPeer,
  startDubboProvider,
  startRelay,
  startTlsFront,
} from '@aeraki/testing'
import { nacos } from '../../src/nacos/registry.ts'
import type { NacosSettings } from '../../src/nacos/settings.ts'
import { startBridge } from './bridge.ts'
import { credentials, type NacosAdmin, nacosAdmin } from './nacos-admin.ts'
import { Recorder } from './recorder.ts'

function watch(context: { after(hook: () => Promise<void>): void }, settings: NacosSettings): Recorder {
  const recorder = new Recorder()
  const registry = nacos.create('nacos', { refresh: '500ms', ...settings })
  registry.start(recorder)
  context.after(() => registry.close())
  return recorder
}

export function nacosSuite(release: 2 | 3): void {
  const skip = needPeer(release === 2 ? 'nacos' : 'nacos3').skip || needPeer('java').skip || needPeer('dubbo-java').skip

  test(`Nacos ${release}`, { skip }, async (suite) => {
    let server: NacosServer
    let admin: NacosAdmin
    /** Watches all the time. */
    let whole: Recorder
    before(async () => {
      server = await nacosServer({ release, tokenSeconds: 16 })
      admin = nacosAdmin(server, release)
      await server.start()
      await admin.serving()
      whole = new Recorder()
    })
    const watching = { close: async (): Promise<void> => undefined }
    after(async () => {
      await watching.close()
      await server.close()
    })

    const register = (...args: Parameters<NacosAdmin['register']>) => admin.register(...args)
    const deregister = (...args: Parameters<NacosAdmin['deregister']>) => admin.deregister(...args)
    const refused = async (...args: Parameters<NacosAdmin['register']>): Promise<void> => {
      await assert.rejects(admin.register(...args), /400/)
    }
    const watchHere = (context: { after(hook: () => Promise<void>): void }, settings: Partial<NacosSettings> = {}) =>
      watch(context, { servers: [server.url], ...credentials, ...settings })

    await suite.test('services of all namespaces and groups come, change and go', async (context) => {
      const all = nacos.create('nacos', { servers: [server.url], refresh: '500ms', ...credentials })
      watching.close = () => all.close()
      all.start(whole)
      await admin.createNamespace('dev', 'Development')
      await whole.until(({ syncs }) => syncs === 1)
      await register('shop', '10.0.0.1', {
        metadata: { lane: 'blue', aeraki_meta_locality: 'bj/1' },
        weight: '3',
        clusterName: 'c-1',
      })
      await register('shop', '10.0.0.2', { groupName: 'SALES', namespaceId: 'dev' })
      await whole.until(({ endpoints }) => endpoints.length === 2)
      assert.deepEqual(whole.endpoints, ['shop 10.0.0.1:8080', 'shop.sales.dev 10.0.0.2:8080'])
      const blue = whole.registrations.find(({ address }) => address === '10.0.0.1')
      assert.deepEqual([blue?.weight, blue?.locality], [300, 'bj/1'])
      assert.deepEqual(blue?.labels, { cluster: 'c-1', lane: 'blue' })
      const some = watchHere(context, { namespaces: ['dev'], groups: ['SALES'] })
      await some.until(({ endpoints }) => endpoints.join() === 'shop.sales.dev 10.0.0.2:8080')
      await deregister('shop', '10.0.0.1', { clusterName: 'c-1' })
      await deregister('shop', '10.0.0.2', { groupName: 'SALES', namespaceId: 'dev' })
      await whole.until(({ units }) => units.size === 0)
    })

    await suite.test('what changes is pushed, long before it would be read again', async (context) => {
      await register('pushed', '10.0.0.1')
      const recorder = watchHere(context, { refresh: '1h' })
      const has = async (...hosts: readonly string[]): Promise<void> => {
        const wanted = hosts.map((host) => `pushed ${host}:8080`).join()
        await recorder.until(({ endpoints }) => endpoints.join() === wanted)
      }
      await has('10.0.0.1')
      await register('pushed', '10.0.0.2', { metadata: { lane: 'blue' } })
      await has('10.0.0.1', '10.0.0.2')
      assert.deepEqual(recorder.registrations.find(({ address }) => address === '10.0.0.2')?.labels, { lane: 'blue' })
      await deregister('pushed', '10.0.0.1')
      await has('10.0.0.2')
      await deregister('pushed', '10.0.0.2')
      await has()
    })

    await suite.test('is read over TLS, and pushes over it', async (context) => {
      const certificates = makeCertificates()
      context.after(() => certificates.remove())
      const { ca, client } = certificates
      const port = await freeNacosPort()
      const front = { port, targetPort: server.port, certificates, protocol: 'http/1.1' } as const
      const http = await startTlsFront(front)
      context.after(() => http.close())
      const push = await startTlsFront({
        ...front,
        port: port + 1000,
        targetPort: server.port + 1000,
        protocol: 'h2',
      })
      context.after(() => push.close())
      const servers = [`https://127.0.0.1:${port}`]
      await register('secret', '10.0.0.1')
      const recorder = watchHere(context, { servers, tls: { ca, ...client }, refresh: '1h' })
      await recorder.until(({ endpoints }) => endpoints.join() === 'secret 10.0.0.1:8080')
      await register('secret', '10.0.0.2')
      await recorder.until(({ endpoints }) => endpoints.length === 2)
      assert.ok(http.taken > 0 && push.taken > 0)
      const distrustful = watchHere(context, { servers, tls: client })
      await distrustful.until(({ lastState }) => lastState === 'disconnected')
      assert.match(distrustful.reason, /certificate/)
      const stranger = watchHere(context, { servers, tls: { ca } })
      await stranger.until(({ lastState }) => lastState === 'disconnected')
      for (const ip of ['10.0.0.1', '10.0.0.2']) await deregister('secret', ip)
    })

    await suite.test('where nothing can be pushed, everything is read again and again', async (context) => {
      const relay = await startRelay(server.port)
      context.after(() => relay.close())
      const recorder = watchHere(context, { servers: [`http://127.0.0.1:${relay.port}`], refresh: '200ms' })
      await register('polled', '10.0.0.1')
      await recorder.until(({ endpoints }) => endpoints.length === 1)
      await register('polled', '10.0.0.2')
      await recorder.until(({ endpoints }) => endpoints.length === 2)
      await deregister('polled', '10.0.0.1')
      await recorder.until(({ endpoints }) => endpoints.length === 1)
      await deregister('polled', '10.0.0.2')
      await recorder.until(({ units }) => units.size === 0)
    })

    await suite.test('Dubbo registers interfaces and applications, with its metadata', async (context) => {
      const recorder = watchHere(context)
      const byInterface = await startRegistered(server, 'interface', 'one')
      context.after(() => byInterface.stop())
      const host = 'org.apache.dubbo.samples.basic.api.demoservice-2-0-0'
      await recorder.until(({ registrations }) => registrations.some((each) => each.host === host && each.rank === 1))
      const registration = recorder.registrations.find((each) => each.host === host)
      assert.equal(registration?.port.number, byInterface.port)
      assert.deepEqual([registration.namespace, registration.labels['lane']], ['shop', 'blue'])
      await byInterface.kill()
      await recorder.until(({ endpoints }) => endpoints.length === 0)

      const byInstance = await startRegistered(server, 'instance', 'two')
      context.after(() => byInstance.stop())
      await recorder.until(({ registrations }) => registrations.some((each) => each.host === host && each.rank === 0))
      assert.equal(recorder.registrations.find((each) => each.host === host)?.port.number, byInstance.port)
      await byInstance.stop()
      await recorder.until(({ endpoints }) => endpoints.length === 0)

      // It keeps its metadata to itself: the mapping knows the interface, without its version.
      const secretive = await startRegistered(server, 'instance', 'three', 'local')
      context.after(() => secretive.stop())
      const bare = 'org.apache.dubbo.samples.basic.api.demoservice'
      await recorder.until(({ registrations }) => registrations.some((each) => each.host === bare))
      assert.equal(recorder.registrations.find((each) => each.host === bare)?.port.number, secretive.port)
    })

    await suite.test('broken registrations are rejected with a reason, and nothing else suffers', async (context) => {
      const at = { groupName: 'BROKEN' }
      await register('fine', '10.0.0.1', { ...at, metadata: { x: '\u0001\u{1F600}', lane: ' blue,' } })
      await register('fine', '10.0.0.2', { ...at, port: '0' })
      await register('providers:%ZZ:', '10.0.0.1', at)
      await register('Orders', '10.0.0.3', at)
      for (const ip of ['10.0.0.4', '10.0.0.5']) await register('orders', ip, at)
      // Release 3 refuses such things itself.
      const attempt = release === 2 ? register : refused
      await attempt('fine', '10.0.0.6', { ...at, port: '70000' })
      await attempt('fine', 'no where', at)
      await attempt('a b', '10.0.0.1', at)
      await attempt('fine', '10.0.0.8', { ...at, metadata: { huge: 'y'.repeat(100_000) } })
      const codes = [
        'REGISTRATION_CONFLICT Orders 10.0.0.3:8080',
        'REGISTRATION_HOST providers:%ZZ: 10.0.0.1:8080',
        'REGISTRATION_PORT fine 10.0.0.2:0',
      ]
      if (release === 2) {
        codes.push(
          'REGISTRATION_ADDRESS fine no where:8080',
          'REGISTRATION_HOST a b 10.0.0.1:8080',
          'REGISTRATION_PORT fine 10.0.0.6:70000',
        )
      }
      const settings = { servers: [server.url], refresh: '500ms', ...credentials, groups: ['BROKEN'] }
      const mesh = startBridge({ registries: [{ type: 'nacos', ...settings }] })
      context.after(() => mesh.close())
      const found = (): string =>
        mesh
          .rejections()
          .map(({ code, provider }) => `${code} ${provider}`)
          .toSorted()
          .join()
      await mesh.until('all is judged', () => found() === codes.toSorted().join())
      const kept = release === 2 ? ['10.0.0.1:8080', '10.0.0.8:8080'] : ['10.0.0.1:8080']
      assert.deepEqual(mesh.endpoints('fine.broken'), kept)
      assert.deepEqual(mesh.endpoints('orders.broken'), ['10.0.0.4:8080', '10.0.0.5:8080'])
      const fine = [...mesh.bridge.services()].find(({ host }) => host === 'fine.broken')
      const labels = fine?.instances.map(({ labels: { lane, huge } }) => lane ?? huge)
      assert.deepEqual(labels?.toSorted(), release === 2 ? ['blue', 'y'.repeat(63)] : ['blue'])
      await register('fine', '10.0.0.7', at)
      await mesh.until('the next one comes', () => mesh.endpoints('fine.broken')?.length === kept.length + 1)
    })

    await suite.test('more services than a page holds', async (context) => {
      const names = Array.from({ length: 510 }, (_, index) => `many-${index}`)
      for (let start = 0; start < names.length; start += 20) {
        await Promise.all(
          names.slice(start, start + 20).map((name) => register(name, '10.0.0.1', { groupName: 'MANY' })),
        )
      }
      const recorder = watchHere(context, { refresh: '5s', groups: ['MANY'] })
      await recorder.until(({ endpoints }) => endpoints.length === 510)
    })

    await suite.test('a user is needed, and the right password', async (context) => {
      const wrong = watch(context, { servers: [server.url], username: 'nacos', password: 'wrong' })
      await wrong.until(({ lastState }) => lastState === 'disconnected')
      assert.match(wrong.reason, /user or password is wrong/)
      const nobody = watch(context, { servers: [server.url], namespaces: ['public'] })
      await nobody.until(({ lastState }) => lastState === 'disconnected')
      assert.match(nobody.reason, /a user is needed/)
    })

    await suite.test('tokens are renewed, and a server that was started anew is read anew', async () => {
      // Tokens have become old several times by now.
      assert.deepEqual(
        whole.states.map(({ kind }) => kind),
        ['connecting', 'connected'],
      )
      await register('before', '10.0.0.1')
      await whole.until(({ endpoints }) => endpoints.includes('before 10.0.0.1:8080'))
      await server.stop()
      await whole.until(({ lastState }) => lastState !== 'connected')
      assert.ok(whole.endpoints.length > 0, 'what was known stays')
      await server.start()
      await admin.serving()
      await register('after', '10.0.0.1')
      await whole.until(({ endpoints }) => endpoints.join() === 'after 10.0.0.1:8080')
    })
  })
}

/** Apache Dubbo, which brings Nacos' own client. */
async function startRegistered(
  server: NacosServer,
  registerMode: 'interface' | 'instance',
  application: string,
  metadataType: 'local' | 'remote' = 'remote',
) {
  const port = await freePort()
  const registry = `nacos://127.0.0.1:${server.port}?username=nacos&password=nacos`
  const parameters = { lane: 'blue', aeraki_meta_app_namespace: 'shop' }
  return await startDubboProvider('java', {
    port,
    registry,
    registerMode,
    metadataType,
    application,
    parameters,
    version: '2.0.0',
  })
}
