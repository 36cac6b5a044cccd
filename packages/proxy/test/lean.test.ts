/** What a proxy loads of xDS: the lean messages, and the full ones only when it is asked something that takes them. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fullRegistry } from '../src/config/full-registry.ts'
import { foreignTypes } from '../src/config/registry.ts'

const script = fileURLToPath(new URL('support/loaded-modules.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'aeraki-lean-'))
after(() => rmSync(folder, { recursive: true }))

/** Generated modules, `gen-lean/aeraki/router_pb.ts` say. */
async function generatedModules(bootstrap: string, ...page: readonly string[]): Promise<readonly string[]> {
  const file = join(folder, 'bootstrap')
  writeFileSync(file, bootstrap)
  const { stdout } = await promisify(execFile)(process.execPath, [script, file, ...page], { timeout: 30_000 })
  const urls = JSON.parse(stdout) as readonly string[]
  return urls.flatMap((url) => /\/xds\/src\/(gen(?:-lean)?\/.*)$/.exec(url)?.[1] ?? [])
}

const address = { socket_address: { address: '127.0.0.1', port_value: 0 } }
const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: 1 } } }
const cluster = {
  name: 'a',
  type: 'STATIC',
  connect_timeout: '5s',
  circuit_breakers: { thresholds: [{ max_connections: 1, max_requests: 2 }] },
  load_assignment: { cluster_name: 'a', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
}
const xdsCluster = {
  ...cluster,
  name: 'xds',
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
}
const filter = {
  '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
  stat_prefix: 'l',
  protocol: { name: 'dubbo', codec: { name: 'aeraki.meta_protocol.codec.dubbo' } },
  route_config: { name: 'r', routes: [{ route: { cluster: 'a' } }] },
}
const bootstrap = {
  node: { id: 'n', cluster: 'c', locality: { region: 'r' }, metadata: { NAMESPACE: 'x' } },
  admin: { address },
  static_resources: {
    listeners: [{ name: 'l', address, filter_chains: [{ filters: [{ name: 'f', typed_config: filter }] }] }],
    clusters: [cluster, xdsCluster],
  },
  dynamic_resources: {
    ads_config: {
      api_type: 'DELTA_GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
    },
    lds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0.1s' },
    cds_config: { ads: {}, resource_api_version: 'V3' },
  },
}

describe('a proxy', () => {
  test('starts with a few messages, with a control plane, too, from JSON and from YAML', async () => {
    for (const text of [JSON.stringify(bootstrap), `# YAML\n${JSON.stringify(bootstrap)}`]) {
      const modules = await generatedModules(text, '/server_info')
      assert.ok(modules.some((path) => /^gen-lean\/.*\/discovery_pb\.ts$/.test(path)))
      assert.deepEqual(
        modules.filter((path) => path.startsWith('gen/')),
        [],
      )
    }
  })

  test('loads all messages for a config dump, and for a bootstrap with fields that it does not read', async () => {
    const all = /^gen\/.*\/overload_pb\.ts$/
    assert.ok((await generatedModules(JSON.stringify(bootstrap), '/config_dump')).some((path) => all.test(path)))
    const more = { ...bootstrap, layered_runtime: { layers: [{ name: 'admin', admin_layer: {} }] } }
    assert.ok((await generatedModules(JSON.stringify(more))).some((path) => all.test(path)))
  })

  test('takes for foreign only what the full messages lack, too', () => {
    assert.ok(foreignTypes.size > 0)
    for (const name of foreignTypes) assert.equal(fullRegistry.getMessage(name), undefined, name)
  })
})
