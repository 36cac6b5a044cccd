/** Whatever a translation gives, real Envoy takes it, without a word of deprecated fields. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { needPeer, validateWithEnvoy } from '@aeraki/testing'
import { dubboEnvoy } from '../../src/dubbo/envoy.ts'
import { mongoEnvoy } from '../../src/mongo/envoy.ts'
import { thriftEnvoy } from '../../src/thrift/envoy.ts'
import { zookeeperEnvoy } from '../../src/zookeeper/envoy.ts'
import type { AttributeCondition, EnvoyProtocol, EnvoyRoute } from '../../src/envoy/contract.ts'
import { chainOf, filterJson } from '../support/envoy-filters.ts'
import { testPort, testRoute } from '../support/envoy-port.ts'

const envoy = needPeer('envoy')
const options = { skip: envoy.skip }

const clusters = ['outbound|20880|v1|demo.shop.svc.cluster.local', 'outbound|20880|v2|demo.shop.svc.cluster.local']
const own = ['outbound|20880||demo.shop.svc.cluster.local', 'inbound|20880||']

const value = fc.constantFrom('', 'x', 'sayHello', 'a.b', 'grün', '*')
const condition = fc.record({
  name: fc.constantFrom('method', 'service', 'interface', 'group', 'version', 'path', 'batchjob', 'x-user'),
  matcher: fc.oneof(
    fc.record({ kind: fc.constantFrom('exact' as const, 'prefix' as const), value }),
    fc.record({ kind: fc.constant('regex' as const), pattern: fc.constantFrom('.*', '^say(Hello|Bye)$', '[a-z]+') }),
    fc.constant({ kind: 'present' as const }),
  ),
  invert: fc.boolean(),
}) satisfies fc.Arbitrary<AttributeCondition>

const route = fc
  .record({
    match: fc.array(condition, { maxLength: 3 }),
    clusters: fc
      .subarray(clusters, { minLength: 1 })
      .chain((names) =>
        fc.tuple(
          ...names.map((cluster) =>
            fc.record({ cluster: fc.constant(cluster), weight: fc.integer({ min: 1, max: 100 }) }),
          ),
        ),
      ),
    mirrors: fc.array(
      fc.record({ cluster: fc.constantFrom(...clusters), percent: fc.double({ min: 0.01, max: 100, noNaN: true }) }),
      { maxLength: 2 },
    ),
    timeoutMs: fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }),
  })
  .map((fields): EnvoyRoute => testRoute(fields))

const routes = fc.option(fc.array(route, { maxLength: 4 }), { nil: undefined })

const protocols: readonly { readonly protocol: EnvoyProtocol; readonly annotations: Record<string, string> }[] = [
  { protocol: dubboEnvoy, annotations: { interface: 'org.example.Demo' } },
  { protocol: thriftEnvoy, annotations: {} },
  {
    protocol: mongoEnvoy,
    annotations: {
      'mongo.aeraki.io/commands': 'find,insert',
      'mongo.aeraki.io/access-log': '/dev/null',
      'mongo.aeraki.io/dynamic-metadata': 'true',
      'mongo.aeraki.io/delay': '10ms',
      'mongo.aeraki.io/delay-percentage': '12.5',
    },
  },
  {
    protocol: zookeeperEnvoy,
    annotations: {
      'zookeeper.aeraki.io/latency-threshold': '50ms',
      'zookeeper.aeraki.io/max-packet-bytes': '2097152',
      'zookeeper.aeraki.io/opcode-metrics': 'true',
    },
  },
]

for (const { protocol, annotations } of protocols) {
  test(`Envoy takes every ${protocol.name} filter`, options, () => {
    // One start of Envoy for many ports: it takes half a second.
    const ports = fc.sample(
      fc.record({ direction: fc.constantFrom('outbound' as const, 'inbound' as const), routes }),
      {
        numRuns: 300,
        seed: 1,
      },
    )
    const chains = ports.flatMap(({ direction, routes: given }) => {
      const port = testPort({ annotations, direction, routes: direction === 'inbound' ? undefined : given })
      const translation = protocol.translate(port)
      assert.ok(translation !== undefined)
      const { dynamic } = translation.terminal ?? {}
      const fetching = dynamic?.filter({ ads: {}, resourceApiVersion: 'V3' })
      return [chainOf(translation, port.cluster), ...(fetching === undefined ? [] : [[filterJson(fetching)]])]
    })
    assert.equal(validateWithEnvoy(envoy.path, { chains, clusters: [...clusters, ...own] }), undefined)
  })
}
