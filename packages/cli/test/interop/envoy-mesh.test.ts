/**
 * The command alone makes a mesh of stock Envoys: a control plane on the traffic-split example, Envoys that join with the
 * bootstraps it prints, beside a consumer and beside providers on Apache Dubbo.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DubboConsumer,
  type Envoy,
  freePorts,
  needPeer,
  startDubboConsumer,
  startDubboProvider,
  startEnvoy,
} from '@aeraki/testing'
import { aeraki, COMMAND } from '../run-command.ts'

const skip = needPeer('envoy').skip || needPeer('java').skip || needPeer('dubbo-java').skip
const example = join(import.meta.dirname, '../../../../examples/traffic-split')
const host = 'org.apache.dubbo.samples.basic.api.demoservice'
const versions = ['v1', 'v2'] as const
/** Addresses of the workloads; those of the example may be the demo's just now. */
const workloads = { v1: '127.78.40.11', v2: '127.78.40.12' }
const calls = 500

describe('a mesh of stock Envoys', { skip }, () => {
  test('splits calls as the example says, and follows a new rule at once on live connections', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'aeraki-envoy-mesh-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const [port = 0, ...appPorts] = await freePorts(3)
    const config = copyExample(folder, port)
    const controlPlane = await startControlPlane(t, config)
    const joinMesh = async (name: string, address: string, more: readonly string[]): Promise<Envoy> => {
      const node = `sidecar~${address}~${name}.default~default.svc.cluster.local`
      const flags = ['--control-plane', controlPlane.xds, '--node', node, '--admin', '127.0.0.1:0', ...more]
      const { code, stdout } = await aeraki(['bootstrap', '--for', 'envoy', ...flags])
      assert.equal(code, 0)
      const file = join(folder, `${name}.yaml`)
      writeFileSync(file, stdout)
      const envoy = await startEnvoy({ bootstrap: file })
      t.after(() => envoy.stop())
      return envoy
    }

    // Before the others: on one machine one of them would have the service's address.
    const consumerEnvoy = await joinMesh('consumer', '127.78.40.1', [])
    const [listener, vip] = await outboundListener(consumerEnvoy, port)
    for (const [i, version] of versions.entries()) {
      const appPort = appPorts[i] ?? 0
      const provider = await startDubboProvider('java', { port: appPort, name: version })
      t.after(() => provider.stop())
    }
    const sidecars = await Promise.all(
      versions.map((version, i) => {
        const labels = `app=dubbo-sample-provider,version=${version}`
        return joinMesh(version, workloads[version], ['--labels', labels, '--app', `127.0.0.1:${appPorts[i]}`])
      }),
    )
    await until('inbound listeners', async () => {
      const listeners = await Promise.all(sidecars.map((sidecar) => sidecar.listeners()))
      return listeners.every((each) => [...each.keys()].some((name) => name.startsWith('inbound_')))
    })

    const consumer = await startDubboConsumer('java', {
      address: `demo.mesh.test:${port}`,
      hosts: { 'demo.mesh.test': vip },
    })
    t.after(() => consumer.stop())
    const split = await answers(consumer, calls)
    assert.ok((split.get('v1') ?? 0) > calls * 0.2 && (split.get('v1') ?? 0) < calls * 0.4, JSON.stringify([...split]))
    assert.equal((split.get('v1') ?? 0) + (split.get('v2') ?? 0), calls)

    const connections = await consumerEnvoy.stats(`${listener}.downstream_cx_(total|destroy)$`)
    rewrite(join(config, 'virtual-service.yaml'), (text) =>
      text.replace('weight: 30', 'weight: 100').replace('weight: 70', 'weight: 0'),
    )
    await until('the new rule', async () => (await answers(consumer, 20)).get('v1') === 20)
    assert.deepEqual([...(await answers(consumer, 100))], [['v1', 100]])
    assert.deepEqual(await consumerEnvoy.stats(`${listener}.downstream_cx_(total|destroy)$`), connections)

    // The calls were Dubbo to both Envoys, not mere bytes.
    const outbound = await consumerEnvoy.stats(`^dubbo[.]outbound.*[.](request|response_success)$`)
    assert.equal(
      outbound.get(`dubbo.outbound|${port}||${host}.request`),
      outbound.get(`dubbo.outbound|${port}||${host}.response_success`),
    )
    for (const sidecar of sidecars) {
      const inbound = await sidecar.stats('^dubbo[.]inbound.*[.]response_success$')
      assert.ok((inbound.get(`dubbo.inbound|${port}||.response_success`) ?? 0) > 0, sidecar.log)
    }
    assert.deepEqual(await refusals(controlPlane.admin, 'consumer'), [])
    t.diagnostic(`${calls} calls: ${JSON.stringify(Object.fromEntries(split))}; then all to v1 on the same connections`)
  })
})

function copyExample(folder: string, port: number): string {
  const config = join(folder, 'config')
  cpSync(example, config, { recursive: true })
  for (const file of readdirSync(config)) {
    rewrite(join(config, file), (text) =>
      text
        .replaceAll('20880', String(port))
        .replaceAll('127.77.0.11', workloads.v1)
        .replaceAll('127.77.0.12', workloads.v2),
    )
  }
  return config
}

function rewrite(file: string, change: (text: string) => string): void {
  const text = readFileSync(file, 'utf8')
  writeFileSync(`${file}.new`, change(text))
  renameSync(`${file}.new`, file)
}

async function startControlPlane(t: TestContext, config: string): Promise<{ xds: string; admin: string }> {
  const flags = ['--config', config, '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--log-level', 'error']
  const child = spawn(process.execPath, [COMMAND, 'control-plane', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => ended(child))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const word = async (): Promise<string> => String((await lines.next()).value).split(' ')[1] ?? ''
  return { xds: await word(), admin: await word() }
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise((resolve) => child.once('exit', resolve))
  if (child.exitCode === null && child.kill('SIGTERM')) await exit
}

/** Its name, and the address that clients call. */
async function outboundListener(envoy: Envoy, port: number): Promise<[name: string, address: string]> {
  for (;;) {
    for (const [name, at] of await envoy.listeners()) if (at.port === port) return [name, at.address]
    await sleep(20)
  }
}

/** How many calls each version answered; fails when one was not answered. */
async function answers(consumer: DubboConsumer, count: number): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const call of await consumer.call('sayHello', { count, threads: 4 })) {
    const version = /response from (v\d)$/.exec(String(call.value))?.[1]
    assert.ok(version !== undefined, JSON.stringify(call))
    counts.set(version, (counts.get(version) ?? 0) + 1)
  }
  return counts
}

/** What an Envoy refused, with its reasons. */
async function refusals(admin: string, workload: string): Promise<string[]> {
  const clients = (await (await fetch(`http://${admin}/clients`)).json()) as {
    nodeId: string
    types: { lastNack?: { reason: string } }[]
  }[]
  return clients
    .filter(({ nodeId }) => nodeId.includes(`~${workload}.`))
    .flatMap(({ types }) => types.flatMap(({ lastNack }) => lastNack?.reason ?? []))
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(50)) if (await condition()) return
  throw new Error(`in vain: ${what}`)
}
