/** Real ZooKeeper -> registries of the control plane -> MCP -> a real istiod, which is asked as its sidecars ask it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { create, fromBinary } from '@bufbuild/protobuf'
import { parseBridgeConfig } from '@aeraki/registries'
import { needPeer, startIstiod, zookeeperCli, zookeeperServer } from '@aeraki/testing'
import { createAdsClient, typeUrls } from '@aeraki/xds'
import { NodeSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { startControlPlane } from '../../src/control-plane.ts'
import { podNode } from '../../src/sources/mcp.ts'
import { until } from '../interop/envoy-mesh.ts'

const skip = ['istio', 'zookeeper', 'java'].map((name) => needPeer(name as 'istio')).find((peer) => peer.skip !== false)

const host = 'org.demo.api'
const cluster = `outbound|20880||${host}`

/** As Dubbo writes a provider. */
function provider(ip: string): string {
  const url = `dubbo://${ip}:20880/org.demo.Api?interface=org.demo.Api&side=provider`
  return `/dubbo/org.demo.Api/providers/${encodeURIComponent(url)}`
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-istiod-registries-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What a client of configuration is told: each object's bytes, now, and how many objects it was told in all. */
function followMcp(t: TestContext, target: string) {
  const objects = new Map<string, string>()
  let told = 0
  const client = createAdsClient({
    target,
    node: podNode({}),
    variant: 'state-of-the-world',
    handler: {
      onState() {},
      async onUpdate(typeUrl, { changed, removed }) {
        told += changed.length + removed.length
        for (const name of removed) objects.delete(`${typeUrl} ${name}`)
        for (const { name, any } of changed)
          objects.set(`${typeUrl} ${name}`, Buffer.from(any.value).toString('base64'))
      },
    },
  })
  for (const kind of ['v1/ServiceEntry', 'v1alpha3/EnvoyFilter']) client.subscribe(`networking.istio.io/${kind}`, '*')
  const close = (): Promise<void> => client.close()
  t.after(close)
  return { objects, told: () => told, close }
}

/** The addresses of the host's endpoints, as istiod gives them to a sidecar. */
function followEndpoints(t: TestContext, port: number): () => string {
  let addresses = ''
  const id = 'sidecar~127.0.0.9~client.default~default.svc.cluster.local'
  const client = createAdsClient({
    target: `127.0.0.1:${port}`,
    node: create(NodeSchema, { id, metadata: { NAMESPACE: 'default', ISTIO_VERSION: '1.29.7' } }),
    variant: 'state-of-the-world',
    handler: {
      onState() {},
      async onUpdate(_typeUrl, { changed }) {
        for (const { name, any } of changed) {
          if (name !== cluster) continue
          const endpoints = fromBinary(ClusterLoadAssignmentSchema, any.value).endpoints.flatMap(
            ({ lbEndpoints }) => lbEndpoints,
          )
          addresses = endpoints
            .map(({ hostIdentifier: { value } }) =>
              typeof value === 'object' && value.address?.address.case === 'socketAddress'
                ? value.address.address.value.address
                : '?',
            )
            .toSorted()
            .join()
        }
      },
    },
  })
  client.subscribe(typeUrls.endpoints, [cluster])
  t.after(() => client.close())
  return () => addresses
}

describe(
  'an istiod that takes its configuration from a control plane with registries',
  { skip: skip?.skip ?? false },
  () => {
    test(
      'has a host of ZooKeeper, with its changes, until its grace is over; what is unchanged is not told again, and the same bytes after a restart',
      { timeout: 120_000 },
      async (t) => {
        const registry = await zookeeperServer()
        t.after(() => registry.close())
        await registry.start()
        const paths = ['/dubbo', '/dubbo/org.demo.Api', '/dubbo/org.demo.Api/providers', provider('10.1.0.1')]
        await zookeeperCli(registry.port, [...paths.map((path) => `create ${path}`), 'create /dubbo/org.demo.Other'])
        const config = {
          namespace: 'shop',
          grace: '5s',
          massGrace: '5s',
          registries: [{ type: 'zookeeper', servers: [`127.0.0.1:${registry.port}`], sessionTimeout: '3s' }],
        }
        const [configDir, stateFile] = [folderOf(t), join(folderOf(t), 'state.json')]
        const start = async () => {
          const registries = parseBridgeConfig(JSON.stringify(config), 'registries.yaml')
          const started = await startControlPlane({
            configDir,
            stateFile,
            registries,
            xds: { host: '127.0.0.1', port: 0 },
          })
          t.after(() => started.close())
          return started
        }
        const controlPlane = await start()
        const istiod = await startIstiod({ configSources: [`fs://${folderOf(t)}`, `xds://${controlPlane.xdsAddress}`] })
        t.after(() => istiod.stop())
        const known = async (): Promise<string> => await istiod.debug('/debug/configz')
        const endpoints = followEndpoints(t, istiod.grpcPort)
        await until(() => endpoints() === '10.1.0.1', 'the endpoint at a sidecar')
        assert.match(await known(), new RegExp(`aeraki-outbound-${host}-127\\.240\\.`), 'with its EnvoyFilter')

        const before = followMcp(t, controlPlane.xdsAddress)
        await until(() => before.objects.size >= 2, 'objects')
        const [objects, told] = [new Map(before.objects), before.told()]
        // It goes, and comes back with what it had.
        await registry.stop()
        await registry.start()
        await zookeeperCli(registry.port, ['create /dubbo/org.demo.Other/providers'])
        await new Promise((resolve) => setTimeout(resolve, 3000))
        assert.equal(before.told(), told)
        await before.close()
        const other = await start()
        const after = followMcp(t, other.xdsAddress)
        await until(() => after.objects.size >= objects.size, 'objects')
        assert.deepEqual(after.objects, objects)

        await zookeeperCli(registry.port, [`create ${provider('10.1.0.2')}`])
        await until(() => endpoints() === '10.1.0.1,10.1.0.2', 'the second endpoint')
        await zookeeperCli(registry.port, [`delete ${provider('10.1.0.1')}`, `delete ${provider('10.1.0.2')}`])
        // Within its grace it is there as it was.
        assert.ok((await known()).includes(host))
        await until(async () => !(await known()).includes(host), 'its end')
      },
    )
  },
)
