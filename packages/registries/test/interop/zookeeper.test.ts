/** The connector against real ZooKeeper servers, written to by a third-party client. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePort, needPeer, zookeeperEnsemble, type ZookeeperServer, zookeeperServer } from '@aeraki/testing'
import { startBridge, type TestBridge } from '../support/bridge.ts'
import { type ZookeeperWriter, zookeeperWriter } from '../support/zookeeper-writer.ts'

const peer = needPeer('zookeeper')
const skip = peer.skip === false ? needPeer('java').skip : peer.skip

const formEncode = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+')

function providerNode(address: string, name = 'org.demo.Api', more = '', root = '/dubbo'): string {
  return `${root}/${name}/providers/${formEncode(`dubbo://${address}/${name}?interface=${name}&side=provider${more}`)}`
}

/** As Dubbo 3 writes it. */
function dubboInstance(address: string, port: number, metadata: Readonly<Record<string, string>>): string {
  const id = `${address}:${port}`
  const payload = { '@class': 'org.apache.dubbo.registry.zookeeper.ZookeeperInstance', id, name: 'shop', metadata }
  return JSON.stringify({ name: 'shop', id, address, port, sslPort: null, payload, serviceType: 'DYNAMIC' })
}

const endpoints = (port: number) => ({ 'dubbo.endpoints': JSON.stringify([{ port, protocol: 'dubbo' }]) })

const revision = (name: string) => ({ 'dubbo.metadata.revision': name })

/** As Spring Cloud writes it. */
function springInstance(port: number, metadata: object): string {
  const payload = { '@class': 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance', metadata }
  return JSON.stringify({ name: 'Orders_Web', id: 'x', address: '10.0.1.5', port, enabled: true, payload })
}

const applicationMetadata = JSON.stringify({
  app: 'shop',
  revision: 'r1',
  services: {
    'test/org.demo.Cart:1.0.0:dubbo': {
      name: 'org.demo.Cart',
      group: 'test',
      version: '1.0.0',
      protocol: 'dubbo',
      port: 20880,
      path: 'org.demo.Cart',
      params: { interface: 'org.demo.Cart', service_group: 'batch' },
    },
  },
})

describe('a ZooKeeper registry', { skip }, () => {
  let server: ZookeeperServer
  let writer: ZookeeperWriter
  let bridge: TestBridge | undefined
  before(async () => {
    server = await zookeeperServer()
    await server.start()
    writer = await zookeeperWriter(`127.0.0.1:${server.port}`)
  })
  after(async () => {
    writer?.close()
    await server?.close()
  })

  function watch(more: object = {}): TestBridge {
    const settings = { type: 'zookeeper', servers: [`127.0.0.1:${server.port}`], sessionTimeout: '2s', ...more }
    bridge = startBridge({ registries: [settings] })
    return bridge
  }

  async function ended(): Promise<void> {
    await bridge?.close()
    bridge = undefined
  }

  test('is ready with nothing in it, and follows what comes, changes and goes', async (t) => {
    t.after(ended)
    const { until, endpoints: of } = watch({ root: '/empty', servicesRoot: '/empty-services' })
    await until('it is ready', () => bridge?.bridge.ready === true)
    const [one, two] = [
      providerNode('10.0.0.1:20880', 'a.B', '', '/empty'),
      providerNode('10.0.0.2:20880', 'a.B', '', '/empty'),
    ]
    await writer.create(one)
    await until('the first is there', () => of('a.b')?.join() === '10.0.0.1:20880')
    await writer.create(two)
    await until('both are there', () => of('a.b')?.length === 2)
    await writer.remove(one)
    await until('one is left', () => of('a.b')?.join() === '10.0.0.2:20880')
    await writer.remove(two)
    await until('the host is gone', () => of('a.b') === undefined)
    await writer.create(two)
    await until('it is back', () => of('a.b')?.length === 1)
  })

  test('skips what is malformed with the reason, and reads the rest', async (t) => {
    t.after(ended)
    const root = '/hostile'
    const providers = `${root}/org.demo.Api/providers`
    await writer.create(providerNode('10.0.0.1:20880', 'org.demo.Api', '&x=\u0001\u{1F600}&y=a,b&__proto__=z', root))
    for (const bad of [
      '%ZZ',
      'nonsense',
      formEncode('dubbo://10.0.0.2:0/org.demo.Api'),
      formEncode('dubbo://host:1/a.B'),
    ]) {
      await writer.create(`${providers}/${bad}`)
    }
    await writer.create(`${providers}/${formEncode(`dubbo://10.0.0.3:1/org.demo.Api?x=${'y'.repeat(66_000)}`)}`)
    await writer.create(providerNode('10.0.0.4:20880', 'ORG.demo.api', '', root))
    await writer.create(providerNode('10.0.0.5:20880', 'org.demo.Api', '', root))
    const services = '/hostile-services'
    await writer.create(`${services}/shop/no-json`, '{')
    await writer.create(`${services}/shop/no-address`, '{"name":"shop"}')
    await writer.create(`${services}/shop/huge`, `"${'x'.repeat(300_000)}"`)
    await writer.create(
      `${services}/shop/nobody-knows`,
      dubboInstance('10.0.0.9', 1, { 'dubbo.metadata.revision': 'r9' }),
    )
    await writer.create(
      `${services}/shop/bad-metadata`,
      dubboInstance('10.0.0.9', 2, { 'dubbo.metadata.revision': 'r8' }),
    )
    await writer.create(`${root}/metadata/shop/r8`, '[]')
    const { until, endpoints: of, rejections } = watch({ root, servicesRoot: services })
    await until('it is ready', () => bridge?.bridge.ready === true)
    await until('all is judged', () => rejections().length === 11)
    assert.deepEqual(of('org.demo.api'), ['10.0.0.1:20880', '10.0.0.5:20880'])
    const codes = rejections().map(({ code, provider }) => `${code} ${provider.slice(0, 40)}`)
    assert.deepEqual(codes.toSorted(), [
      'REGISTRATION_ADDRESS dubbo://host:1/a.B',
      'REGISTRATION_CONFLICT dubbo://10.0.0.4:20880/ORG.demo.api?inte',
      'REGISTRATION_MALFORMED %ZZ',
      'REGISTRATION_MALFORMED nonsense',
      'REGISTRATION_MALFORMED shop bad-metadata',
      'REGISTRATION_MALFORMED shop no-address',
      'REGISTRATION_MALFORMED shop no-json',
      'REGISTRATION_NO_METADATA shop nobody-knows',
      'REGISTRATION_PORT dubbo://10.0.0.2:0/org.demo.Api',
      'REGISTRATION_TOO_LARGE dubbo%3A%2F%2F10.0.0.3%3A1%2Forg.demo.Ap',
      'REGISTRATION_TOO_LARGE shop huge',
    ])
  })

  test("reads applications in Java's and in dubbo-go's layout, by mapping without metadata, and Spring's", async (t) => {
    t.after(ended)
    const root = '/layouts'
    const services = '/layouts-services'
    await writer.create(`${root}/metadata/java/r1`, applicationMetadata)
    await writer.create(
      `${services}/java/1`,
      dubboInstance('10.0.1.1', 20880, { ...endpoints(20880), ...revision('r1') }),
    )
    await writer.create(
      `${services}/java/2`,
      dubboInstance('10.0.1.2', 20990, { ...endpoints(20990), ...revision('r1') }),
    )
    await writer.create(`${root}/go/r1`, applicationMetadata)
    await writer.create(
      `${services}/go/1`,
      dubboInstance('10.0.1.3', 20880, { ...endpoints(20880), ...revision('r1') }),
    )
    await writer.create(`${root}/mapping/org.demo.Local`, 'other,local')
    await writer.create(
      `${services}/local/1`,
      dubboInstance('10.0.1.4', 20880, { ...endpoints(20880), ...revision('r2') }),
    )
    await writer.create(`${services}/Orders_Web/1`, springInstance(8080, { zone: 'a', instance_status: 'UP' }))
    await writer.create(`${services}/Orders_Web/2`, springInstance(8081, { instance_status: 'OUT_OF_SERVICE' }))
    const { until, endpoints: of } = watch({ root, servicesRoot: services })
    await until(
      'all hosts are there',
      () => bridge?.bridge.ready === true && [...bridge.bridge.services()].length === 3,
    )
    assert.deepEqual(of('org.demo.cart-test-1-0-0'), ['10.0.1.1:20880', '10.0.1.2:20990', '10.0.1.3:20880'])
    assert.deepEqual(of('org.demo.local'), ['10.0.1.4:20880'])
    assert.deepEqual(of('orders-web'), ['10.0.1.5:8080'])
    const cart = [...(bridge?.bridge.services() ?? [])].find(({ host }) => host.includes('cart'))
    assert.equal(cart?.instances[0]?.labels['service_group'], 'batch')

    // Metadata that comes after its instance, and an instance that changes in place.
    await writer.create(
      `${services}/late/1`,
      dubboInstance('10.0.1.6', 20880, { ...endpoints(20880), ...revision('r3') }),
    )
    await until('it is missed', () => bridge?.rejections().some(({ provider }) => provider === 'late 1') === true)
    await writer.create(`${root}/metadata/late/r3`, applicationMetadata)
    await until('it is read', () => of('org.demo.cart-test-1-0-0')?.length === 4)
    await writer.set(`${services}/late/1`, dubboInstance('10.0.1.7', 20880, { ...endpoints(20880), ...revision('r3') }))
    await until('the change is seen', () => of('org.demo.cart-test-1-0-0')?.includes('10.0.1.7:20880') === true)
  })

  test('is read with a user and a password where its nodes are not for everybody', async (t) => {
    t.after(ended)
    const owner = await zookeeperWriter(`127.0.0.1:${server.port}`, 'dubbo:secret')
    t.after(() => owner.close())
    await owner.create(providerNode('10.0.0.1:20880', 'a.B', '', '/private'))
    const refused = watch({ root: '/private', read: ['interfaces'] })
    await refused.until('it is refused', () => {
      const state = refused.bridge.registries[0]?.slices.state
      return state?.kind === 'disconnected' && state.reason.includes('not allowed')
    })
    assert.equal(refused.bridge.ready, false)
    await ended()
    const { until, endpoints: of } = watch({ root: '/private', username: 'dubbo', password: 'secret' })
    await until('it is read', () => of('a.b')?.length === 1)
  })

  test('that says nothing any more is left, and is stale until it is read again', async (t) => {
    const proxy = await stallableProxy(server.port)
    t.after(() => proxy.close())
    t.after(ended)
    await writer.create(providerNode('10.0.0.1:20880', 'a.B', '', '/stalling'))
    const { until, endpoints: of } = watch({ root: '/stalling', servers: [`127.0.0.1:${proxy.port}`] })
    const slices = bridge?.bridge.registries[0]?.slices
    await until('it is read', () => of('a.b')?.length === 1)
    proxy.stall()
    await until('it is stale', () => slices?.stale === true)
    assert.deepEqual(of('a.b'), ['10.0.0.1:20880'])
    await writer.create(providerNode('10.0.0.2:20880', 'a.B', '', '/stalling'))
    proxy.resume()
    await until('it is read again', () => slices?.stale === false && of('a.b')?.length === 2)
  })
})

describe('a ZooKeeper registry', { skip }, () => {
  test('that comes back empty is believed after the grace, and then its new contents', async (t) => {
    const first = await zookeeperServer()
    await first.start()
    const writer = await zookeeperWriter(`127.0.0.1:${first.port}`)
    for (let index = 0; index < 20; index++) await writer.create(providerNode('10.0.0.1:20880', `a.B${index}`))
    const bridge = startBridge({
      registries: [{ type: 'zookeeper', servers: [`127.0.0.1:${first.port}`], sessionTimeout: '2s' }],
    })
    t.after(() => bridge.close())
    await bridge.until('it is read', () => bridge.endpoints('a.b19')?.length === 1)
    writer.close()
    await first.close()
    // On the same port, with no data: its transactions are numbered anew.
    const second = await zookeeperServer({ port: first.port })
    t.after(() => second.close())
    await second.start()
    await bridge.until('the old are gone', () => [...bridge.bridge.services()].length === 0)
    const other = await zookeeperWriter(`127.0.0.1:${first.port}`)
    t.after(() => other.close())
    await other.create(providerNode('10.0.0.1:20880', 'c.D'))
    await bridge.until('the new is there', () => bridge.endpoints('c.d')?.length === 1)
  })

  test('is read over TLS, from a server that the authorities vouch for', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'aeraki-zookeeper-tls-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    const subject = ['-subj', '/CN=zookeeper', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', certificate],
      { stdio: 'ignore' },
    )
    const both = join(folder, 'both.pem')
    writeFileSync(both, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'))
    const server = await zookeeperServer({ tls: { keyAndCertificates: both, authorities: certificate } })
    t.after(() => server.close())
    await server.start()
    const writer = await zookeeperWriter(`127.0.0.1:${server.port}`)
    await writer.create(providerNode('10.0.0.1:20880', 'a.B'))
    writer.close()
    const secure = { type: 'zookeeper', servers: [`127.0.0.1:${server.securePort}`] }
    const trusting = startBridge({ registries: [{ ...secure, tls: { ca: certificate } }] })
    t.after(() => trusting.close())
    const wary = startBridge({ registries: [{ ...secure, tls: {} }] })
    t.after(() => wary.close())
    await trusting.until('it is read', () => trusting.endpoints('a.b')?.length === 1)
    await wary.until('the certificate is refused', () => {
      const state = wary.bridge.registries[0]?.slices.state
      return state?.kind === 'disconnected' && /self.signed certificate/.test(state.reason)
    })
  })

  test('of three servers is read from another one when one fails', async (t) => {
    const servers = await zookeeperEnsemble()
    t.after(() => Promise.all(servers.map((server) => server.close())))
    await Promise.all(servers.map((server) => server.start()))
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
    const writer = await zookeeperWriter(addresses.join(','))
    t.after(() => writer.close())
    await writer.create(providerNode('10.0.0.1:20880', 'a.B'))
    const bridge = startBridge({ registries: [{ type: 'zookeeper', servers: addresses, sessionTimeout: '2s' }] })
    t.after(() => bridge.close())
    const slices = bridge.bridge.registries[0]?.slices
    await bridge.until('it is read', () => bridge.endpoints('a.b')?.length === 1)
    const used = slices?.state.kind === 'connected' ? slices.state.server : ''
    await servers[addresses.indexOf(used)]?.stop()
    await bridge.until('another one is used', () => {
      const state = slices?.state
      return state?.kind === 'connected' && state.server !== used && !slices?.stale
    })
    assert.deepEqual(bridge.endpoints('a.b'), ['10.0.0.1:20880'])
    await writer.create(providerNode('10.0.0.2:20880', 'a.B'))
    await bridge.until('changes are seen', () => bridge.endpoints('a.b')?.length === 2)
  })
})

/** Passes bytes on until it is told to keep them. */
async function stallableProxy(target: number) {
  const port = await freePort()
  const sockets = new Set<Socket>()
  let stalled = false
  const proxy = createServer((client) => {
    const server = connect(target, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('data', (chunk) => stalled || server.write(chunk))
    server.on('data', (chunk) => stalled || client.write(chunk))
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve))
  return {
    port,
    stall: () => (stalled = true),
    resume: () => (stalled = false),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
