/** Filters that read along: where they stand, and what annotations make of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EnvoyProtocol } from '../../src/envoy/contract.ts'
import { kafkaEnvoy } from '../../src/kafka/envoy.ts'
import { mongoEnvoy } from '../../src/mongo/envoy.ts'
import { mysqlEnvoy } from '../../src/mysql/envoy.ts'
import { postgresEnvoy } from '../../src/postgres/envoy.ts'
import { zookeeperEnvoy } from '../../src/zookeeper/envoy.ts'
import { testPort, testRoute } from '../support/envoy-port.ts'

const cluster = 'outbound|20880||demo.shop.svc.cluster.local'

function configOf(protocol: EnvoyProtocol, annotations: Readonly<Record<string, string>> = {}) {
  const port = testPort({ annotations })
  const translation = protocol.translate(port)
  assert.equal(translation?.terminal, undefined)
  return { config: translation?.before?.[0]?.config, findings: port.findings.map(({ finding }) => finding) }
}

for (const [protocol, type] of [
  [zookeeperEnvoy, 'zookeeper_proxy.v3.ZooKeeperProxy'],
  [mongoEnvoy, 'mongo_proxy.v3.MongoProxy'],
  [mysqlEnvoy, 'mysql_proxy.v3.MySQLProxy'],
  [postgresEnvoy, 'postgres_proxy.v3alpha.PostgresProxy'],
] as const) {
  test(`${protocol.name} is observed before tcp_proxy, on both sides`, () => {
    for (const direction of ['outbound', 'inbound'] as const) {
      const port = testPort({ direction })
      assert.deepEqual(protocol.translate(port), {
        before: [
          {
            name: `envoy.filters.network.${protocol.name}_proxy`,
            typeUrl: `type.googleapis.com/envoy.extensions.filters.network.${type}`,
            config: { statPrefix: port.cluster },
          },
        ],
      })
      assert.deepEqual(port.findings, [])
    }
  })

  test(`routes for ${protocol.name} are said to have no effect`, () => {
    const port = testPort({ routes: [testRoute()] })
    assert.ok(protocol.translate(port) !== undefined)
    assert.deepEqual(
      port.findings.map(({ finding }) => finding.code),
      ['ENVOY_UNSUPPORTED'],
    )
  })
}

test('ZooKeeper takes thresholds, sizes and metrics by opcode', () => {
  const { config, findings } = configOf(zookeeperEnvoy, {
    'zookeeper.aeraki.io/latency-threshold': '50ms',
    'zookeeper.aeraki.io/max-packet-bytes': '4194304',
    'zookeeper.aeraki.io/opcode-metrics': 'true',
  })
  assert.deepEqual(findings, [])
  assert.deepEqual(config, {
    statPrefix: cluster,
    maxPacketBytes: 4_194_304,
    enableLatencyThresholdMetrics: true,
    defaultLatencyThreshold: '0.050s',
    enablePerOpcodeRequestBytesMetrics: true,
    enablePerOpcodeResponseBytesMetrics: true,
    enablePerOpcodeDecoderErrorMetrics: true,
  })
})

test('MongoDB takes commands, an access log, metadata and a delay', () => {
  const { config, findings } = configOf(mongoEnvoy, {
    'mongo.aeraki.io/commands': 'find, aggregate,find',
    'mongo.aeraki.io/access-log': '/dev/stdout',
    'mongo.aeraki.io/dynamic-metadata': 'true',
    'mongo.aeraki.io/delay': '200ms',
    'mongo.aeraki.io/delay-percentage': '2.5',
  })
  assert.deepEqual(findings, [])
  assert.deepEqual(config, {
    statPrefix: cluster,
    accessLog: '/dev/stdout',
    delay: { fixedDelay: '0.200s', percentage: { numerator: 25_000, denominator: 'MILLION' } },
    emitDynamicMetadata: true,
    commands: ['find', 'aggregate'],
  })
})

test('PostgreSQL may leave statements unparsed', () => {
  assert.deepEqual(configOf(postgresEnvoy, { 'postgres.aeraki.io/sql-parsing': 'false' }).config, {
    statPrefix: cluster,
    enableSqlParsing: false,
  })
})

test('Kafka is left alone until the image is said to have the filter', () => {
  const { config, findings } = configOf(kafkaEnvoy)
  assert.equal(config, undefined)
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['ENVOY_MISSING_FILTER'],
  )
  const allowed = configOf(kafkaEnvoy, {
    'kafka.aeraki.io/image-has-filter': 'true',
    'kafka.aeraki.io/api-keys-allowed': '0,1, 3',
    'kafka.aeraki.io/api-keys-denied': '20',
  })
  assert.deepEqual(allowed, {
    config: { statPrefix: cluster, apiKeysAllowed: [0, 1, 3], apiKeysDenied: [20] },
    findings: [],
  })
})

test('annotations that are wrong are named and have no effect', () => {
  const bad: Readonly<Record<string, string>> = {
    'zookeeper.aeraki.io/latency-threshold': 'soon',
    'zookeeper.aeraki.io/max-packet-bytes': '-1',
    'zookeeper.aeraki.io/opcode-metrics': 'yes',
    'zookeeper.aeraki.io/latency': '1s',
    'other.aeraki.io/latency': '1s',
  }
  const { config, findings } = configOf(zookeeperEnvoy, bad)
  assert.deepEqual(config, { statPrefix: cluster })
  assert.deepEqual(
    findings.map(({ code, value }) => [code, value]),
    [
      ['ENVOY_BAD_ANNOTATION', 'soon'],
      ['ENVOY_BAD_ANNOTATION', '-1'],
      ['ENVOY_BAD_ANNOTATION', 'yes'],
      ['ENVOY_BAD_ANNOTATION', 'zookeeper.aeraki.io/latency'],
    ],
  )
  assert.match(findings[3]?.remedy ?? '', /zookeeper\.aeraki\.io\/latency-threshold/)
})
