import { nacosServer, needPeer } from '@aeraki/testing'
import { registrySuite } from '../support/registry-suite.ts'

registrySuite({
  name: 'Nacos',
  skip: needPeer('nacos').skip,
  async create() {
    const server = await nacosServer()
    return {
      // Nobody has to log in at this server, and it refuses those who try: credentials must do no harm.
      settings: { type: 'nacos', servers: [server.url], refresh: '1s', username: 'nacos', password: 'nacos' },
      url: `nacos://127.0.0.1:${server.port}`,
      start: () => server.start(),
      stop: () => server.stop(),
      close: () => server.close(),
    }
  },
})
