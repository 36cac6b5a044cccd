/**
 * The Redis example through a real istiod: it reads the EnvoyFilters that are generated, and what it then serves to a
 * sidecar is run by a real Envoy in front of real servers. Only what a machine without pods lacks is changed on the way:
 * listeners are bound, and the mesh's certificates left out.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import {
  type Istiod,
  needPeer,
  redisCli,
  type RedisServer,
  startIstiod,
  startRedisCluster,
  startRedisServer,
  startStaticEnvoy,
} from '@aeraki/testing'
import { createAdsClient, typeUrls } from '@aeraki/xds'
import { anyToJson } from '@aeraki/xds/registry'
import { NodeSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { generate } from '../../src/generate.ts'
import { printObjects } from '../../src/envoy-filter/print.ts'

const skip = needPeer('istio').skip || needPeer('envoy').skip || needPeer('redis').skip

const clustered = 'outbound|6379||redis-cluster.redis.svc.cluster.local'
const single = 'outbound|6379||redis-single.redis.svc.cluster.local'

interface ListenerJson {
  readonly name: string
  readonly filter_chains: readonly { readonly filters: readonly { name: string; typed_config: object }[] }[]
}

interface ClusterJson {
  readonly name: string
  readonly type?: string
  readonly lb_policy?: string
  readonly cluster_type?: { readonly name: string }
  readonly transport_socket_matches?: readonly { readonly name: string }[]
  readonly typed_extension_protocol_options?: object
}

/**
 * What istiod serves to a sidecar, by name, once it has the names that are asked for.
 *
 * On a busy machine istiod was seen to start with all ServiceEntries of its folder among its configuration, and only some
 * among its services, and to leave it at that: `nudge` changes them.
 */
async function served(
  istiod: Istiod,
  typeUrl: string,
  names: readonly string[],
  nudge: () => void,
): Promise<ReadonlyMap<string, object>> {
  const found = new Map<string, object>()
  const id = 'sidecar~10.9.9.9~client.default~default.svc.cluster.local'
  const client = createAdsClient({
    target: `127.0.0.1:${istiod.grpcPort}`,
    node: create(NodeSchema, { id, metadata: { NAMESPACE: 'default', ISTIO_VERSION: '1.29.0' } }),
    variant: 'state-of-the-world',
    handler: {
      onUpdate(_, { changed }) {
        for (const { name, any } of changed) {
          const { '@type': type, ...message } = anyToJson(any) as { '@type': string }
          assert.equal(type, typeUrl)
          found.set(name, message)
        }
        return Promise.resolve()
      },
      onState() {},
    },
  })
  try {
    client.subscribe(typeUrl, '*')
    const begun = performance.now()
    const deadline = begun + 30_000
    let nudged = false
    while (!names.every((name) => found.has(name))) {
      if (!nudged && performance.now() > begun + 5000) {
        nudge()
        nudged = true
      }
      if (performance.now() > deadline) throw new Error(`only ${[...found.keys()].join()}:\n${istiod.log.slice(-4000)}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return found
  } finally {
    await client.close()
  }
}

/** With one endpoint in the place of those that would come over EDS, and without certificates. */
function plain(fromIstiod: ClusterJson, server: RedisServer): object {
  const cluster = { ...fromIstiod, filters: [], transport_socket_matches: undefined }
  if (cluster.cluster_type !== undefined) return cluster
  const endpoint = { address: { socket_address: { address: server.host, port_value: server.port } } }
  const assignment = { cluster_name: cluster.name, endpoints: [{ lb_endpoints: [{ endpoint }] }] }
  return { ...cluster, type: 'STATIC', eds_cluster_config: undefined, load_assignment: assignment }
}

test('istiod takes the filters of the Redis example, and Envoy what comes of them', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-redis-istiod-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const nodes = await startRedisCluster({ masters: 3, replicasPerMaster: 0 })
  t.after(() => nodes.stop())
  const server = await startRedisServer({ password: 'testredis' })
  t.after(() => server.stop())

  cpSync(join(import.meta.dirname, '../../../../examples/redis'), folder, { recursive: true })
  const entries = join(folder, 'service-entry.yaml')
  const real = [server, ...nodes.nodes]
  const ports = (_: string, index: string): string => `tcp-redis: ${real[Number(index)]?.port}`
  writeFileSync(entries, readFileSync(entries, 'utf8').replaceAll(/tcp-redis: 700(\d)/g, ports))
  const { objects } = generate([folder])
  for (const file of ['redis-service.yaml', 'redis-destination.yaml']) rmSync(join(folder, file))
  const filters = objects.map(({ object }) => object)
  writeFileSync(join(folder, 'filters.yaml'), printObjects(filters, 'yaml'))
  const istiod = await startIstiod({ configSources: [`fs://${folder}`] })
  t.after(() => istiod.stop())
  const nudge = (): void => {
    const nudged = readFileSync(entries, 'utf8').replaceAll(
      /^metadata:\n(?! {2}labels)/gm,
      'metadata:\n  labels: {nudged: "true"}\n',
    )
    writeFileSync(entries, nudged)
  }

  const clusters = (await served(istiod, typeUrls.cluster, [clustered, single], nudge)) as ReadonlyMap<
    string,
    ClusterJson
  >
  const replaced = clusters.get(clustered)
  const merged = clusters.get(single)
  assert.ok(replaced !== undefined && merged !== undefined)
  assert.equal(replaced.cluster_type?.name, 'envoy.clusters.redis')
  assert.equal(merged.type, 'EDS')
  assert.equal(merged.lb_policy, 'MAGLEV')
  assert.match(JSON.stringify(merged.typed_extension_protocol_options), /testredis/)
  // The merge has left istiod's automatic mTLS where it was.
  assert.deepEqual(
    merged.transport_socket_matches?.map(({ name }) => name),
    ['tlsMode-istio', 'tlsMode-disabled'],
  )

  const names = ['127.77.1.10_6379', '127.77.1.20_6379']
  const listeners = (await served(istiod, typeUrls.listener, names, nudge)) as ReadonlyMap<string, ListenerJson>
  const envoy = await startStaticEnvoy({
    listeners: names.map((name) => ({ name, filters: listeners.get(name)?.filter_chains[0]?.filters ?? [] })),
    clusters: [plain(replaced, server), plain(merged, server)],
  })
  t.after(() => envoy.stop())
  const port = envoy.portOf(names[0] ?? '')
  const login = { password: 'testredis' }
  for (let tries = 0; (await answer(port, ['set', 'cluster:1', 'x'], login)) !== 'OK'; tries += 1) {
    assert.ok(tries < 100, 'Envoy does not find the cluster')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.match(await redisCli(port, ['get', 'cluster:1']), /NOAUTH/)
  assert.equal(await redisCli(port, ['set', 'other', 'y'], login), 'OK')
  assert.equal(await server.ask('get', 'other'), 'y')
  assert.equal(await redisCli(envoy.portOf(names[1] ?? ''), ['get', 'other']), 'y')
})

async function answer(port: number, command: readonly string[], login: { password: string }): Promise<string> {
  try {
    return await redisCli(port, command, login)
  } catch (error) {
    return String(error)
  }
}
