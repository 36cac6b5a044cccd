/**
 * Envoy's standard image has no filters for MySQL, PostgreSQL and Kafka, so their configurations are judged by the messages
 * that Envoy publishes for them: unknown fields and values that break its rules are refused.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { needPeer } from '@aeraki/testing'
import type { EnvoyProtocol } from '../../src/envoy/contract.ts'
import { kafkaEnvoy } from '../../src/kafka/envoy.ts'
import { mysqlEnvoy } from '../../src/mysql/envoy.ts'
import { postgresEnvoy } from '../../src/postgres/envoy.ts'
import { testPort } from '../support/envoy-port.ts'

const judge = needPeer('envoy-contrib')

/** A type and its JSON on each line. */
function judged(lines: readonly string[]): readonly string[] {
  const { stdout, status } = spawnSync(join(judge.path, 'check'), { input: `${lines.join('\n')}\n`, encoding: 'utf8' })
  assert.equal(status, 0)
  return stdout.trim().split('\n')
}

const everyOption: readonly [EnvoyProtocol, Readonly<Record<string, string>>][] = [
  [mysqlEnvoy, {}],
  [postgresEnvoy, {}],
  [postgresEnvoy, { 'postgres.aeraki.io/sql-parsing': 'false' }],
  [kafkaEnvoy, { 'kafka.aeraki.io/image-has-filter': 'true' }],
  [
    kafkaEnvoy,
    {
      'kafka.aeraki.io/image-has-filter': 'true',
      'kafka.aeraki.io/api-keys-allowed': '0,1,32767',
      'kafka.aeraki.io/api-keys-denied': '20',
    },
  ],
]

test('Envoy takes every filter of MySQL, PostgreSQL and Kafka', { skip: judge.skip }, () => {
  const lines = everyOption.map(([protocol, annotations]) => {
    const filter = protocol.translate(testPort({ annotations }))?.before?.[0]
    assert.ok(filter !== undefined)
    return `${filter.typeUrl.slice(filter.typeUrl.indexOf('/') + 1)}\t${JSON.stringify(filter.config)}`
  })
  assert.deepEqual(
    judged(lines),
    lines.map(() => 'ok'),
  )
})

test('the judge refuses what Envoy would', { skip: judge.skip }, () => {
  const type = 'envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker'
  const answers = judged([
    `${type}\t{"statPrefix":"x","unknown":1}`,
    `${type}\t{"statPrefix":"x","apiKeysAllowed":[40000]}`,
  ])
  assert.match(answers[0] ?? '', /unknown field/)
  assert.match(answers[1] ?? '', /ApiKeysAllowed/)
})
