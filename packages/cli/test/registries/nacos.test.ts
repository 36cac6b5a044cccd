import { nacosServer, needPeer } from '@aeraki/testing'
import { registrySuite } from '../support/registry-suite.ts'

registrySuite({
  name: 'Nacos',
  skip: needPeer('nacos').skip,
  async create() {
    const server = await nacosServer()
    return {
      settings: { type: 'nacos', servers: [server.url], refresh: '1s' },
      url: `nacos://127.0.0.1:${server.port}`,
      start: () => server.start(),
      stop: () => server.stop(),
      close: () => server.close(),
    }
  },
})
