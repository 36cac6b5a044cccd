/**
 * Dubbo's own registry for Eureka is published for Dubbo 2.7 alone, and is not used here. What stands in: beside each real
 * Dubbo provider a Spring Cloud application, whose Eureka client registers the provider's port and parameters (as
 * metadata), renews them, and dies with it.
 */
import { eurekaApplication, eurekaServer, needPeer } from '@aeraki/testing'
import { registrySuite } from '../support/registry-suite.ts'

registrySuite({
  name: 'Eureka',
  skip: needPeer('eureka').skip || needPeer('java').skip,
  grace: 15,
  async create() {
    const server = await eurekaServer()
    return {
      settings: { type: 'eureka', servers: [server.url], refresh: '500ms' },
      url: server.url,
      async register({ host, port, parameters }) {
        const application = await eurekaApplication({
          name: host,
          servers: [server.url],
          metadata: { protocol: 'dubbo', ...parameters },
          registeredPort: port,
        })
        await application.start()
        return { stop: () => application.close() }
      },
      start: () => server.start(),
      stop: () => server.stop(),
      close: () => server.close(),
    }
  },
})
