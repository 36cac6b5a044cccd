/** What RedisServices and RedisDestinations become; whether Envoy and Redis agree is asked in ../interop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClientTls, type LoadedObject, loadResources } from '@aeraki/api'
import type { ClusterPatch } from '../../src/envoy/contract.ts'
import { redisEnvoy } from '../../src/redis/envoy.ts'
import { type TestPort, testPort, type TestPortOptions } from '../support/envoy-port.ts'

const host = 'cache.data.svc.cluster.local'

function load(yaml: string): readonly LoadedObject[] {
  const { objects, diagnostics } = loadResources(yaml, 'redis.yaml')
  assert.deepEqual(diagnostics, [])
  return objects
}

function redisService(spec: object, name = 'cache'): LoadedObject {
  const metadata = { name, namespace: 'data' }
  const [object] = load(
    JSON.stringify({
      apiVersion: 'redis.aeraki.io/v1alpha1',
      kind: 'RedisService',
      metadata,
      spec: { host: [host], ...spec },
    }),
  )
  assert.ok(object !== undefined)
  return object
}

function redisDestination(connectionPool: object): LoadedObject {
  const metadata = { name: 'cache', namespace: 'data' }
  const spec = { host, trafficPolicy: { connectionPool } }
  const [object] = load(
    JSON.stringify({ apiVersion: 'redis.aeraki.io/v1alpha1', kind: 'RedisDestination', metadata, spec }),
  )
  assert.ok(object !== undefined)
  return object
}

function translate(options: TestPortOptions = {}) {
  const port: TestPort = testPort({ namespace: 'data', host, number: 6379, ...options })
  const translation = redisEnvoy.translate(port)
  assert.ok(translation !== undefined)
  return { translation, config: translation.terminal?.config, findings: port.findings.map(({ finding }) => finding) }
}

function only(patches: readonly ClusterPatch[] | undefined): ClusterPatch {
  const [patch] = patches ?? []
  assert.ok(patch !== undefined && patches?.length === 1)
  return patch
}

test('a service without any rule is proxied to itself', () => {
  const { translation } = translate()
  assert.deepEqual(translation, {
    terminal: {
      name: 'envoy.filters.network.redis_proxy',
      typeUrl: 'type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy',
      config: {
        statPrefix: `outbound|6379||${host}`,
        settings: { opTimeout: '60s' },
        prefixRoutes: { catchAllRoute: { cluster: `outbound|6379||${host}` } },
      },
    },
    clusters: [{ operation: 'merge', cluster: `outbound|6379||${host}`, value: { lbPolicy: 'MAGLEV' } }],
  })
})

test('a workload keeps plain TCP in front of it', () => {
  assert.deepEqual(translate({ direction: 'inbound' }).translation, {})
})

test('every setting arrives', () => {
  const settings = {
    caseInsensitive: true,
    opTimeout: '1.5s',
    enableCommandStats: true,
    maxBufferSizeBeforeFlush: 1024,
    bufferFlushTimeout: '5ms',
    maxUpstreamUnknownConnections: 7,
    enableHashtagging: true,
    enableRedirection: true,
    readPolicy: 'PREFER_REPLICA',
  }
  const redis = [{ match: { key: { prefix: 'a' } }, route: { host } }]
  const objects = [redisService({ settings, redis }), redisDestination({ redis: { mode: 'CLUSTER' } })]
  const { config, findings } = translate({ objects })
  assert.deepEqual(findings, [])
  assert.deepEqual(config?.['settings'], {
    opTimeout: '1.500s',
    enableHashtagging: true,
    enableRedirection: true,
    maxBufferSizeBeforeFlush: 1024,
    bufferFlushTimeout: '0.005s',
    maxUpstreamUnknownConnections: 7,
    enableCommandStats: true,
    readPolicy: 'PREFER_REPLICA',
  })
  assert.deepEqual(config?.['prefixRoutes'], {
    caseInsensitive: true,
    routes: [{ prefix: 'a', cluster: `outbound|6379||${host}` }],
  })
})

test('percentages are taken to the ten-thousandth, and are all where nothing is said', () => {
  const faults = [{ type: 'DELAY', delay: '100ms', percentage: { value: 0.125 }, commands: ['GET'] }, { type: 'ERROR' }]
  const { config } = translate({ objects: [redisService({ faults })] })
  assert.deepEqual(config?.['faults'], [
    {
      faultEnabled: { defaultValue: { numerator: 1250, denominator: 'MILLION' } },
      delay: '0.100s',
      commands: ['GET'],
    },
    { faultType: 'ERROR', faultEnabled: { defaultValue: { numerator: 1_000_000, denominator: 'MILLION' } } },
  ])
})

test('a mirror has its own host and port', () => {
  const redis = [
    {
      route: { host: 'other.data.svc.cluster.local', port: 7000 },
      mirror: [{ route: { host: 'shadow.data.svc.cluster.local', port: 7001 }, percentage: { value: 5 } }],
    },
  ]
  const { config } = translate({ objects: [redisService({ redis })] })
  assert.deepEqual(config?.['prefixRoutes'], {
    catchAllRoute: {
      cluster: 'outbound|7000||other.data.svc.cluster.local',
      requestMirrorPolicy: [
        {
          cluster: 'outbound|7001||shadow.data.svc.cluster.local',
          runtimeFraction: { defaultValue: { numerator: 50_000, denominator: 'MILLION' } },
        },
      ],
    },
  })
})

test('a buffer timeout without a buffer is said to have no effect', () => {
  const { findings } = translate({ objects: [redisService({ settings: { bufferFlushTimeout: '5ms' } })] })
  assert.deepEqual(
    findings.map(({ code, field }) => [code, field]),
    [['ENVOY_UNSUPPORTED', 'spec.settings.bufferFlushTimeout']],
  )
})

test('a read policy without any Redis Cluster is said to have no effect', () => {
  const { findings } = translate({ objects: [redisService({ settings: { readPolicy: 'REPLICA' } })] })
  assert.deepEqual(
    findings.map(({ code, field }) => [code, field]),
    [['ENVOY_UNSUPPORTED', 'spec.settings.readPolicy']],
  )
})

test('a Secret that was deleted stays in force, and is named', () => {
  const object = redisService({ settings: { auth: { secret: { name: 's' } } } })
  const { config, findings } = translate({ objects: [object], secrets: { s: { password: 'a' } }, gone: ['s'] })
  assert.deepEqual(config?.['downstreamAuthPasswords'], [{ inlineString: 'a' }])
  assert.deepEqual(
    findings.map(({ code, field }) => [code, field]),
    [['ENVOY_MISSING_SECRET', 'spec.settings.auth.secret.name']],
  )
})

test('of two RedisServices for a host the older counts, and the other is told', () => {
  const first = redisService({ settings: { opTimeout: '1s' } }, 'a')
  const second = redisService({ settings: { opTimeout: '2s' } }, 'b')
  const port = testPort({ namespace: 'data', host, number: 6379, objects: [first, second] })
  const translation = redisEnvoy.translate(port)
  assert.deepEqual(translation?.terminal?.config['settings'], { opTimeout: '1s' })
  assert.deepEqual(
    port.findings.map(({ about, finding }) => [about.name, finding.code]),
    [['b', 'ENVOY_DUPLICATE_POLICY']],
  )
})

const secretFields: readonly [string, object, Record<string, string>, object | string][] = [
  ['password', {}, { password: 'a', token: 'b' }, { password: 'a' }],
  ['token where there is no password', {}, { token: ' b\n' }, { password: 'b' }],
  ['the entry that is named', { passwordField: 'pw' }, { password: 'a', pw: 'c' }, { password: 'c' }],
  ['username where the Secret has it', {}, { password: 'a', username: 'u' }, { password: 'a', username: 'u' }],
  ['the user that is named', { usernameField: 'who' }, { password: 'a', who: 'w' }, { password: 'a', username: 'w' }],
  ['nothing else than the entry that is named', { passwordField: 'pw' }, { password: 'a' }, 'passwordField'],
  ['no empty password', {}, { password: ' \n' }, 'passwordField'],
  ['no user that is not there', { usernameField: 'who' }, { password: 'a' }, 'usernameField'],
]
for (const [what, fields, entries, expected] of secretFields) {
  test(`from a Secret comes ${what}`, () => {
    const object = redisService({ settings: { auth: { secret: { name: 's', ...fields } } } })
    const { config, findings } = translate({ objects: [object], secrets: { s: entries } })
    if (typeof expected === 'string') {
      assert.deepEqual(
        findings.map(({ code, field }) => [code, field]),
        [['ENVOY_MISSING_SECRET', `spec.settings.auth.secret.${expected}`]],
      )
      assert.deepEqual(config?.['prefixRoutes'], { catchAllRoute: { cluster: 'BlackHoleCluster' } })
      for (const secret of Object.values(entries)) assert.ok(!JSON.stringify(findings).includes(`"${secret}"`))
    } else {
      assert.deepEqual(findings, [])
      const { downstreamAuthPasswords: passwords, downstreamAuthUsername: username } = config ?? {}
      const { password, username: name } = expected as { password: string; username?: string }
      assert.deepEqual(passwords, [{ inlineString: password }])
      assert.deepEqual(username, name === undefined ? undefined : { inlineString: name })
    }
  })
}

test('a merge keeps the cluster that Istio made, and its own load balancer where a DestinationRule has one', () => {
  const pool = {
    tcp: { connectTimeout: '1s', tcpKeepalive: { probes: 3, time: '30s', interval: '1500ms' } },
    redis: { auth: { plain: { username: 'u', password: 'p' } } },
  }
  const upstream = { hasLoadBalancer: true, tls: undefined, endpoints: [] }
  const { translation, findings } = translate({ objects: [redisDestination(pool)], upstream })
  assert.deepEqual(findings, [])
  assert.deepEqual(only(translation.clusters), {
    operation: 'merge',
    cluster: `outbound|6379||${host}`,
    value: {
      connectTimeout: '1s',
      typedExtensionProtocolOptions: {
        'envoy.filters.network.redis_proxy': {
          '@type': 'type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions',
          authPassword: { inlineString: 'p' },
          authUsername: { inlineString: 'u' },
        },
      },
      upstreamConnectionOptions: { tcpKeepalive: { keepaliveProbes: 3, keepaliveTime: 30, keepaliveInterval: 2 } },
    },
  })
})

test('limits that a Redis connection knows nothing of are named', () => {
  const { findings } = translate({ objects: [redisDestination({ tcp: { maxConnections: 100, idleTimeout: '1h' } })] })
  assert.deepEqual(
    findings.map(({ field }) => field),
    ['spec.trafficPolicy.connectionPool.tcp.maxConnections', 'spec.trafficPolicy.connectionPool.tcp.idleTimeout'],
  )
})

function clusterOf(options: TestPortOptions, redis: object = {}): Record<string, unknown> {
  const { translation } = translate({
    objects: [redisDestination({ redis: { mode: 'CLUSTER', ...redis } })],
    ...options,
  })
  const [removed, added] = translation.clusters ?? []
  assert.deepEqual(removed, { operation: 'remove', cluster: `outbound|6379||${host}` })
  assert.ok(added?.operation === 'add')
  return added.value
}

test('a Redis Cluster replaces the cluster of the same name', () => {
  assert.deepEqual(clusterOf({}), {
    name: `outbound|6379||${host}`,
    clusterType: {
      name: 'envoy.clusters.redis',
      typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.clusters.redis.v3.RedisClusterConfig' },
    },
    connectTimeout: '10s',
    lbPolicy: 'CLUSTER_PROVIDED',
    loadAssignment: {
      clusterName: `outbound|6379||${host}`,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: host, portValue: 6379 } } } }] }],
    },
    dnsLookupFamily: 'V4_PREFERRED',
    waitForWarmOnInit: false,
  })
})

/** `address port` of every seed. */
function seeds(cluster: Record<string, unknown>): string[] {
  const found = JSON.stringify(cluster).match(/"address":"[^"]*","portValue":\d+/g) ?? []
  return found.map((text) => text.replaceAll(/"(address|portValue)":|"/g, '').replace(',', ' '))
}

test('its seeds are those that are named, with the port of the service where they have none', () => {
  const discoveryEndpoints = ['seed-0.redis:7000', 'seed-1.redis', '[fd00::1]:7001', '[fd00::2]']
  const endpoints = [{ address: '10.0.0.1', port: 6379 }]
  const upstream = { hasLoadBalancer: false, tls: undefined, endpoints }
  assert.deepEqual(seeds(clusterOf({ upstream }, { discoveryEndpoints })), [
    'seed-0.redis 7000',
    'seed-1.redis 6379',
    'fd00::1 7001',
    'fd00::2 6379',
  ])
  assert.deepEqual(seeds(clusterOf({ upstream })), ['10.0.0.1 6379'])
})

test('the mutual TLS of a DestinationRule is kept where the cluster is replaced', () => {
  const tls: ClientTls = { mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://cluster.local/ns/data/sa/redis'] }
  const cluster = clusterOf({ upstream: { hasLoadBalancer: false, tls, endpoints: [] } })
  const text = JSON.stringify(cluster['transportSocket'])
  assert.match(text, /envoy\.transport_sockets\.tls/)
  assert.match(text, /"sni":"outbound_\.6379_\._\.cache\.data\.svc\.cluster\.local"/)
  assert.match(text, /"name":"default"/)
  assert.match(text, /"name":"ROOTCA"/)
  assert.match(text, /"sanType":"URI","matcher":\{"exact":"spiffe:/)
})

test('a rule of another kind is told that Redis has no attributes', () => {
  const origin = { kind: 'MetaRouter', namespace: 'data', name: 'routes' }
  const route = {
    origin,
    name: 'r',
    match: [],
    clusters: [],
    mirrors: [],
    timeoutMs: undefined,
    requestMutation: [],
    responseMutation: [],
    hashAttributes: [],
  }
  assert.deepEqual(
    translate({ routes: [route] }).findings.map(({ code }) => code),
    ['ENVOY_UNSUPPORTED'],
  )
})
