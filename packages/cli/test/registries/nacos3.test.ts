import { nacosServer, needPeer } from '@aeraki/testing'
import { registrySuite } from '../support/registry-suite.ts'

registrySuite({
  name: 'Nacos 3',
  skip: needPeer('nacos3').skip,
  async create() {
    const server = await nacosServer({ release: 3 })
    return {
      settings: { type: 'nacos', servers: [server.url], refresh: '1s' },
      url: `nacos://127.0.0.1:${server.port}`,
      start: () => server.start(),
      stop: () => server.stop(),
      close: () => server.close(),
    }
  },
})
