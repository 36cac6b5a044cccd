import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createAdsServer, resource, StaticProvider, typeUrls } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { bootstrapFromFlags } from '../src/config/bootstrap.ts'
import { startProxy, type RunningProxy } from '../src/start.ts'
import { spawnControlPlane } from './support/control-plane-process.ts'
import { RecordingRuntime } from './support/recording-runtime.ts'
import { edsCluster, endpoints, listener, routes, staticCluster } from './support/xds.ts'

const of = {
  listener: (message: ReturnType<typeof listener>) =>
    resource(message.name, typeUrls.listener, ListenerSchema, message),
  cluster: (message: ReturnType<typeof edsCluster>) => resource(message.name, typeUrls.cluster, ClusterSchema, message),
  endpoints: (message: ReturnType<typeof endpoints>) =>
    resource(message.clusterName, typeUrls.endpoints, ClusterLoadAssignmentSchema, message),
  routes: (message: ReturnType<typeof routes>) =>
    resource(message.name, typeUrls.routes, RouteConfigurationSchema, message),
}

function start(
  target: string,
  variant: 'delta' | 'state-of-the-world',
): { proxy: Promise<RunningProxy>; runtime: RecordingRuntime } {
  const runtime = new RecordingRuntime()
  const bootstrap = bootstrapFromFlags({
    controlPlane: target,
    node: 'sidecar~127.0.0.1~web.test~test.svc.cluster.local',
    adminAddress: { host: '127.0.0.1', port: 0 },
    variant,
  })
  return { runtime, proxy: startProxy({ bootstrap, runtime }) }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`${what} never came`)
}

async function get(proxy: RunningProxy, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${proxy.adminAddress?.port}${path}`)
  return { status: response.status, text: await response.text() }
}

for (const variant of ['delta', 'state-of-the-world'] as const) {
  describe(`a proxy with ${variant} updates`, () => {
    test('becomes live with what the control plane has, follows changes, and says why it refuses', async () => {
      const provider = new StaticProvider()
      provider.set(
        of.listener(listener('l', { port: 1, rds: 'r' })),
        of.cluster(edsCluster('c')),
        of.endpoints(endpoints('c', '127.0.0.1:1')),
        of.routes(routes('r', 'c')),
        of.routes(routes('nobody asks for it', 'c')),
      )
      const server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: 0 } })
      const { runtime, proxy: starting } = start(`127.0.0.1:${server.address.port}`, variant)
      const proxy = await starting
      try {
        await proxy.live
        assert.equal(proxy.state, 'LIVE')
        assert.equal((await get(proxy, '/ready')).status, 200)
        assert.deepEqual([...runtime.calls].sort(), [
          'set cluster c',
          'set endpoints c',
          'set listener l',
          'set table r',
        ])
        runtime.take()

        // A rule to a new subset: the cluster, its endpoints and the route change at once.
        provider.set(
          of.cluster(edsCluster('v2')),
          of.endpoints(endpoints('v2', '127.0.0.1:2')),
          of.routes(routes('r', 'v2')),
        )
        await until(() => runtime.calls.includes('set table r'), 'the new table')
        const calls = runtime.take()
        assert.ok(calls.indexOf('set endpoints v2') < calls.indexOf('set table r'))

        // A bad listener: the old one stays, the control plane hears why.
        const { filterChains: _, ...bad } = listener('l', { port: 1, rds: 'r' })
        provider.set(of.listener({ ...bad, filterChains: [] }))
        await until(async () => (await get(proxy, '/config_dump')).text.includes('NACKED'), 'the refusal')
        assert.deepEqual(runtime.take(), [])
        await until(
          () => server.clients().some((client) => JSON.stringify(client).includes('filter_chains: is empty')),
          "the NACK's reason at the server",
        )

        provider.update(
          [of.listener(listener('m', { port: 2, cluster: 's' })), of.cluster(staticCluster('s', '127.0.0.1:3'))],
          [{ typeUrl: typeUrls.listener, name: 'l' }],
        )
        await until(() => runtime.listeners.has('m') && !runtime.listeners.has('l'), 'the other listener')
        await until(() => runtime.calls.includes('remove table r'), 'the end of the table')
      } finally {
        await proxy.close(0)
        await server.close()
      }
      assert.equal(runtime.closed, true)
      assert.equal(proxy.state, 'DRAINING')
    })

    test('keeps everything when the control plane is killed, and hears from its successor only what is new', async () => {
      const first = await spawnControlPlane(0, 1, '127.0.0.1:1', 'c')
      const { runtime, proxy: starting } = start(first.address, variant)
      const proxy = await starting
      try {
        await proxy.live
        runtime.take()
        await first.kill()
        await until(async () => (await get(proxy, '/server_info')).text.includes('"kind": "waiting"'), 'the loss')
        assert.equal((await get(proxy, '/ready')).status, 200)
        assert.equal(runtime.calls.length, 0)

        const second = await spawnControlPlane(Number(first.address.split(':')[1]), 1, '127.0.0.1:1', 'd')
        try {
          await until(() => runtime.calls.includes('remove cluster c'), 'the successor')
          assert.deepEqual([...runtime.calls].sort(), [
            'remove cluster c',
            'remove endpoints c',
            'set cluster d',
            'set endpoints d',
            'set table r',
          ])
          assert.ok(runtime.calls.indexOf('set endpoints d') < runtime.calls.indexOf('set table r'))
        } finally {
          await second.kill()
        }
      } finally {
        await proxy.close(0)
        first.child.kill('SIGKILL')
      }
    })
  })
}

test('a proxy whose control plane never answers becomes live with its static part after the fetch timeout', async () => {
  const runtime = new RecordingRuntime()
  const flags = bootstrapFromFlags({ controlPlane: '127.0.0.1:9', node: 'n' })
  assert.ok(flags.controlPlane !== undefined)
  const bootstrap = { ...flags, controlPlane: { ...flags.controlPlane, fetchTimeoutMs: 50 } }
  const proxy = await startProxy({ bootstrap, runtime })
  assert.equal(proxy.state, 'INITIALIZING')
  assert.equal(proxy.adminAddress, undefined)
  await proxy.live
  await proxy.close(0)
})
