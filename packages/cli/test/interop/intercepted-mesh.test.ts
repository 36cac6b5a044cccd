/**
 * A mesh as pods have it: a network namespace for each workload, and iptables that send its connections to the proxy beside it,
 * as Istio's init container sets them up. Apache Dubbo's consumer dials the VIP of the talk, which no interface has, and its
 * providers listen on loopback alone: not a byte passes that a proxy did not bring. The consumer's proxy is a stock Envoy, then
 * our own with `--intercept`; those of the providers are stock Envoys.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createNetworkNamespace,
  type DubboConsumer,
  type DubboProvider,
  type Envoy,
  link,
  needPeer,
  type NetworkNamespace,
  says,
  startDubboConsumer,
  startDubboProvider,
  startEnvoy,
} from '@aeraki/testing'
import { aeraki, COMMAND } from '../run-command.ts'

const peers = ['envoy', 'java', 'dubbo-java', 'iproute2', 'iptables', 'redis'] as const
const missing = peers.map((name) => needPeer(name).skip).find((skip) => skip !== false)
const skip = missing ?? (process.getuid?.() === 0 ? false : 'network namespaces need root: run the tests as root')

const example = join(import.meta.dirname, '../../../../examples/traffic-split')
const vip = '193.193.192.192'
const inbound = 'dubbo.inbound|20880||'
const outbound = 'dubbo.outbound|20880||org.apache.dubbo.samples.basic.api.demoservice'
/** The group of Istio's proxies, whose own connections nobody redirects. */
const proxyGroup = '1337'
const xdsPort = 15_010

const versions = ['v1', 'v2'] as const
type Version = (typeof versions)[number]
/** At either end of the cables from the consumer to the providers. */
const cables = {
  v1: { consumer: '10.98.1.1', provider: '10.98.1.2' },
  v2: { consumer: '10.98.2.1', provider: '10.98.2.2' },
}

/** What istio-iptables makes for a proxy with this group, in its order. */
function redirect(namespace: NetworkNamespace): void {
  const rules = `*nat
:ISTIO_INBOUND - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_REDIRECT - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp --dport ${xdsPort} -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --gid-owner ${proxyGroup} -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner ${proxyGroup} -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner ${proxyGroup} -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
`
  const [command, ...args] = [...namespace.prefix, '/usr/sbin/iptables-restore', '--noflush']
  execFileSync(command, args, { input: rules })
}

describe('a mesh of redirected connections', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-intercepted-'))
  const namespaces: NetworkNamespace[] = []
  const providers: DubboProvider[] = []
  const envoys = new Map<Version, Envoy>()
  let consumerSide: NetworkNamespace
  let providerSides: Record<Version, NetworkNamespace>

  async function bootstrap(name: string, address: string, more: readonly string[]): Promise<string> {
    const node = `sidecar~${address}~${name}.default~default.svc.cluster.local`
    const flags = ['--node', node, '--admin', '127.0.0.1:0', '--intercept', ...more]
    const { code, stdout, stderr } = await aeraki(['bootstrap', '--for', 'envoy', ...flags])
    assert.equal(code, 0, stderr)
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, stdout)
    return file
  }

  before(async () => {
    consumerSide = createNetworkNamespace()
    providerSides = { v1: createNetworkNamespace(), v2: createNetworkNamespace() }
    namespaces.push(consumerSide, ...Object.values(providerSides))
    for (const version of versions) {
      link(consumerSide, cables[version].consumer, providerSides[version], cables[version].provider)
    }

    const config = join(folder, 'config')
    cpSync(example, config, { recursive: true })
    for (const [i, version] of versions.entries()) {
      const file = join(config, `workload-${version}.yaml`)
      writeFileSync(file, readFileSync(file, 'utf8').replace(`127.77.0.1${i + 1}`, cables[version].provider))
    }
    const flags = ['--config', config, '--xds', `0.0.0.0:${xdsPort}`, '--admin', '127.0.0.1:0', '--log-level', 'error']
    const controlPlane = consumerSide.spawn(process.execPath, [COMMAND, 'control-plane', ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await says(controlPlane, 'stdout', /15010/)

    await Promise.all(
      versions.map(async (version) => {
        const namespace = providerSides[version]
        providers.push(await startDubboProvider('java', { port: 20_880, name: version, prefix: namespace.prefix }))
        const labels = `app=dubbo-sample-provider,version=${version}`
        const { consumer, provider } = cables[version]
        const more = ['--labels', labels, '--control-plane', `${consumer}:${xdsPort}`]
        envoys.set(version, await sidecar(namespace, await bootstrap(version, provider, more)))
        redirect(namespace)
      }),
    )
  })

  after(async () => {
    for (const provider of providers) await provider.stop()
    for (const envoy of envoys.values()) await envoy.stop()
    for (const namespace of namespaces) namespace.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  async function answers(): Promise<ReadonlyMap<string, number>> {
    let consumer: DubboConsumer | undefined
    try {
      consumer = await startDubboConsumer('java', { address: `${vip}:20880`, prefix: consumerSide.prefix })
      const counts = new Map<string, number>()
      for (const call of await consumer.call('sayHello', { count: 200, threads: 4 })) {
        const version = /response from (v\d)$/.exec(String(call.value))?.[1] ?? JSON.stringify(call)
        counts.set(version, (counts.get(version) ?? 0) + 1)
      }
      return counts
    } finally {
      await consumer?.stop()
    }
  }

  /** Calls that the providers' proxies saw. */
  async function seen(): Promise<number> {
    const each = await Promise.all(
      [...envoys.values()].map(async (envoy) =>
        (await envoy.stats('^dubbo.inbound')).get(`${inbound}.response_success`),
      ),
    )
    return each.reduce<number>((sum, count = 0) => sum + count, 0)
  }

  test('is served by a stock Envoy on both sides, and what is none of the mesh passes', async (t) => {
    const flags = ['--control-plane', `127.0.0.1:${xdsPort}`]
    const envoy = await sidecar(consumerSide, await bootstrap('consumer', cables.v1.consumer, flags))
    t.after(() => envoy.stop())
    await until('the VIP', async () => (await envoy.listeners()).has(`${vip}_20880`))
    redirect(consumerSide)
    t.after(() => consumerSide.run('/usr/sbin/iptables', ['-t', 'nat', '-F']))

    assertSplit(await answers())
    assert.equal(await seen(), 200)
    assert.equal((await envoy.stats('^dubbo.outbound')).get(`${outbound}.response_success`), 200)

    const { v1 } = providerSides
    const server = v1.spawn('redis-server', ['--port', '6379', '--save', '', '--protected-mode', 'no'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await says(server, 'stdout', /Ready to accept/)
    assert.equal(consumerSide.run('redis-cli', ['-h', cables.v1.provider, 'set', 'a', 'passed']).trim(), 'OK')
    const passed = await envoys.get('v1')?.stats('^cluster.InboundPassthroughCluster.upstream_cx_total')
    assert.equal([...(passed?.values() ?? [])][0], 1)
    assert.equal([...(await envoy.stats('^cluster.PassthroughCluster.upstream_cx_total')).values()][0], 1)
  })

  test('is served by our own proxy with --intercept on the consumer side', async () => {
    const earlier = await seen()
    const node = `sidecar~${cables.v1.consumer}~consumer.default~default.svc.cluster.local`
    const flags = ['--control-plane', `127.0.0.1:${xdsPort}`, '--node', node, '--intercept', '15001']
    const proxy = consumerSide.spawn(process.execPath, [COMMAND, 'proxy', ...flags, '--admin-address', 'off'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await says(proxy, 'stderr', /intercepting 1 addresses/)
    assertSplit(await answers())
    assert.equal((await seen()) - earlier, 200)
    const ended = new Promise((resolve) => proxy.once('exit', resolve))
    proxy.kill('SIGTERM')
    await ended
    assert.doesNotMatch(consumerSide.run('/usr/sbin/iptables-save', ['-t', 'nat']), /AERAKI/)
  })
})

function assertSplit(counts: ReadonlyMap<string, number>): void {
  const [v1 = 0, v2 = 0] = [counts.get('v1'), counts.get('v2')]
  assert.equal(v1 + v2, 200, JSON.stringify([...counts]))
  assert.ok(v1 > 30 && v1 < 90, `${v1} of 200 to v1, which the rule gives 30%`)
}

async function sidecar(namespace: NetworkNamespace, file: string): Promise<Envoy> {
  const asProxy = ['/usr/bin/setpriv', `--regid=${proxyGroup}`, '--clear-groups']
  const prefix = [...namespace.prefix, ...asProxy]
  const envoy = await startEnvoy({ bootstrap: file, prefix, adminPrefix: namespace.prefix })
  await until('its listeners', async () => (await envoy.listeners()).has('virtualInbound'))
  return envoy
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(50)) if (await condition()) return
  throw new Error(`in vain: ${what}`)
}
