/** Spring Cloud applications that register themselves in a real ZooKeeper, in Curator's layout. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needPeer, springZookeeperApplication, zookeeperServer } from '@aeraki/testing'
import { toServiceEntries } from '../../src/bridge/service-entry.ts'
import { startBridge } from '../support/bridge.ts'
import { zookeeperWriter } from '../support/zookeeper-writer.ts'

const skip = needPeer('zookeeper').skip || needPeer('spring-zookeeper').skip || needPeer('java').skip

test(
  'a Spring application in ZooKeeper is a ServiceEntry from when it registers itself until it dies',
  { skip },
  async (t) => {
    const server = await zookeeperServer()
    t.after(() => server.close())
    await server.start()
    const servers = `127.0.0.1:${server.port}`
    const metadata = { aeraki_meta_app_version: 'v7', aeraki_meta_locality: 'bj/1', lane: 'blue' }
    const up = await springZookeeperApplication({ name: 'Orders_Web', servers, metadata })
    const out = await springZookeeperApplication({ name: 'Orders_Web', servers, status: 'OUT_OF_SERVICE' })
    t.after(() => Promise.all([up.close(), out.close()]))
    const mesh = startBridge({
      registries: [{ type: 'zookeeper', servers: [servers], sessionTimeout: '2s' }],
    })
    t.after(() => mesh.close())
    const { bridge, until, endpoints, rejections } = mesh
    await until('the bridge is ready', () => bridge.ready)

    await Promise.all([up.start(), out.start()])
    await until('it is there', () => endpoints('orders-web') !== undefined)
    await until('the one that is out of service is known, too', () => rejections().length > 0)
    assert.deepEqual(
      rejections().map(({ code }) => code),
      ['REGISTRATION_UNHEALTHY'],
    )
    const [entry, ...others] = [...bridge.services()].flatMap(toServiceEntries)
    assert.deepEqual(others, [])
    assert.equal(entry?.metadata.name, 'aeraki-orders-web')
    assert.deepEqual(entry.spec.hosts, ['orders-web'])
    assert.deepEqual(entry.spec.ports, [{ name: 'http', number: up.port, protocol: 'HTTP' }])
    assert.deepEqual(entry.spec.endpoints, [
      {
        address: '127.0.0.1',
        ports: { http: up.port },
        labels: { instance_status: 'UP', lane: 'blue', registryName: 'zookeeper', version: 'v7' },
        locality: 'bj/1',
        serviceAccount: 'default',
      },
    ])

    await up.stop()
    await until('it is gone', () => endpoints('orders-web') === undefined)
    await out.stop()
    await until('so is the other', () => rejections().length === 0)

    // The folders are containers: ZooKeeper itself removes them when they have been empty for a minute.
    const writer = await zookeeperWriter(servers)
    t.after(() => writer.close())
    await writer.remove('/services/Orders_Web')
    await writer.remove('/services')
    await up.start()
    await until('it is back', () => endpoints('orders-web')?.join() === `127.0.0.1:${up.port}`)
  },
)
