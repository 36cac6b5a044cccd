import { etcdServer, needPeer } from '@aeraki/testing'
import { registrySuite } from '../support/registry-suite.ts'

registrySuite({
  name: 'etcd',
  skip: needPeer('etcd').skip || needPeer('dubbo-etcd').skip,
  // Dubbo's extension registers interfaces alone in what it calls etcd3, and instances in what it calls etcd, without their
  // metadata: nobody can tell what they serve.
  modes: ['interface', 'interface', 'all'],
  async create() {
    const server = await etcdServer()
    return {
      settings: { type: 'etcd', servers: [server.address] },
      // Dubbo asks for leases of a minute: those of a provider that was killed are to end sooner.
      url: `etcd3://${server.address}?session=4000`,
      start: () => server.start(),
      stop: () => server.stop(),
      close: () => server.close(),
    }
  },
})
