import { consulAgent, needPeer } from '@aeraki/testing'
import { registrySuite } from '../support/registry-suite.ts'

registrySuite({
  name: 'Consul',
  skip: needPeer('consul').skip,
  // Dubbo's extension for Consul keeps no metadata of applications there, without which nobody can tell what an instance
  // serves: where it registers both, its interfaces count.
  modes: ['interface', 'interface', 'all'],
  async create() {
    // Dubbo registers itself once, so its registrations must outlive a stop.
    const agent = await consulAgent({ keeps: 'all' })
    return {
      settings: { type: 'consul', address: agent.url },
      // A provider that does not say for 4 s that it lives is critical.
      url: `${agent.url.replace('http:', 'consul:')}?consul-check-pass-interval=4000`,
      start: () => agent.start(),
      stop: () => agent.stop(),
      close: () => agent.close(),
    }
  },
})
