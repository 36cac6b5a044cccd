/** Two hundred changes of a rule under a connection that stays: what each way of delivering routes to Envoy does to it. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type DubboConsumer,
  type Envoy,
  freePort,
  freePorts,
  generateThrift,
  needPeer,
  type NodeClient,
  startDubboConsumer,
  startDubboProvider,
  startNodeClient,
  startNodeServer,
} from '@aeraki/testing'
import type { RouteDelivery } from '../../src/envoy-filter/delivery.ts'
import { type EnvoyMesh, rule, startEnvoyMesh, until, versionedService } from './envoy-mesh.ts'

const changes = 200
const envoyPeer = needPeer('envoy')
const java = needPeer('java')
const dubboJava = needPeer('dubbo-java')
const thrift = needPeer('thrift-compiler')

/** Which version answered; throws what the client got instead. */
type Ask = () => Promise<string>

/**
 * Changes the rule to and fro. Each time the client asks until the other version answers, and from then on no answer may
 * come from the version before. Returns how many calls that took.
 */
async function changeRules(host: string, write: (yaml: string) => void, ask: Ask): Promise<number> {
  let calls = 0
  for (let change = 0; change < changes; change++) {
    const wanted = change % 2 === 0 ? 'v2' : 'v1'
    write(rule(host, wanted))
    await until(async () => {
      calls++
      return (await ask()) === wanted
    }, `an answer of ${wanted} after change ${change}`)
    calls++
    assert.equal(await ask(), wanted)
  }
  return calls
}

function askDubbo(consumer: DubboConsumer): Ask {
  return async () => {
    const [call] = await consumer.call('sayHello')
    const version = /response from (v\d)$/.exec(String(call?.value))?.[1]
    assert.ok(version !== undefined, `a call failed: ${JSON.stringify(call)}`)
    return version
  }
}

/** Connections of clients that were accepted, and that have ended, at the listener. */
async function connections(envoy: Envoy, listener: string): Promise<{ accepted: number; ended: number }> {
  const stats = await envoy.stats(`^listener[.]${listener.replaceAll('.', '[.]')}[.]downstream_cx_(total|destroy)$`)
  const value = (name: string): number => stats.get(`listener.${listener}.downstream_cx_${name}`) ?? -1
  return { accepted: value('total'), ended: value('destroy') }
}

interface Setting {
  readonly mesh: EnvoyMesh
  readonly envoy: Envoy
  readonly host: string
  readonly port: number
  readonly listener: string
  readonly write: (yaml: string) => void
}

interface SettingOptions {
  readonly portName: string
  readonly providers: readonly [number, number]
  readonly annotations?: string
  readonly delivery?: RouteDelivery
  readonly drainSeconds?: number
}

/** A service whose rule leads to v1, and an Envoy that serves it. */
async function setUp(t: TestContext, options: SettingOptions): Promise<Setting> {
  const mesh = await startEnvoyMesh(options.delivery)
  t.after(() => mesh.close())
  const host = 'demo.example'
  const port = await freePort()
  mesh.mesh.write('service.yaml', versionedService({ host, port, ...options }))
  const write = (yaml: string): void => mesh.mesh.write('rule.yaml', yaml)
  write(rule(host, 'v1'))
  const listener = `127.0.0.1_${port}`
  const envoy = await mesh.join(listener, options)
  return { mesh, envoy, host, port, listener, write }
}

async function dubboProviders(t: TestContext): Promise<Pick<SettingOptions, 'portName' | 'providers' | 'annotations'>> {
  const [one, two] = await freePorts(2)
  const v1 = await startDubboProvider('sofa', { port: one ?? 0, name: 'v1' })
  t.after(() => v1.stop())
  const v2 = await startDubboProvider('sofa', { port: two ?? 0, name: 'v2' })
  t.after(() => v2.stop())
  const annotations = 'interface: org.apache.dubbo.samples.basic.api.DemoService'
  return { portName: 'tcp-dubbo', providers: [v1.port, v2.port], annotations }
}

interface Thrift {
  readonly service: Pick<SettingOptions, 'portName' | 'providers'>
  readonly connect: (port: number) => Promise<NodeClient>
}

async function thriftProviders(t: TestContext): Promise<Thrift> {
  const code = generateThrift()
  t.after(() => code.remove())
  const v1 = await startNodeServer(code, { transport: 'framed', name: 'v1' })
  t.after(() => v1.stop())
  const v2 = await startNodeServer(code, { transport: 'framed', name: 'v2' })
  t.after(() => v2.stop())
  return {
    service: { portName: 'tcp-thrift', providers: [v1.port, v2.port] },
    async connect(port) {
      const client = await startNodeClient(code, { port, transport: 'framed' })
      t.after(() => client.stop())
      return client
    },
  }
}

function askThrift(client: NodeClient): Ask {
  return async () => {
    const [call] = await client.call('sayHello', { args: ['you'] })
    const version = /^(v\d) greets you$/.exec(String(call?.value))?.[1]
    assert.ok(version !== undefined, `a call failed: ${JSON.stringify(call)}`)
    return version
  }
}

/** All changes take effect on the connection that the client has, and it keeps it. */
async function followsEverything(t: TestContext, { mesh, envoy, host, listener, write }: Setting, ask: Ask) {
  assert.equal(await ask(), 'v1')
  const before = await connections(envoy, listener)
  assert.ok(before.accepted > 0)
  const listenerUpdates = await updates(envoy)
  const calls = await changeRules(host, write, ask)
  assert.deepEqual(await connections(envoy, listener), before)
  assert.deepEqual(await updates(envoy), listenerUpdates, 'the listener is left alone')
  assert.deepEqual(mesh.refusals(), [])
  t.diagnostic(`${changes} changes, ${calls} calls; connections accepted and ended: ${JSON.stringify(before)}`)
}

async function updates(envoy: Envoy): Promise<ReadonlyMap<string, number>> {
  return await envoy.stats('^listener_manager[.]listener_(added|modified|in_place_updated|removed)$')
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-routes-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe('routes over ADS', { skip: envoyPeer.skip }, () => {
  for (const kind of ['dubbo2', 'java'] as const) {
    const skip = kind === 'java' && (java.skip || dubboJava.skip)
    test(`DRDS re-routes the live connection of a Dubbo consumer (${kind}) and closes none`, { skip }, async (t) => {
      const setting = await setUp(t, await dubboProviders(t))
      const consumer = await startDubboConsumer(kind, { address: `127.0.0.1:${setting.port}` })
      t.after(() => consumer.stop())
      await followsEverything(t, setting, askDubbo(consumer))
    })
  }

  test('TRDS re-routes the live connection of a Thrift client and closes none', { skip: thrift.skip }, async (t) => {
    const { service, connect } = await thriftProviders(t)
    const setting = await setUp(t, service)
    const client = await connect(setting.port)
    await followsEverything(t, setting, askThrift(client))
    assert.equal(client.closed, false)
  })
})

describe('routes in files', { skip: envoyPeer.skip }, () => {
  test('DRDS from a file re-routes the live connection of a Dubbo consumer and closes none', async (t) => {
    const delivery: RouteDelivery = { kind: 'files', folder: temporaryFolder(t) }
    const setting = await setUp(t, { ...(await dubboProviders(t)), delivery })
    const consumer = await startDubboConsumer('dubbo2', { address: `127.0.0.1:${setting.port}` })
    t.after(() => consumer.stop())
    await followsEverything(t, setting, askDubbo(consumer))
  })

  test('TRDS from a file does so for a Thrift client', { skip: thrift.skip }, async (t) => {
    const { service, connect } = await thriftProviders(t)
    const setting = await setUp(t, { ...service, delivery: { kind: 'files', folder: temporaryFolder(t) } })
    const client = await connect(setting.port)
    await followsEverything(t, setting, askThrift(client))
    assert.equal(client.closed, false)
  })
})

describe('filters over ECDS', { skip: envoyPeer.skip || thrift.skip }, () => {
  test('new connections follow each change; a live one stays, with the rule that it began with', async (t) => {
    const { service, connect } = await thriftProviders(t)
    const setting = await setUp(t, { ...service, delivery: { kind: 'extension-config' } })
    const { mesh, envoy, host, port, listener, write } = setting
    const longLived = await connect(port)
    const ask = askThrift(longLived)
    assert.equal(await ask(), 'v1')
    const listenerUpdates = await updates(envoy)
    let others = 0
    await changeRules(host, write, async () => {
      assert.equal(await ask(), 'v1')
      const client = await connect(port)
      others++
      const version = await askThrift(client)()
      await client.stop()
      return version
    })
    assert.equal(longLived.closed, false)
    assert.equal(await ask(), 'v1')
    await until(async () => (await connections(envoy, listener)).ended === others, 'those that were closed by clients')
    assert.equal((await connections(envoy, listener)).accepted, others + 1)
    assert.deepEqual(await updates(envoy), listenerUpdates, 'the listener is left alone')
    assert.deepEqual(mesh.refusals(), [])
    t.diagnostic(`${changes} changes, ${others} new connections, the first one alive throughout`)
  })
})

describe('routes of the MetaProtocol Proxy', { skip: thrift.skip }, () => {
  test('it re-routes the live connection of a Thrift client and closes none', async (t) => {
    const { service, connect } = await thriftProviders(t)
    const mesh = await startEnvoyMesh()
    t.after(() => mesh.close())
    const host = 'demo.example'
    const port = await freePort()
    mesh.mesh.write('service.yaml', versionedService({ host, port, ...service }))
    mesh.mesh.write('rule.yaml', rule(host, 'v1'))
    const admin = await mesh.joinProxy(`127.0.0.1_${port}`)
    const client = await connect(port)
    const ask = askThrift(client)
    assert.equal(await ask(), 'v1')
    const pattern = 'downstream_cx_(total|destroy)$'
    const before = await admin.stats(pattern)
    assert.equal(Math.max(...before.values()), 1)
    const calls = await changeRules(host, (yaml) => mesh.mesh.write('rule.yaml', yaml), ask)
    assert.deepEqual(await admin.stats(pattern), before)
    assert.equal(client.closed, false)
    assert.deepEqual(mesh.refusals(), [])
    t.diagnostic(`${changes} changes, ${calls} calls; ${JSON.stringify([...before])}`)
  })
})

describe('routes in the listener, for comparison', { skip: envoyPeer.skip || thrift.skip }, () => {
  test('each change drains the connections, which are closed when their time is over', async (t) => {
    const { service, connect } = await thriftProviders(t)
    const setting = await setUp(t, { ...service, delivery: { kind: 'inline' }, drainSeconds: 1 })
    const { mesh, envoy, host, port, write } = setting
    const closed = { connections: 0 }
    let client = await connect(port)
    const listenerUpdates = await updates(envoy)
    await changeRules(host, write, async () => {
      if (client.closed) {
        closed.connections++
        client = await connect(port)
      }
      const fresh = await connect(port)
      const version = await askThrift(fresh)()
      await fresh.stop()
      return version
    })
    await until(() => client.closed, 'the end of a connection from before the last change')
    assert.notDeepEqual(await updates(envoy), listenerUpdates)
    assert.deepEqual(mesh.refusals(), [])
    t.diagnostic(`${changes} changes closed the long-lived connection ${closed.connections + 1} times (drain time 1 s)`)
  })
})
