/** Third-party Dubbo consumers and providers with a proxy of two workers between them, while its rules change over xDS. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type DubboConsumer,
  type DubboProvider,
  freePort,
  needPeer,
  startDubboConsumer,
  startDubboProvider,
} from '@aeraki/testing'
import { createAdsServer, resource, StaticProvider, typeUrls, type AdsServer } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { listener, routes, staticCluster } from '../support/xds.ts'

const bun = needPeer('bun')
const runtimes = [
  { name: 'Node', path: process.execPath, skip: false as const },
  { name: 'Bun', path: bun.path, skip: bun.skip },
]

/** That one worker gets all of so many happens once in 2 to the power of 15. */
const mostConsumers = 16

for (const runtime of runtimes) {
  describe(`two workers on ${runtime.name}, between Dubbo's sofa-rpc-node and itself`, { skip: runtime.skip }, () => {
    const providers: DubboProvider[] = []
    const consumers: DubboConsumer[] = []
    const configuration = new StaticProvider()
    let server: AdsServer
    let proxy: ProxyProcess
    let admin = ''

    before(async () => {
      for (const name of ['v1', 'v2']) {
        const provider = await startDubboProvider('sofa', { port: await freePort(), name })
        providers.push(provider)
        const cluster = staticCluster(name, `127.0.0.1:${provider.port}`)
        configuration.set(resource(name, typeUrls.cluster, ClusterSchema, cluster))
      }
      const port = await freePort()
      configuration.set(resource('l', typeUrls.listener, ListenerSchema, listener('l', { port, rds: 'r' })))
      configuration.set(rule('v1'))
      server = await createAdsServer({ provider: configuration, listen: { host: '127.0.0.1', port: 0 } })
      const flags = {
        'control-plane': `127.0.0.1:${server.address.port}`,
        node: 'sidecar~127.0.0.1~web.test~test.svc.cluster.local',
        'admin-address': '127.0.0.1:0',
        concurrency: '2',
      }
      proxy = new ProxyProcess(
        runtime.path,
        Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]),
      )
      admin = (await proxy.says(/admin pages on (http:\/\/[^/]+)/))[1] ?? ''
      await proxy.says(/: live/)
      // Until each worker has a connection to the provider, which it makes with its first call.
      while ((await stat('cluster.v1.upstream_cx_total')) < 2) {
        assert.ok(consumers.length < mostConsumers, 'one worker gets all connections')
        const consumer = await startDubboConsumer('sofa', { address: `127.0.0.1:${port}`, group: '' })
        consumers.push(consumer)
        assert.deepEqual(await providersOf(consumer, 5), ['v1'])
      }
    })
    after(async () => {
      for (const consumer of consumers) await consumer.stop()
      proxy.kill('SIGKILL')
      await proxy.exit
      await server.close()
      for (const provider of providers) await provider.stop()
    })

    async function stat(name: string): Promise<number> {
      const { stats } = (await (await fetch(`${admin}/stats?format=json`)).json()) as {
        stats: readonly { name: string; value: number }[]
      }
      return stats.find((each) => each.name === name)?.value ?? 0
    }

    /** Resolves when the proxy has acknowledged it. */
    async function setRule(to: string): Promise<void> {
      const earlier = acksOf(server)
      configuration.set(rule(to))
      while (acksOf(server) === earlier) await new Promise((resolve) => setImmediate(resolve))
    }

    test('add up to the calls that were made', async () => {
      const earlier = await stat('meta_protocol.dubbo.l.request')
      await Promise.all(consumers.map((consumer) => providersOf(consumer, 50)))
      assert.equal(await stat('meta_protocol.dubbo.l.request'), earlier + 50 * consumers.length)
      assert.equal(await stat('meta_protocol.dubbo.l.downstream_cx_active'), consumers.length)
    })

    test('have a rule in force for every consumer once they have acknowledged it', async () => {
      for (const to of ['v2', 'v1', 'v2', 'v1']) {
        await setRule(to)
        for (const answered of await Promise.all(consumers.map((consumer) => providersOf(consumer, 4)))) {
          assert.deepEqual(answered, [to])
        }
      }
    })

    test('lose no call while rules change under load', async () => {
      const load = { running: true }
      const calling = consumers.map(async (consumer) => {
        while (load.running) await providersOf(consumer, 200)
      })
      for (let change = 0; change < 100; change += 1) await setRule(change % 2 === 0 ? 'v2' : 'v1')
      load.running = false
      await Promise.all(calling)
      assert.equal(await stat('meta_protocol.dubbo.l.downstream_cx_destroy'), 0)
      assert.equal(await stat('meta_protocol.dubbo.l.outcome.local_reply'), 0)
    })
  })
}

function rule(to: string) {
  return resource('r', typeUrls.routes, RouteConfigurationSchema, routes('r', to))
}

function acksOf(server: AdsServer): number {
  return server.clients()[0]?.types.find(({ typeUrl }) => typeUrl === typeUrls.routes)?.acks ?? 0
}

/** Which providers answered, sorted; fails when one call has no answer. */
async function providersOf(consumer: DubboConsumer, count: number): Promise<readonly string[]> {
  const calls = await consumer.call('sayHello', { count, threads: 8 })
  const names = calls.map((call) => {
    const [, provider] = /^Hello world, response from (\w+)$/.exec(String(call.value)) ?? []
    assert.ok(provider !== undefined, JSON.stringify(call))
    return provider
  })
  assert.equal(names.length, count)
  return [...new Set(names)].sort()
}
