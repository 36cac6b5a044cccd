/** MongoDB's own driver and a server of its protocol, with a real Envoy between them that counts what they say to each other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  mongoSession,
  type MongoVersion,
  needPeer,
  startMongoServer,
  startStaticEnvoy,
  staticCluster,
} from '@aeraki/testing'
import { mongoEnvoy } from '../../src/mongo/envoy.ts'
import { chainOf } from '../support/envoy-filters.ts'
import { testPort } from '../support/envoy-port.ts'

const peers = ['envoy', 'java', 'mongo', 'python'] as const
const skip = peers.map((name) => needPeer(name).skip).find((each) => each !== false) ?? false

interface Observed {
  /** Of the filter, without the prefix. */
  readonly count: (name: string) => number
  readonly names: readonly string[]
}

/** The session that the driver has with a server of the version, through an Envoy; then what the filter has counted. */
async function observe(version: MongoVersion, annotations: Readonly<Record<string, string>> = {}): Promise<Observed> {
  const port = testPort({ host: 'db.data', number: 27_017, annotations })
  const translation = mongoEnvoy.translate(port)
  assert.ok(translation !== undefined)
  assert.deepEqual(port.findings, [])
  const server = await startMongoServer(version)
  const envoy = await startStaticEnvoy({
    listeners: [{ name: 'mongo', filters: chainOf(translation, port.cluster) }],
    clusters: [staticCluster(port.cluster, server.port)],
  })
  try {
    const { cups, names } = await mongoSession(envoy.portOf('mongo'))
    assert.deepEqual({ cups, names }, { cups: [2, 3, 5], names: ['coffee', 'tea'] })
    const prefix = 'mongo.outbound|27017||db.data.'
    const stats = await envoy.stats(/^mongo\./)
    return {
      count: (name) => stats.get(prefix + name) ?? 0,
      names: [...stats.keys()].map((name) => name.slice(prefix.length)),
    }
  } finally {
    await envoy.stop()
    await server.stop()
  }
}

describe('MongoDB through a stock Envoy', { skip }, () => {
  test('queries and commands of a driver that speaks to MongoDB before 3.6 are counted by name', async () => {
    const { count, names } = await observe('3.4', { 'mongo.aeraki.io/commands': 'insert,update,delete,distinct' })
    assert.equal(count('decoding_error'), 0)
    assert.equal(count('cmd.insert.total'), 2)
    assert.equal(count('cmd.update.total'), 1)
    assert.equal(count('cmd.delete.total'), 1)
    assert.equal(count('cmd.distinct.total'), 1)
    assert.equal(count('collection.things.query.total'), 1, names.join())
    assert.ok(count('op_query') >= 6)
    assert.equal(count('op_reply'), count('op_query'))
  })

  test('a fault delays queries', async () => {
    const { count } = await observe('3.4', { 'mongo.aeraki.io/delay': '10ms' })
    assert.ok(count('delays_injected') > 0)
  })

  test('what newer drivers and servers say passes, and counts as a decoding error', async () => {
    const { count } = await observe('3.6')
    assert.ok(count('decoding_error') > 0)
    assert.equal(count('cmd.insert.total'), 0)
  })
})
