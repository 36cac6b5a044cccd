import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Configuration, type ConfigurationOptions } from '../src/config/configuration.ts'
import { clusterFromXds } from '../src/config/from-cluster.ts'
import { endpointsFromXds } from '../src/config/from-endpoints.ts'
import { listenerFromXds } from '../src/config/from-listener.ts'
import { clustersOf, routeTableFromHttp } from '../src/config/from-routes.ts'
import { Place } from '../src/config/refusal.ts'
import { until } from './support/harness.ts'
import { RecordingRuntime, settle } from './support/recording-runtime.ts'
import { edsCluster, endpoints, listener, routes, staticCluster } from './support/xds.ts'

const here = new Place('test')

class Harness {
  readonly runtime = new RecordingRuntime()
  readonly configuration: Configuration

  constructor(options: ConfigurationOptions = {}) {
    this.configuration = new Configuration(this.runtime, options)
  }
  cluster(...args: Parameters<typeof edsCluster>): void {
    this.configuration.setCluster(args[0], clusterFromXds(edsCluster(...args), here))
  }
  endpoints(...args: Parameters<typeof endpoints>): void {
    this.configuration.setEndpoints(endpointsFromXds(endpoints(...args), here))
  }
  routes(...args: Parameters<typeof routes>): void {
    this.configuration.setRouteTable(routeTableFromHttp(routes(...args), here))
  }
  listener(...args: Parameters<typeof listener>): void {
    this.configuration.setListener(listenerFromXds(listener(...args), here))
  }
  /** Everything of one service, in force. */
  async service(): Promise<void> {
    this.cluster('c')
    this.endpoints('c', '127.0.0.1:1')
    this.listener('l', { port: 1, rds: 'r' })
    this.routes('r', 'c')
    await settle()
    this.runtime.take()
  }
}

describe('configuration', () => {
  test('opens a listener when its table, its clusters and their endpoints are there, whatever came first', async () => {
    const steps: readonly ((h: Harness) => void)[] = [
      (h) => h.cluster('c'),
      (h) => h.endpoints('c', '127.0.0.1:1'),
      (h) => h.listener('l', { port: 1, rds: 'r' }),
      (h) => h.routes('r', 'c'),
    ]
    // A control plane answers RDS after LDS and EDS after CDS, for it is asked for them then.
    const orders = fc
      .shuffledSubarray([0, 1, 2, 3], { minLength: 4 })
      .filter((order) => order.indexOf(0) < order.indexOf(1) && order.indexOf(2) < order.indexOf(3))
    await fc.assert(
      fc.asyncProperty(orders, async (order) => {
        const h = new Harness()
        for (const step of order) {
          assert.ok(!h.runtime.calls.includes('set listener l'))
          steps[step]?.(h)
          await settle()
        }
        const { calls } = h.runtime
        assert.ok(calls.indexOf('set table r') > calls.indexOf('set endpoints c'))
        assert.ok(calls.indexOf('set table r') > calls.indexOf('set cluster c'))
        assert.equal(calls.at(-1), 'set listener l')
        h.configuration.close()
      }),
      { numRuns: 20 },
    )
  })

  test('says what a warming listener waits for', async () => {
    const h = new Harness()
    h.listener('l', { port: 1, rds: 'r' })
    await settle()
    assert.deepEqual([...h.configuration.warming()], [['l', 'route table "r"']])
    assert.equal(h.configuration.isWarming(), true)
    assert.deepEqual(h.runtime.calls, [])
    h.configuration.close()
  })

  test('keeps the old table until the new cluster has its endpoints', async () => {
    const h = new Harness()
    await h.service()
    h.routes('r', 'new', 'c')
    h.cluster('new')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set cluster new'])
    h.endpoints('new', '127.0.0.1:2')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set endpoints new', 'set table r'])
    h.configuration.close()
  })

  test('removes a cluster only when no table sends requests to it', async () => {
    const h = new Harness()
    await h.service()
    h.cluster('new')
    h.configuration.removeCluster('c')
    h.endpoints('new', '127.0.0.1:2')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set endpoints new', 'set cluster new'])
    h.routes('r', 'new')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set table r', 'remove cluster c', 'remove endpoints c'])
    h.configuration.close()
  })

  test('keeps a cluster that comes back while its removal waits', async () => {
    const h = new Harness()
    await h.service()
    h.configuration.removeCluster('c')
    await settle()
    h.cluster('c')
    await settle()
    h.routes('r', 'c')
    await settle()
    assert.ok(!h.runtime.calls.includes('remove cluster c'))
    h.configuration.close()
  })

  test('lets a cluster change the name of its endpoints only when those are there', async () => {
    const h = new Harness()
    await h.service()
    h.cluster('c', 'other')
    await settle()
    assert.deepEqual(h.runtime.take(), [])
    assert.deepEqual([...h.configuration.needs().endpoints], ['other'])
    h.endpoints('other', '127.0.0.1:3')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set endpoints other', 'set cluster c', 'remove endpoints c'])
    h.configuration.close()
  })

  test('removes with a listener its table, and nothing of another', async () => {
    const h = new Harness()
    await h.service()
    h.listener('m', { port: 2, rds: 'r' })
    await settle()
    h.configuration.removeListener('l')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set listener m', 'remove listener l'])
    h.configuration.removeListener('m')
    await settle()
    assert.deepEqual(h.runtime.take(), ['remove listener m', 'remove table r'])
    assert.deepEqual([...h.configuration.needs().routeTables], [])
    h.configuration.close()
  })

  test('serves a listener with another table when that is there, and then lets the old one go', async () => {
    const h = new Harness()
    await h.service()
    h.listener('l', { port: 1, rds: 'r2' })
    await settle()
    assert.deepEqual(h.runtime.take(), [])
    h.routes('r2', 'c')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set table r2', 'set listener l', 'remove table r'])
    h.configuration.close()
  })

  test('looks at no listener when a rule changes, however many there are', async () => {
    const h = new Harness()
    let looks = 0
    h.cluster('c')
    h.endpoints('c', '127.0.0.1:1')
    for (let i = 0; i < 100; i += 1) {
      const { filter, ...rest } = listenerFromXds(listener(`l${i}`, { port: i + 1, rds: `r${i}` }), here)
      h.configuration.setListener({
        ...rest,
        get filter() {
          looks += 1
          return filter
        },
      })
      h.routes(`r${i}`, 'c')
    }
    await settle()
    assert.ok(looks > 100)
    assert.equal(h.runtime.take().filter((call) => call.startsWith('set listener')).length, 100)
    looks = 0
    h.routes('r7', 'c')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set table r7'])
    assert.equal(looks, 0)
    h.configuration.close()
  })

  test('does not wait for ever: not for a table, not for endpoints, not for a cluster that nobody has', async () => {
    const h = new Harness({ fetchTimeoutMs: 20, clusterWaitMs: 10 })
    h.listener('no table', { port: 1, rds: 'never' })
    h.listener('no endpoints', { port: 2, rds: 'r' })
    h.cluster('empty')
    h.routes('r', 'empty', 'unknown')
    await settle()
    assert.deepEqual(h.runtime.take(), ['set cluster empty'])
    await until(() => h.runtime.calls.length === 3)
    await settle()
    assert.deepEqual([...h.runtime.calls].sort(), ['set listener no endpoints', 'set listener no table', 'set table r'])
    h.configuration.close()
  })

  test('tries a listener again that could not be bound, and serves the old one meanwhile', async () => {
    const heard: string[] = []
    const h = new Harness({
      bindRetryMs: 20,
      onListener: (name, error) => heard.push(`${name} ${error?.message ?? 'serves'}`),
    })
    h.configuration.setCluster('c', clusterFromXds(staticCluster('c', '127.0.0.1:1'), here))
    h.runtime.unbindable.add('l')
    h.listener('l', { port: 1, cluster: 'c' })
    await settle()
    assert.deepEqual([...h.configuration.warming()], [['l', "can't bind l"]])
    assert.equal(h.configuration.isWarming(), false)
    h.runtime.unbindable.clear()
    await until(() => heard.length === 2)
    assert.deepEqual(heard, ["l can't bind l", 'l serves'])
    assert.equal(h.configuration.warming().size, 0)
    h.configuration.close()
  })

  test('forgets a listener that could not be bound and is removed', async () => {
    const h = new Harness({ bindRetryMs: 60_000 })
    h.configuration.setCluster('c', clusterFromXds(staticCluster('c', '127.0.0.1:1'), here))
    h.runtime.unbindable.add('l')
    h.listener('l', { port: 1, cluster: 'c' })
    await settle()
    h.runtime.take()
    h.configuration.removeListener('l')
    await settle()
    assert.deepEqual(h.runtime.take(), ['remove listener l'])
    h.configuration.close()
  })

  test('looks names in DNS up again, and keeps the last good answer', async () => {
    const answers = [['10.0.0.2', '10.0.0.1'], undefined, ['10.0.0.1', '10.0.0.2'], ['10.0.0.3']]
    const lookup = async (): Promise<readonly string[]> => {
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      if (answer === undefined) throw new Error('SERVFAIL')
      return answer
    }
    const h = new Harness({ lookup })
    const message = staticCluster('c')
    const config = clusterFromXds(message, here).config
    h.configuration.setCluster('c', {
      config: { ...config, endpoints: { kind: 'eds', name: 'dns!c' } },
      dns: {
        assignment: {
          name: 'dns!c',
          localities: [
            {
              region: '',
              zone: '',
              subZone: '',
              priority: 0,
              weight: undefined,
              endpoints: [{ address: { host: 'a.b', port: 1 }, weight: 1, health: 'healthy' }],
            },
          ],
        },
        refreshMs: 5,
        family: 'any',
        take: 'all',
      },
    })
    const hosts = (): unknown =>
      h.runtime.endpoints.get('dns!c')?.localities[0]?.endpoints.map(({ address }) => address.host)
    await settle()
    assert.deepEqual(hosts(), ['10.0.0.1', '10.0.0.2'])
    await until(() => h.runtime.calls.filter((call) => call === 'set endpoints dns!c').length === 2)
    assert.deepEqual(hosts(), ['10.0.0.3'])
    // The same answer once more changes nothing.
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(h.runtime.calls.filter((call) => call === 'set endpoints dns!c').length, 2)
    assert.deepEqual([...h.configuration.needs().endpoints], [], 'nobody asks the control plane for them')
    h.configuration.close()
  })

  test('in no order of updates ever has a table in force whose clusters the runtime does not have', async () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('cluster' as const), name: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ kind: fc.constant('endpoints' as const), name: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ kind: fc.constant('remove' as const), name: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ kind: fc.constant('routes' as const), name: fc.constantFrom('a', 'b', 'c') }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
        const h = new Harness()
        await h.service()
        for (const { kind, name } of actions) {
          if (kind === 'cluster') h.cluster(name)
          else if (kind === 'endpoints') h.endpoints(name, '127.0.0.1:1')
          else if (kind === 'remove') h.configuration.removeCluster(name)
          else h.routes('r', name)
          await settle()
          for (const table of h.runtime.tables.values()) {
            for (const cluster of clustersOf(table)) {
              assert.ok(h.runtime.clusters.has(cluster), `${cluster} is gone`)
              assert.ok(h.runtime.endpoints.has(cluster), `endpoints of ${cluster} are gone`)
            }
          }
        }
        h.configuration.close()
      }),
      { numRuns: 50 },
    )
  })
})
