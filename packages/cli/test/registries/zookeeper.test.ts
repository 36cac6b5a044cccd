import { needPeer, zookeeperServer } from '@aeraki/testing'
import { registrySuite } from '../support/registry-suite.ts'

registrySuite({
  name: 'ZooKeeper',
  skip: needPeer('zookeeper').skip,
  async create() {
    // Dubbo asks for sessions of a minute: those of a provider that was killed are to end sooner.
    const server = await zookeeperServer({ settings: ['maxSessionTimeout=5000'] })
    return {
      settings: { type: 'zookeeper', servers: [`127.0.0.1:${server.port}`], sessionTimeout: '3s' },
      url: `zookeeper://127.0.0.1:${server.port}`,
      start: () => server.start(),
      stop: () => server.stop(),
      close: () => server.close(),
    }
  },
})
