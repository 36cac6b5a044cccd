import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cluster, Harness, route, until } from './support/harness.ts'
import { echo } from './support/kv-peers.ts'
import { kvProtocol } from './support/kv-protocol.ts'

for (const model of ['multiplexed', 'exclusive', 'bound'] as const) {
  describe(`a ${model} protocol`, () => {
    test('a request goes to the cluster of its route and the response comes back', async (t) => {
      const mesh = new Harness(t, { protocol: kvProtocol(model) })
      const one = await mesh.server(echo('one'))
      mesh.runtime.setCluster(cluster('one', [one.port]))
      await mesh.listen([route('one', { method: 'a' })])
      const client = await mesh.client()
      const response = await client.call({ method: 'a' }, 'hello')
      assert.equal(response.pairs['server'], 'one')
      assert.equal(response.body, 'hello')
      assert.equal(response.status, 'ok')
      assert.equal(mesh.stat('outcome.response'), 1)
      assert.equal(mesh.stat('request_active'), 0)
      assert.equal(mesh.clusterStat('one', 'upstream_rq_total'), 1)
    })

    test('a request that no route matches gets an error in its own protocol', async (t) => {
      const mesh = new Harness(t, { protocol: kvProtocol(model) })
      await mesh.listen([route('one', { method: 'a' })])
      const client = await mesh.client()
      const response = await client.call({ method: 'b' })
      assert.equal(response.status, 'error')
      assert.equal(response.pairs['type'], 'route-not-found')
      assert.equal(response.pairs['operation'], 'b')
      assert.equal(mesh.stat('outcome.local_reply'), 1)
    })

    test('many requests of many clients all get their own answers', async (t) => {
      const mesh = new Harness(t, { protocol: kvProtocol(model) })
      const servers = await Promise.all(['one', 'two', 'three'].map((name) => mesh.server(echo(name))))
      mesh.runtime.setCluster(
        cluster(
          'all',
          servers.map(({ port }) => port),
        ),
      )
      await mesh.listen([route('all')])
      const clients = await Promise.all(Array.from({ length: 20 }, () => mesh.client()))
      await Promise.all(
        clients.map(async (client, c) => {
          const bodies = Array.from({ length: 50 }, (_, i) => `${c}/${i}`)
          const responses = await Promise.all(bodies.map((body) => client.call({ method: 'm' }, body)))
          assert.deepEqual(
            responses.map(({ body }) => body),
            bodies,
          )
        }),
      )
      assert.equal(mesh.stat('outcome.response'), 1000)
      assert.equal(mesh.stat('request'), 1000)
      await until(() => mesh.clusterStat('all', 'upstream_rq_active') === 0)
    })
  })
}
