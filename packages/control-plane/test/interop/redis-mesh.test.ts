/**
 * The Redis example, as it stands in examples/redis, served to a real Envoy that knows nothing but our control plane; real
 * servers behind it, redis-cli and redis-benchmark before it. Then its files change under live clients.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  type Envoy,
  eventually,
  freePort,
  needPeer,
  redisBenchmark,
  redisCli,
  redisCliSession,
  type RedisCluster,
  type RedisServer,
  startEnvoy,
  startRedisCluster,
  startRedisServer,
} from '@aeraki/testing'
import { bootstrapFor } from '../../src/bootstrap/bootstrap.ts'
import { type ControlPlane, startControlPlane } from '../../src/control-plane.ts'

const skip = needPeer('envoy').skip || needPeer('redis').skip

const clustered = { host: '127.77.1.10', password: 'testredis' }
const alone = { host: '127.77.1.20' }

describe('the Redis example', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-redis-example-'))
  let nodes: RedisCluster
  let single: RedisServer
  let controlPlane: ControlPlane
  let envoy: Envoy
  let port: number

  before(async () => {
    port = await freePort()
    nodes = await startRedisCluster({ masters: 3, replicasPerMaster: 0 })
    single = await startRedisServer({ password: 'testredis' })
    cpSync(join(import.meta.dirname, '../../../../examples/redis'), folder, { recursive: true })
    const real = [single, ...nodes.nodes]
    edit('service-entry', (text) =>
      text
        .replaceAll('number: 6379', `number: ${port}`)
        .replaceAll(/tcp-redis: 700(\d)/g, (_, index: string) => `tcp-redis: ${real[Number(index)]?.port}`),
    )
    controlPlane = await startControlPlane({
      configDir: folder,
      xds: { host: '127.0.0.1', port: 0 },
      admin: { host: '127.0.0.1', port: 0 },
    })
    assert.deepEqual(controlPlane.diagnostics(), [])
    const [host = '', xdsPort] = controlPlane.xdsAddress.split(':')
    envoy = await startEnvoy({
      bootstrap: bootstrapFor({
        controlPlane: { host, port: Number(xdsPort) },
        node: 'sidecar~127.0.0.9~client.default~default.svc.cluster.local',
        admin: { host: '127.0.0.1', port: 0 },
      }),
      drainSeconds: 1,
    })
    await eventually(async () => (await redisCli(port, ['set', 'cluster:0', 'x'], clustered)) === 'OK')
  })

  after(async () => {
    await envoy?.stop()
    await controlPlane?.close()
    await nodes?.stop()
    await single?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function edit(file: string, change: (text: string) => string): void {
    const path = join(folder, `${file}.yaml`)
    writeFileSync(path, change(readFileSync(path, 'utf8')))
  }

  test('works as the talk says', async () => {
    assert.match(await redisCli(port, ['get', 'x'], { host: clustered.host }), /NOAUTH/)
    const keys = Array.from({ length: 30 }, (_, i) => `cluster:${i}`)
    const session = [...keys.map((key) => `set ${key} ${key}`), 'set elsewhere yes', 'get elsewhere']
    assert.deepEqual((await redisCliSession(port, session, clustered)).split('\n').at(-1), 'yes')
    assert.equal(await single.ask('get', 'elsewhere'), 'yes')
    assert.equal(await single.ask('dbsize'), '1')
    const sizes = await Promise.all(nodes.nodes.map((node) => node.ask('dbsize')))
    assert.equal(
      sizes.reduce((sum, size) => sum + Number(size), 0),
      30,
    )
    assert.equal(await redisCli(port, ['get', 'elsewhere'], alone), 'yes')
    const figures = await redisBenchmark(port, { requests: 2000, clients: 4, ...clustered })
    assert.equal(figures.size, 2)
    const counted = await envoy.stats(`redis.outbound|${port}||redis-cluster.*downstream_rq_total`)
    assert.ok([...counted.values()].some((count) => count > 4000))
  })

  test('new connections follow a changed rule', async () => {
    edit('redis-service', (text) => text.replace('prefix: cluster', 'prefix: shard'))
    await eventually(async () => {
      await redisCli(port, ['set', 'cluster:moved', 'yes'], clustered)
      return (await single.ask('get', 'cluster:moved')) === 'yes'
    })
    edit('redis-service', (text) => text.replace('prefix: shard', 'prefix: cluster'))
  })

  test('what is broken changes nothing', async () => {
    edit('redis-service', (text) => text.replace('prefix: cluster', 'prefix: [cluster'))
    await eventually(() => Promise.resolve(controlPlane.diagnostics().length > 0))
    assert.equal(await redisCli(port, ['set', 'cluster:1', 'x'], clustered), 'OK')
    edit('redis-service', (text) => text.replace('prefix: [cluster', 'prefix: cluster'))
    await eventually(() => Promise.resolve(controlPlane.diagnostics().length === 0))
  })

  test('a Secret that goes stays in force, one that changes counts', async () => {
    const path = join(folder, 'redis-service.yaml')
    const whole = readFileSync(path, 'utf8')
    const [secret = '', service = ''] = whole.split('\n---\n')
    renameSync(path, join(folder, 'hidden.txt'))
    writeFileSync(path, service)
    await eventually(() =>
      Promise.resolve(controlPlane.diagnostics().some(({ code }) => code === 'ENVOY_MISSING_SECRET')),
    )
    assert.equal(await redisCli(port, ['set', 'cluster:1', 'y'], clustered), 'OK')
    const other = Buffer.from('other\n').toString('base64')
    writeFileSync(path, `${secret.replace('dGVzdHJlZGlzCg==', other)}\n---\n${service}`)
    await eventually(
      async () => (await redisCli(port, ['get', 'cluster:1'], { ...clustered, password: 'other' })) === 'y',
    )
    assert.match(await redisCli(port, ['get', 'cluster:1'], clustered), /NOAUTH|WRONGPASS/)
    writeFileSync(path, whole)
    await eventually(async () => (await redisCli(port, ['get', 'cluster:1'], clustered)) === 'y')
  })

  test('no admin page shows a password', async () => {
    const node = 'sidecar~127.0.0.9~client.default~default.svc.cluster.local'
    for (const page of [`/config_dump?node=${node}`, '/services', '/clients', '/diagnostics', '/stats']) {
      const body = await (await fetch(`http://${controlPlane.adminAddress}${page}`)).text()
      assert.ok(!body.includes('testredis'), page)
      if (page.startsWith('/config_dump')) assert.match(body, /redis_proxy[^]*\[redacted\]/)
    }
    assert.ok(!(await envoy.get('/config_dump')).includes('testredis'))
  })
})
