/**
 * Real Redis servers, real Envoy, and in between what RedisServices and RedisDestinations become; redis-cli and
 * redis-benchmark are the clients. Who got a command is asked of the servers themselves.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ClientTls } from '@aeraki/api'
import {
  eventually,
  needPeer,
  redisBenchmark,
  redisCli,
  redisCliSession,
  type RedisCluster,
  type RedisServer,
  startRedisCluster,
  startRedisServer,
} from '@aeraki/testing'
import { startMeshAgent } from '../support/mesh-agent.ts'
import { type RedisMesh, type RedisMeshOptions, startRedisMesh } from '../support/redis-mesh.ts'

const skip = needPeer('envoy').skip || needPeer('redis').skip

const main = 'main.redis.svc.cluster.local'
const users = 'users.redis.svc.cluster.local'
const shadow = 'shadow.redis.svc.cluster.local'
const sharded = 'sharded.redis.svc.cluster.local'
const cluster = 'redis-cluster.redis.svc.cluster.local'
const single = 'redis-single.redis.svc.cluster.local'

/** How often a server got a command since it started. */
async function calls(server: RedisServer, command: string): Promise<number> {
  const stats = await server.ask('info', 'commandstats')
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

function seed(name: string): string {
  return readFileSync(new URL(`../../../api/test/data/seed/${name}.yaml`, import.meta.url), 'utf8')
}

function service(host: string, body: string): string {
  return `
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {name: ${host.split('.')[0]}, namespace: redis}
spec:
  host: [${host}]
${body.trimEnd().replaceAll(/^/gm, '  ')}
`
}

function destination(host: string, pool: string): string {
  return `
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata: {name: ${host.split('.')[0]}, namespace: redis}
spec: {host: ${host}, trafficPolicy: {connectionPool: ${pool}}}
`
}

async function withMesh(options: RedisMeshOptions, use: (mesh: RedisMesh) => Promise<void>): Promise<void> {
  const mesh = await startRedisMesh(options)
  try {
    await use(mesh)
  } finally {
    await mesh.envoy.stop()
  }
}

describe('Redis through a stock Envoy', { skip }, () => {
  let one: RedisServer
  let two: RedisServer
  let three: RedisServer
  let locked: RedisServer

  before(async () => {
    one = await startRedisServer()
    two = await startRedisServer()
    three = await startRedisServer()
    locked = await startRedisServer({ password: 'testredis' })
    await locked.ask('acl', 'setuser', 'app', 'on', '>app-password', '~*', '+@all')
  })

  after(async () => {
    await Promise.all([one, two, three, locked].map((server) => server.stop()))
  })

  test('keys go where the longest prefix leads, the others to the rule without one', async () => {
    const yaml = service(
      main,
      `
redis:
- match: {key: {prefix: "user:"}}
  route: {host: ${users}}
- match: {key: {prefix: "user:old:", removePrefix: true}}
  route: {host: ${shadow}}
- route: {host: ${main}}
`,
    )
    await withMesh(
      { services: { [main]: [one.port], [users]: [two.port], [shadow]: [three.port] }, yaml },
      async (mesh) => {
        const port = mesh.portOf(main)
        assert.deepEqual(mesh.findings, [])
        assert.equal(await redisCli(port, ['set', 'user:1', 'a']), 'OK')
        assert.equal(await redisCli(port, ['set', 'user:old:1', 'b']), 'OK')
        assert.equal(await redisCli(port, ['set', 'USER:1', 'c']), 'OK')
        assert.equal(await two.ask('get', 'user:1'), 'a')
        assert.equal(await three.ask('get', '1'), 'b')
        assert.equal(await one.ask('get', 'USER:1'), 'c')
        // One command with keys of several servers is split, and its answers put together again.
        assert.equal(await redisCli(port, ['mget', 'user:1', 'user:old:1', 'USER:1']), 'a\nb\nc')
      },
    )
  })

  test('prefixes match whatever their case where the rule says so', async () => {
    const rules = `
settings: {caseInsensitive: true}
redis:
- match: {key: {prefix: "Case:"}}
  route: {host: ${users}}
- route: {host: ${main}}
`
    await withMesh(
      { services: { [main]: [one.port], [users]: [two.port] }, yaml: service(main, rules) },
      async (mesh) => {
        await redisCli(mesh.portOf(main), ['set', 'cASE:1', 'x'])
        assert.equal(await two.ask('get', 'cASE:1'), 'x')
        assert.equal(await one.ask('exists', 'cASE:1'), '0')
      },
    )
  })

  test('without a rule for the rest, keys that match no prefix get an error', async () => {
    const rules = `
redis:
- match: {key: {prefix: "known:"}}
  route: {host: ${main}}
`
    await withMesh({ services: { [main]: [one.port] }, yaml: service(main, rules) }, async (mesh) => {
      assert.equal(await redisCli(mesh.portOf(main), ['set', 'known:1', 'x']), 'OK')
      assert.match(await redisCli(mesh.portOf(main), ['set', 'other', 'x']), /no upstream host/)
      assert.equal(await one.ask('exists', 'other'), '0')
    })
  })

  test('writes are mirrored, each mirror to a host of its own, reads only where they may be', async () => {
    const rules = `
redis:
- route: {host: ${main}}
  mirror:
  - route: {host: ${users}}
    excludeReadCommands: true
  - route: {host: ${shadow}, port: 6379}
    percentage: {value: 100}
`
    await withMesh(
      { services: { [main]: [one.port], [users]: [two.port], [shadow]: [three.port] }, yaml: service(main, rules) },
      async (mesh) => {
        const readsBefore = [await calls(two, 'get'), await calls(three, 'get')]
        const port = mesh.portOf(main)
        await redisCliSession(port, ['set mirrored yes', 'get mirrored', 'get mirrored'])
        // A mirrored command is not waited for: the last one has passed when the one after it is there.
        await eventually(async () => (await calls(three, 'get')) === (readsBefore[1] ?? 0) + 2)
        assert.equal(await two.ask('get', 'mirrored'), 'yes')
        assert.equal(await three.ask('get', 'mirrored'), 'yes')
        assert.equal(await calls(two, 'get'), (readsBefore[0] ?? 0) + 1)
      },
    )
  })

  test('a mirror gets its percentage of the commands', async () => {
    const rules = `
redis:
- route: {host: ${main}}
  mirror:
  - route: {host: ${users}}
    percentage: {value: 20}
`
    await withMesh(
      { services: { [main]: [one.port], [users]: [two.port] }, yaml: service(main, rules) },
      async (mesh) => {
        const earlier = await calls(two, 'incr')
        await redisBenchmark(mesh.portOf(main), { requests: 2000, clients: 4, tests: 'incr' })
        await eventually(async () => (await calls(two, 'incr')) - earlier > 250)
        const share = ((await calls(two, 'incr')) - earlier) / 2000
        assert.ok(share > 0.12 && share < 0.28, `${share} of the commands were mirrored`)
      },
    )
  })

  test('faults refuse and delay the commands that they name', async () => {
    const rules = `
settings: {enableCommandStats: true}
faults:
- {type: ERROR, commands: [GET]}
- {type: DELAY, delay: 20ms, percentage: {value: 100}, commands: [SET]}
`
    await withMesh({ services: { [main]: [one.port] }, yaml: service(main, rules) }, async (mesh) => {
      const port = mesh.portOf(main)
      assert.equal(await redisCli(port, ['set', 'faulty', '1']), 'OK')
      assert.match(await redisCli(port, ['get', 'faulty']), /Fault Injected/)
      assert.equal(await redisCli(port, ['strlen', 'faulty']), '1')
      const stats = await mesh.envoy.stats(/^redis\..*\.command\.(set\.delay_fault|get\.error_fault)$/)
      assert.deepEqual([...stats.values()], [1, 1])
    })
  })

  test('commands are counted by name where that is asked for', async () => {
    const yaml = service(main, 'settings: {enableCommandStats: true}')
    await withMesh({ services: { [main]: [one.port] }, yaml }, async (mesh) => {
      await redisCliSession(mesh.portOf(main), ['set counted 1', 'incr counted', 'incr counted'])
      const stats = await mesh.envoy.stats(/^cluster\..*\.upstream_commands\.incr\.success$/)
      assert.deepEqual([...stats.values()], [2])
      const downstream = await mesh.envoy.stats(/^redis\.outbound\|6379\|\|main\.redis.*\.command\.incr\.total$/)
      assert.deepEqual([...downstream.values()], [2])
    })
  })

  test('a command that takes longer than opTimeout fails', async () => {
    const slow = await startRedisServer()
    try {
      const yaml = service(main, 'settings: {opTimeout: 100ms}')
      await withMesh({ services: { [main]: [slow.port] }, yaml }, async (mesh) => {
        assert.equal(await redisCli(mesh.portOf(main), ['set', 'a', '1']), 'OK')
        await slow.ask('client', 'pause', '3000')
        assert.match(await redisCli(mesh.portOf(main), ['get', 'a']), /upstream failure/)
      })
    } finally {
      await slow.stop()
    }
  })

  test('commands wait in a buffer until it is full or old enough', async () => {
    const rules = 'settings: {maxBufferSizeBeforeFlush: 1024, bufferFlushTimeout: 1ms}'
    await withMesh({ services: { [main]: [one.port] }, yaml: service(main, rules) }, async (mesh) => {
      const figures = await redisBenchmark(mesh.portOf(main), { requests: 4000, clients: 8, pipeline: 16 })
      assert.deepEqual([...figures.keys()], ['SET', 'GET'])
    })
  })

  test('clients show the password of the Secret, and Envoy its own to the server', async () => {
    const yaml =
      service(main, 'settings: {auth: {secret: {name: clients, passwordField: pw}}}') +
      destination(main, '{redis: {auth: {plain: {password: testredis}}}}')
    const secrets = { clients: { pw: ' hush\n' } }
    await withMesh({ services: { [main]: [locked.port] }, yaml, secrets }, async (mesh) => {
      const port = mesh.portOf(main)
      assert.match(await redisCli(port, ['get', 'a']), /NOAUTH/)
      assert.match(await redisCli(port, ['get', 'a'], { password: 'wrong' }), /NOAUTH|WRONGPASS|invalid password/)
      assert.equal(await redisCli(port, ['set', 'a', 'secret'], { password: 'hush' }), 'OK')
      assert.equal(await locked.ask('get', 'a'), 'secret')
      const figures = await redisBenchmark(port, { requests: 2000, clients: 4, password: 'hush' })
      assert.equal(figures.size, 2)
    })
  })

  test('users have names on both sides', async () => {
    const yaml =
      service(main, 'settings: {auth: {plain: {username: web, password: hush}}}') +
      destination(main, '{redis: {auth: {secret: {name: server}}}}')
    const secrets = { server: { username: 'app', password: 'app-password' } }
    await withMesh({ services: { [main]: [locked.port] }, yaml, secrets }, async (mesh) => {
      const port = mesh.portOf(main)
      const stranger = { username: 'stranger', password: 'hush' }
      assert.match(await redisCli(port, ['get', 'a'], stranger), /NOAUTH|WRONGPASS/)
      assert.equal(await redisCli(port, ['set', 'named', 'yes'], { username: 'web', password: 'hush' }), 'OK')
      assert.equal(await locked.ask('get', 'named'), 'yes')
      assert.match(await locked.ask('client', 'list'), /user=app/)
    })
  })

  test('each destination of a rule is shown its own password', async () => {
    const rules = `
redis:
- match: {key: {prefix: "locked:"}}
  route: {host: ${users}}
- route: {host: ${main}}
`
    const yaml = service(main, rules) + destination(users, '{redis: {auth: {plain: {password: testredis}}}}')
    await withMesh({ services: { [main]: [one.port], [users]: [locked.port] }, yaml }, async (mesh) => {
      assert.equal(await redisCli(mesh.portOf(main), ['set', 'locked:1', 'x']), 'OK')
      assert.equal(await redisCli(mesh.portOf(main), ['set', 'open:1', 'y']), 'OK')
      assert.equal(await locked.ask('get', 'locked:1'), 'x')
      assert.equal(await one.ask('get', 'open:1'), 'y')
    })
  })

  test('while a Secret is missing nobody is served, and it is said', async () => {
    const yaml = service(main, 'settings: {auth: {secret: {name: nowhere}}}')
    await withMesh({ services: { [main]: [one.port] }, yaml }, async (mesh) => {
      assert.deepEqual(
        mesh.findings.map(({ about, finding }) => [about.name, finding.code, finding.field, finding.value]),
        [['main', 'ENVOY_MISSING_SECRET', 'spec.settings.auth.secret.name', 'nowhere']],
      )
      assert.match(await redisCli(mesh.portOf(main), ['set', 'unguarded', '1']), /no upstream host/)
      assert.equal(await one.ask('exists', 'unguarded'), '0')
    })
  })

  test('a rule to an unknown host fails alone, and it is said', async () => {
    const rules = `
redis:
- match: {key: {prefix: "lost:"}}
  route: {host: nowhere.redis.svc.cluster.local}
- route: {host: ${main}}
  mirror: [{route: {host: neither}}]
`
    await withMesh({ services: { [main]: [one.port] }, yaml: service(main, rules) }, async (mesh) => {
      assert.deepEqual(
        mesh.findings.map(({ finding }) => [finding.code, finding.field]),
        [
          ['ENVOY_UNKNOWN_DESTINATION', 'spec.redis[0].route.host'],
          ['ENVOY_UNKNOWN_DESTINATION', 'spec.redis[1].mirror[0].route.host'],
        ],
      )
      assert.match(await redisCli(mesh.portOf(main), ['set', 'lost:1', 'x']), /no upstream host/)
      assert.equal(await redisCli(mesh.portOf(main), ['set', 'found:1', 'x']), 'OK')
      assert.equal(await one.ask('exists', 'lost:1'), '0')
    })
  })

  test('a key always leads to the same one of several servers', async () => {
    await withMesh({ services: { [sharded]: [one.port, two.port, three.port] }, yaml: '' }, async (mesh) => {
      const port = mesh.portOf(sharded)
      const keys = Array.from({ length: 60 }, (_, i) => `shard-${i}`)
      await redisCliSession(
        port,
        keys.map((key) => `set ${key} ${key}`),
      )
      assert.equal(
        await redisCliSession(
          port,
          keys.map((key) => `get ${key}`),
        ),
        keys.join('\n'),
      )
      const found = await Promise.all([one, two, three].map((server) => server.ask('exists', ...keys)))
      assert.equal(
        found.reduce((sum, count) => sum + Number(count), 0),
        60,
      )
      for (const count of found) assert.notEqual(count, '0')
    })
  })

  test('the connection settings of a RedisDestination are taken', async () => {
    const yaml = destination(main, '{tcp: {connectTimeout: 250ms, tcpKeepalive: {time: 30s, interval: 5s, probes: 3}}}')
    await withMesh({ services: { [main]: [one.port] }, yaml }, async (mesh) => {
      assert.equal(await redisCli(mesh.portOf(main), ['set', 'a', '1']), 'OK')
    })
  })
})

describe('a Redis Cluster behind a stock Envoy', { skip }, () => {
  let nodes: RedisCluster
  let locked: RedisServer

  before(async () => {
    nodes = await startRedisCluster({ masters: 3, replicasPerMaster: 1 })
    locked = await startRedisServer({ password: 'testredis' })
  })

  after(async () => {
    await Promise.all([nodes.stop(), locked.stop()])
  })

  const ports = (): number[] => nodes.nodes.map(({ port }) => port)

  async function byRole(command: string): Promise<{ masters: number; replicas: number }> {
    const counts = { masters: 0, replicas: 0 }
    for (const node of nodes.nodes) {
      const role = (await node.ask('role')).startsWith('master') ? 'masters' : 'replicas'
      counts[role] += await calls(node, command)
    }
    return counts
  }

  test('the example of the talk works as written', async () => {
    const yaml = `${seed('redis-service')}\n---\n${seed('redis-destination')}`
    const services = { [cluster]: ports(), [single]: [locked.port] }
    // Its Secret, base64 of "testredis" and a newline.
    const secrets = { 'redis-service-secret': { password: Buffer.from('dGVzdHJlZGlzCg==', 'base64').toString() } }
    await withMesh({ services, yaml, secrets }, async (mesh) => {
      assert.deepEqual(mesh.findings, [])
      const port = mesh.portOf(cluster)
      const login = { password: 'testredis' }
      assert.match(await redisCli(port, ['get', 'cluster:1']), /NOAUTH/)
      const keys = Array.from({ length: 30 }, (_, i) => `cluster:${i}`)
      await eventually(async () => (await redisCli(port, ['set', 'cluster:0', '0'], login)) === 'OK')
      await redisCliSession(
        port,
        keys.map((key) => `set ${key} ${key}`),
        login,
      )
      assert.equal(
        await redisCliSession(
          port,
          keys.map((key) => `get ${key}`),
          login,
        ),
        keys.join('\n'),
      )
      assert.equal(await redisCli(port, ['set', 'other', 'x'], login), 'OK')
      assert.equal(await locked.ask('get', 'other'), 'x')
      assert.equal(await locked.ask('dbsize'), '1')
      const sizes = await Promise.all(nodes.nodes.map((node) => node.ask('dbsize')))
      // Masters and their replicas have all thirty, twice.
      await eventually(async () => {
        const now = await Promise.all(nodes.nodes.map((node) => node.ask('dbsize')))
        return now.reduce((sum, size) => sum + Number(size), 0) === 60
      })
      assert.ok(sizes.filter((size) => size !== '0').length >= 3, `only some nodes have keys: ${sizes.join()}`)
      // Where redis-single is called itself, nobody asks for a password.
      assert.equal(await redisCli(mesh.portOf(single), ['get', 'other']), 'x')
      const figures = await redisBenchmark(port, { requests: 2000, clients: 4, ...login })
      assert.equal(figures.size, 2)
    })
  })

  for (const [policy, expected] of [
    ['MASTER', 'masters'],
    ['PREFER_MASTER', 'masters'],
    ['REPLICA', 'replicas'],
    ['PREFER_REPLICA', 'replicas'],
    ['ANY', 'both'],
  ] as const) {
    test(`reads go to ${expected} with readPolicy ${policy}`, async () => {
      const yaml =
        service(cluster, `settings: {readPolicy: ${policy}, enableCommandStats: true}`) +
        destination(cluster, '{redis: {mode: CLUSTER}}')
      await withMesh({ services: { [cluster]: ports() }, yaml }, async (mesh) => {
        const port = mesh.portOf(cluster)
        await eventually(async () => (await redisCli(port, ['set', 'read', 'x'])) === 'OK')
        // A replica may not have been found yet, and there is one for each third of the keys.
        const some = Array.from({ length: 30 }, (_, i) => `get read-${i}`)
        await eventually(async () => !(await redisCliSession(port, some)).includes('no upstream host'))
        const then = await byRole('get')
        await redisBenchmark(port, { requests: 1200, clients: 4, tests: 'get', keyspace: 1000 })
        const now = await byRole('get')
        const got = { masters: now.masters - then.masters, replicas: now.replicas - then.replicas }
        assert.equal(got.masters + got.replicas, 1200)
        if (expected === 'masters') assert.equal(got.replicas, 0)
        else if (expected === 'replicas') assert.equal(got.masters, 0)
        else assert.ok(got.masters > 100 && got.replicas > 100, JSON.stringify(got))
      })
    })
  }

  test('seeds are named by discoveryEndpoints, the port is that of the service where they have none', async () => {
    const [first, second] = nodes.nodes
    const seeds = `["localhost:${second?.port}", "127.0.0.1:${first?.port}"]`
    const yaml = destination(cluster, `{redis: {mode: CLUSTER, discoveryEndpoints: ${seeds}}}`)
    await withMesh({ services: { [cluster]: [1] }, yaml }, async (mesh) => {
      await eventually(async () => (await redisCli(mesh.portOf(cluster), ['set', 'seeded', 'x'])) === 'OK')
    })
  })

  test('one that is down keeps no Envoy from serving others', async () => {
    const yaml = destination(cluster, '{redis: {mode: CLUSTER}}')
    const login = { password: 'testredis' }
    await withMesh({ services: { [cluster]: [1], [single]: [locked.port] }, yaml }, async (mesh) => {
      await eventually(async () => (await redisCli(mesh.portOf(single), ['set', 'alone', 'x'], login)) !== '')
      assert.match(await redisCli(mesh.portOf(cluster), ['set', 'lost', 'x']), /no upstream host/)
    })
  })

  test('redirections of a node are followed where that is asked for', async () => {
    const [first] = nodes.nodes
    const yaml = service(
      main,
      'settings: {enableRedirection: true, enableHashtagging: true, maxUpstreamUnknownConnections: 10}',
    )
    await withMesh({ services: { [main]: [first?.port ?? 0], [users]: [first?.port ?? 0] }, yaml }, async (mesh) => {
      const keys = Array.from({ length: 20 }, (_, i) => `moved-${i}`)
      const session = keys.map((key) => `set ${key} x`)
      assert.deepEqual(new Set((await redisCliSession(mesh.portOf(main), session)).split('\n')), new Set(['OK']))
      assert.match(await redisCliSession(mesh.portOf(users), session), /MOVED/)
    })
  })

  test('Envoy finds the new master after a failover', async () => {
    const yaml = destination(cluster, '{redis: {mode: CLUSTER}}')
    await withMesh({ services: { [cluster]: ports() }, yaml }, async (mesh) => {
      const port = mesh.portOf(cluster)
      await eventually(async () => (await redisCli(port, ['set', 'before', 'x'])) === 'OK')
      for (const node of nodes.nodes) {
        if ((await node.ask('role')).startsWith('slave')) await node.ask('cluster', 'failover')
      }
      const keys = Array.from({ length: 30 }, (_, i) => `after-${i}`)
      await eventually(async () => {
        const answers = await redisCliSession(
          port,
          keys.map((key) => `set ${key} x`),
        )
        return answers.split('\n').every((answer) => answer === 'OK')
      })
    })
  })
})

describe('a Redis Cluster that asks for certificates', { skip }, () => {
  let folder: string
  let nodes: RedisCluster

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aeraki-redis-tls-'))
    const names = [
      '-subj',
      '/CN=redis',
      '-addext',
      'subjectAltName=DNS:redis.data,IP:127.0.0.1,URI:spiffe://cluster.local/ns/redis/sa/redis',
    ]
    const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...names, ...files], { stdio: 'ignore' })
    const tls = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
    nodes = await startRedisCluster({ masters: 3, replicasPerMaster: 0, tls })
  })

  after(async () => {
    await nodes?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('gets the one that a DestinationRule names, from the cluster that takes the place of its own', async () => {
    const certificate = join(folder, 'cert.pem')
    const tls: ClientTls = {
      mode: 'MUTUAL',
      clientCertificate: certificate,
      privateKey: join(folder, 'key.pem'),
      caCertificates: certificate,
      subjectAltNames: ['redis.data'],
      sni: 'redis.data',
    }
    const services = { [cluster]: nodes.nodes.map(({ port }) => port) }
    const yaml = destination(cluster, '{redis: {mode: CLUSTER}}')
    await withMesh({ services, yaml, tls }, async (mesh) => {
      const port = mesh.portOf(cluster)
      await eventually(async () => (await redisCli(port, ['set', 'sealed', 'yes'])) === 'OK')
      const keys = Array.from({ length: 30 }, (_, i) => `sealed-${i}`)
      const session = keys.map((key) => `set ${key} x`)
      assert.deepEqual(new Set((await redisCliSession(port, session)).split('\n')), new Set(['OK']))
    })
    // The servers' certificates are checked: where another name is asked for, nobody is called.
    await withMesh({ services, yaml, tls: { ...tls, subjectAltNames: ['other.data'] } }, async (mesh) => {
      await eventually(async () => {
        const failures = await mesh.envoy.stats(/^cluster\..*ssl\.fail_verify_san$/)
        return [...failures.values()].some((count) => count > 0)
      })
    })
  })

  test('gets the identity of the mesh from the agent beside Envoy, as automatic mutual TLS has it', async (t) => {
    const certificate = join(folder, 'cert.pem')
    const agent = await startMeshAgent({ certificate, key: join(folder, 'key.pem'), root: certificate })
    t.after(() => agent.stop())
    const services = { [cluster]: nodes.nodes.map(({ port }) => port) }
    const yaml = destination(cluster, '{redis: {mode: CLUSTER}}')
    const tls: ClientTls = { mode: 'ISTIO_MUTUAL' }
    await withMesh({ services, yaml, tls, moreClusters: [agent.cluster] }, async (mesh) => {
      const port = mesh.portOf(cluster)
      await eventually(async () => (await redisCli(port, ['set', 'meshed', 'yes'])) === 'OK')
      const session = Array.from({ length: 30 }, (_, i) => `set meshed-${i} x`)
      assert.deepEqual(new Set((await redisCliSession(port, session)).split('\n')), new Set(['OK']))
      assert.deepEqual([...agent.asked].toSorted(), ['ROOTCA', 'default'])
      const clients = await Promise.all(nodes.nodes.map((node) => node.ask('info', 'commandstats')))
      assert.ok(
        clients.every((text) => text.includes('cmdstat_set')),
        'every node was called',
      )
    })
  })
})
