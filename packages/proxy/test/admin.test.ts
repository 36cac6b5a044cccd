import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, describe, test } from 'node:test'
import { startAdmin, startStatus, type Admin } from '../src/admin/server.ts'
import type { AdminContext } from '../src/admin/context.ts'
import { parseBootstrap } from '../src/config/bootstrap-file.ts'
import { clusterFromXds } from '../src/config/from-cluster.ts'
import { listenerFromXds } from '../src/config/from-listener.ts'
import { Place } from '../src/config/refusal.ts'
import { ResourceLog } from '../src/config/resource-log.ts'
import type { RuntimeSnapshot, StatsSource } from '../src/runtime.ts'
import type { ProxyState } from '../src/start.ts'
import { StatsRegistry } from '../src/stats/registry.ts'
import { RecordingRuntime } from './support/recording-runtime.ts'
import { edsCluster, listener, pack, routes, staticCluster } from './support/xds.ts'

const here = new Place('test')

class SnapshotRuntime extends RecordingRuntime {
  readonly stats: StatsSource = new StatsRegistry()

  constructor() {
    super()
    const scope = (this.stats as StatsRegistry).scope('orders.', 'orders_', {})
    scope.counter('request').value = 3
    scope.counter('failed')
  }

  override snapshot(): RuntimeSnapshot {
    return {
      ...super.snapshot(),
      clusters: [...this.clusters.values()].map((config) => ({
        config,
        endpoints: [
          {
            address: '127.0.0.1:1',
            priority: 1,
            region: 'r',
            zone: 'z',
            subZone: '',
            weight: 2,
            health: 'ejected',
            connections: 1,
            activeRequests: 1,
            totalRequests: 10,
            failedRequests: 4,
          },
        ],
      })),
    }
  }
}

const bootstrap = parseBootstrap(
  `node: {id: n, metadata: {NAMESPACE: x}}
static_resources: {clusters: [{name: fixed, load_assignment: {cluster_name: fixed}}]}`,
  'b.yaml',
)

const admins: Admin[] = []
after(() => Promise.all(admins.map((admin) => admin.close())))

async function start(overrides: Partial<AdminContext> = {}, host = '127.0.0.1', open = startAdmin) {
  const runtime = new SnapshotRuntime()
  const resources = new ResourceLog()
  const state: { now: ProxyState } = { now: 'LIVE' }
  runtime.setCluster(clusterFromXds(staticCluster('fixed', '127.0.0.1:1'), here).config)
  runtime.setCluster(clusterFromXds(edsCluster('c'), here).config)
  await runtime.setListener(
    listenerFromXds(listener('l', { host: '10.9.9.9', port: 20_880, rds: 'r', substitute: '127.240.0.1' }), here),
  )
  resources.accept('cluster', 'fixed', { source: 'static', version: '', any: pack(staticCluster('fixed')) })
  resources.accept('cluster', 'c', { source: 'dynamic', version: 'v7', any: pack(edsCluster('c')) })
  resources.accept('listener', 'l', {
    source: 'dynamic',
    version: 'v8',
    any: pack(listener('l', { port: 20_880, rds: 'r' })),
  })
  resources.accept('routes', 'r', { source: 'dynamic', version: 'v9', any: pack(routes('r', 'c')) })
  resources.refuse('routes', 'r', { version: 'v10', any: pack(routes('r', 'bad')), details: 'routes "r": no' })
  const admin = await open(
    { host, port: 0 },
    {
      bootstrap,
      runtime,
      resources,
      concurrency: 1,
      logLevels: undefined,
      startedAt: new Date(),
      state: () => state.now,
      controlPlane: () => ({ kind: 'connected' }),
      warming: () => new Map([['w', 'route table "x"']]),
      intercepted: () => undefined,
      ...overrides,
    },
  )
  admins.push(admin)
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${admin.address.port}${path}`, { method })
    return { status: response.status, type: response.headers.get('content-type') ?? '', text: await response.text() }
  }
  return { get, state, admin }
}

describe('admin pages', () => {
  test('/ready says the state, and 200 only when live', async () => {
    const { get, state } = await start()
    const states: readonly ProxyState[] = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING']
    for (const each of states) {
      state.now = each
      const { status, text } = await get('/ready')
      assert.deepEqual([status, text], [each === 'LIVE' ? 200 : 503, `${each}\n`])
    }
  })

  test('/clusters has the lines of Envoy, and its JSON', async () => {
    const { get } = await start()
    const lines = (await get('/clusters')).text.split('\n')
    for (const line of [
      'c::default_priority::max_requests::1024',
      'c::added_via_api::true',
      'fixed::added_via_api::false',
      'c::127.0.0.1:1::rq_total::10',
      'c::127.0.0.1:1::rq_error::4',
      'c::127.0.0.1:1::rq_success::5',
      'c::127.0.0.1:1::health_flags::/failed_outlier_check',
      'c::127.0.0.1:1::priority::1',
    ]) {
      assert.ok(lines.includes(line), line)
    }
    const { cluster_statuses } = JSON.parse((await get('/clusters?format=json')).text)
    assert.equal(cluster_statuses[1].name, 'c')
    assert.deepEqual(cluster_statuses[1].host_statuses[0].health_status, {
      eds_health_status: 'HEALTHY',
      failed_outlier_check: true,
    })
  })

  test('/listeners says where a listener is bound instead of its VIP, and what waits', async () => {
    const { get } = await start()
    const { text } = await get('/listeners')
    assert.equal(
      text,
      'l::10.9.9.9:20880 (listening: bound on 127.240.0.1:20880 instead)\nw::(warming: route table "x")\n',
    )
    const { listener_statuses } = JSON.parse((await get('/listeners?format=json')).text)
    assert.equal(listener_statuses[0].substitute, true)
    assert.deepEqual(listener_statuses[0].bound_address, {
      socket_address: { address: '127.240.0.1', port_value: 20_880 },
    })
  })

  test('/config_dump has what is in force, its version, and the refused update with its reason', async () => {
    const { get } = await start()
    const { configs } = JSON.parse((await get('/config_dump')).text)
    const dump = (name: string) => configs.find((each: { '@type': string }) => each['@type'].endsWith(`.${name}`))
    assert.equal(dump('BootstrapConfigDump').bootstrap.node.id, 'n')
    assert.equal(dump('ClustersConfigDump').static_clusters[0].cluster.name, 'fixed')
    assert.equal(dump('ClustersConfigDump').dynamic_active_clusters[0].version_info, 'v7')
    assert.equal(
      dump('ClustersConfigDump').dynamic_active_clusters[0].cluster.eds_cluster_config.eds_config.ads !== undefined,
      true,
    )
    assert.equal(dump('ListenersConfigDump').dynamic_listeners[0].active_state.version_info, 'v8')
    const [table] = dump('RoutesConfigDump').dynamic_route_configs
    assert.equal(table.version_info, 'v9')
    assert.equal(table.client_status, 'NACKED')
    assert.equal(table.error_state.details, 'routes "r": no')
    assert.equal(table.error_state.failed_configuration.virtual_hosts[0].routes[0].route.cluster, 'bad')
    const only = JSON.parse((await get('/config_dump?resource=dynamic_listeners&name_regex=^l')).text)
    assert.deepEqual(
      only.configs.map(({ name }: { name: string }) => name),
      ['l'],
    )
    assert.equal((await get('/config_dump?resource=bogus')).status, 400)
    assert.equal((await get('/config_dump?name_regex=(')).status, 400)
  })

  test('/stats is text, JSON or for Prometheus, and can be filtered', async () => {
    const { get } = await start()
    assert.match((await get('/stats')).text, /^cluster_manager\.active_clusters: 2$[^]*^orders\.request: 3$/m)
    assert.equal(
      (await get('/stats?filter=^server.live|orders')).text,
      'server.live: 1\norders.failed: 0\norders.request: 3\n',
    )
    assert.equal((await get('/stats?filter=orders&usedonly')).text, 'orders.request: 3\n')
    const { stats } = JSON.parse((await get('/stats?format=json&filter=live|orders')).text)
    assert.deepEqual(stats, [
      { name: 'orders.failed', value: 0 },
      { name: 'orders.request', value: 3 },
      { name: 'server.live', value: 1 },
    ])
    const { text, type } = await get('/stats/prometheus?filter=live|orders&usedonly')
    assert.match(type, /^text\/plain; version=0\.0\.4/)
    assert.equal(
      text,
      '# TYPE envoy_server_live gauge\nenvoy_server_live 1\n# TYPE orders_request counter\norders_request{} 3\n',
    )
    assert.equal((await get('/stats?format=prometheus&filter=live|orders&usedonly')).text, text)
    assert.equal((await get('/stats?filter=(')).status, 400)
    assert.equal((await get('/stats?format=xml')).status, 400)
  })

  test('change nothing by GET, and nothing at all for a foreign Host', async () => {
    const { get, admin } = await start()
    assert.equal((await get('/stats', 'POST')).status, 405)
    assert.equal((await get('/nope')).status, 404)
    assert.equal((await get('/logging?level=debug', 'POST')).status, 400, 'this log is not ours')
    assert.match((await get('/')).text, /^GET {2}\/ready/m)
    const status = await new Promise((resolve, reject) => {
      const headers = { host: 'evil.example' }
      request({ port: admin.address.port, path: '/config_dump', headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
    assert.equal(status, 403)
  })

  test('survive garbage on their port', async () => {
    const { get, admin } = await start()
    await new Promise<void>((resolve) => {
      const socket = connect(admin.address.port, '127.0.0.1', () => socket.write('\x00\x01garbage\r\n\r\n'))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.resume()
    })
    assert.equal((await get('/ready')).status, 200)
  })

  test('on the status address are only those that show no configuration and change nothing', async () => {
    const { get } = await start({}, '127.0.0.1', startStatus)
    assert.equal((await get('/ready')).status, 200)
    assert.match((await get('/stats/prometheus')).text, /^envoy_server_live 1$/m)
    for (const page of ['/', '/config_dump', '/clusters', '/stats', '/server_info', '/logging']) {
      assert.equal((await get(page)).status, 404, page)
    }
    assert.equal((await get('/logging?level=debug', 'POST')).status, 404)
    assert.equal((await get('/ready', 'POST')).status, 405)
  })

  test('on a port that is taken are an error with the remedy', async () => {
    const { admin } = await start()
    await assert.rejects(startAdmin(admin.address, {} as AdminContext), {
      code: 'PROXY_ADMIN_BIND_FAILED',
      message: /EADDRINUSE.*--admin-address/,
    })
  })
})
