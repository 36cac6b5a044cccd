/** ZooKeeper's own server and client, with a real Envoy between them that counts what they say to each other. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  needPeer,
  startStaticEnvoy,
  startZooKeeper,
  type StaticEnvoy,
  staticCluster,
  zookeeperCli,
  type ZooKeeperServer,
} from '@aeraki/testing'
import { zookeeperEnvoy } from '../../src/zookeeper/envoy.ts'
import { chainOf } from '../support/envoy-filters.ts'
import { testPort } from '../support/envoy-port.ts'

const skip = needPeer('envoy').skip || needPeer('java').skip || needPeer('zookeeper').skip

describe('ZooKeeper through a stock Envoy', { skip }, () => {
  let server: ZooKeeperServer
  let envoy: StaticEnvoy
  const port = testPort({
    host: 'zookeeper.infra',
    number: 2181,
    annotations: { 'zookeeper.aeraki.io/latency-threshold': '10s', 'zookeeper.aeraki.io/opcode-metrics': 'true' },
  })

  before(async () => {
    server = await startZooKeeper()
    const translation = zookeeperEnvoy.translate(port)
    assert.ok(translation !== undefined)
    envoy = await startStaticEnvoy({
      listeners: [{ name: 'zookeeper', filters: chainOf(translation, port.cluster) }],
      clusters: [staticCluster(port.cluster, server.port)],
    })
  })

  after(async () => {
    await envoy?.stop()
    await server?.stop()
  })

  test('its command line works as ever, and every operation is counted', async () => {
    const lines = ['create /aeraki breeze', 'get /aeraki', 'set /aeraki wind', 'ls /', 'delete /aeraki', 'get /gone']
    const said = await zookeeperCli(envoy.portOf('zookeeper'), lines)
    assert.match(said, /Created \/aeraki/)
    assert.match(said, /breeze/)
    assert.match(said, /Node does not exist: \/gone/)
    const prefix = 'outbound|2181||zookeeper.infra.zookeeper.'
    const stats = await envoy.stats(/zookeeper\.infra\.zookeeper\./)
    const count = (name: string): number => stats.get(prefix + name) ?? 0
    for (const operation of ['connect', 'create', 'setdata', 'getchildren2', 'delete', 'close']) {
      assert.equal(count(`${operation}_rq`), 1, operation)
    }
    assert.ok(count('getdata_rq') >= 2)
    assert.equal(count('getdata_resp_fast') + count('getdata_resp_slow'), count('getdata_rq'))
    assert.ok(count('setdata_rq_bytes') > 0)
    assert.equal(count('decoder_error'), 0)
  })
})
