/** Two hundred changes of a rule under a connection that stays: what each way of delivering routes to Envoy does to it. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import {
  type DubboConsumer,
  type Envoy,
  freePort,
  needPeer,
  startDubboConsumer,
  startDubboProvider,
} from '@aeraki/testing'
import { rule, startEnvoyMesh, until, versionedService } from './envoy-mesh.ts'

const changes = 200
const envoyPeer = needPeer('envoy')
const java = needPeer('java')
const dubboJava = needPeer('dubbo-java')

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

async function dubboMesh(t: TestContext, delivery?: Parameters<typeof startEnvoyMesh>[0]) {
  const mesh = await startEnvoyMesh(delivery)
  t.after(() => mesh.close())
  const providers = await Promise.all(
    ['v1', 'v2'].map(async (name) => await startDubboProvider('sofa', { port: await freePort(), name })),
  )
  t.after(() => Promise.all(providers.map((provider) => provider.stop())))
  const port = await freePort()
  const host = 'demo.dubbo.example'
  const annotations = 'interface: org.apache.dubbo.samples.basic.api.DemoService'
  const [v1 = 0, v2 = 0] = providers.map((provider) => provider.port)
  mesh.mesh.write(
    'service.yaml',
    versionedService({ host, port, portName: 'tcp-dubbo', providers: [v1, v2], annotations }),
  )
  mesh.mesh.write('rule.yaml', rule(host, 'v1'))
  const listener = `127.0.0.1_${port}`
  const envoy = await mesh.join(listener)
  return { mesh, host, port, listener, envoy, write: (yaml: string) => mesh.mesh.write('rule.yaml', yaml) }
}

describe('routes over ADS', { skip: envoyPeer.skip }, () => {
  for (const kind of ['dubbo2', 'java'] as const) {
    const skip = kind === 'java' && (java.skip || dubboJava.skip)
    test(`DRDS re-routes the live connection of a Dubbo consumer (${kind}) and closes none`, { skip }, async (t) => {
      const { mesh, host, port, listener, envoy, write } = await dubboMesh(t)
      const consumer = await startDubboConsumer(kind, { address: `127.0.0.1:${port}` })
      t.after(() => consumer.stop())
      const ask = askDubbo(consumer)
      assert.equal(await ask(), 'v1')
      const before = await connections(envoy, listener)
      assert.ok(before.accepted > 0)
      const calls = await changeRules(host, write, ask)
      assert.deepEqual(await connections(envoy, listener), before)
      assert.deepEqual(mesh.refusals(), [])
      t.diagnostic(`${changes} changes, ${calls} calls, connections ${JSON.stringify(before)}`)
    })
  }
})
