import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadValue } from '@aeraki/api'
import type { AttributeCondition, EnvoyRoute } from '../../src/envoy/contract.ts'
import { thriftEnvoy } from '../../src/thrift/envoy.ts'
import { testPort, type TestPortOptions, testRoute } from '../support/envoy-port.ts'

const cluster = 'outbound|9090||demo.shop.svc.cluster.local'

function condition(
  name: string,
  value: string,
  kind: 'exact' | 'prefix' = 'exact',
  invert = false,
): AttributeCondition {
  return { name, matcher: { kind, value }, invert }
}

function matching(...match: AttributeCondition[]): EnvoyRoute {
  return testRoute({ match, clusters: [{ cluster: 'v2', weight: 1 }] })
}

function translated(options: TestPortOptions) {
  const port = testPort({ number: 9090, ...options })
  const terminal = thriftEnvoy.translate(port)?.terminal
  const config = terminal?.config as
    | { routeConfig: { routes?: { match: object; route: object }[]; validateClusters?: boolean } }
    | undefined
  return {
    terminal,
    routes: config?.routeConfig.routes ?? [],
    matches: (config?.routeConfig.routes ?? []).map(({ match }) => match),
    codes: port.findings.map(({ finding }) => finding.code),
  }
}

test('without a rule every call goes to the service, and a cluster that is missing never costs the listener', () => {
  const { terminal } = translated({})
  assert.deepEqual(terminal?.config, {
    statPrefix: cluster,
    routeConfig: {
      name: cluster,
      routes: [{ match: { methodName: '' }, route: { cluster } }],
      validateClusters: false,
    },
    thriftFilters: [
      {
        name: 'envoy.filters.thrift.router',
        typedConfig: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.network.thrift_proxy.router.v3.Router',
          closeDownstreamOnUpstreamError: false,
        },
      },
    ],
  })
})

test('methods, services and headers are matched, and may be inverted', () => {
  const { matches, codes } = translated({
    routes: [
      matching(condition('method', 'sayHello'), condition('batchjob', 'true', 'prefix')),
      matching(condition('method', 'sayHello', 'exact', true)),
      matching(condition('method', ''), condition('user', 'x', 'exact', true)),
      matching(),
    ],
  })
  assert.deepEqual(codes, [])
  assert.deepEqual(matches, [
    { methodName: 'sayHello', headers: [{ name: 'batchjob', stringMatch: { prefix: 'true' } }] },
    { methodName: 'sayHello', invert: true },
    { methodName: '', headers: [{ name: 'user', stringMatch: { exact: 'x' }, invertMatch: true }] },
    { methodName: '' },
  ])
})

test('a multiplexed call is named by its service and its method', () => {
  const { matches, codes } = translated({
    routes: [
      matching(condition('method', 'sayHello'), condition('service', 'Greeter')),
      matching(condition('service', 'Greeter')),
      matching(condition('service', 'Greeter', 'exact', true)),
    ],
  })
  assert.deepEqual(codes, [])
  assert.deepEqual(matches, [
    { methodName: 'Greeter:sayHello' },
    { serviceName: 'Greeter' },
    { serviceName: 'Greeter', invert: true },
  ])
})

test('what Envoy cannot check is left out and reported, never widened', () => {
  for (const match of [
    [condition('method', 'say', 'prefix')],
    [{ name: 'method', matcher: { kind: 'regex' as const, pattern: 'say.*' }, invert: false }],
    [condition('service', '')],
    [condition('service', 'A', 'exact', true), condition('method', 'b', 'exact', true)],
    [condition('method', 'a'), condition('method', 'b')],
  ]) {
    const { matches, codes } = translated({ routes: [matching(...match), matching()] })
    assert.deepEqual(codes, ['ENVOY_UNSUPPORTED_MATCH'], JSON.stringify(match))
    assert.deepEqual(matches, [{ methodName: '' }])
  }
  // Where calls are multiplexed, a method alone names none of them.
  const mixed = translated({ routes: [matching(condition('method', 'a')), matching(condition('service', 'S'))] })
  assert.deepEqual(mixed.codes, ['ENVOY_UNSUPPORTED_MATCH'])
  assert.deepEqual(mixed.matches, [{ serviceName: 'S' }])
})

test('weights and mirrors are kept, the rest is reported', () => {
  const { routes, codes } = translated({
    routes: [
      testRoute({
        clusters: [
          { cluster: 'v1', weight: 30 },
          { cluster: 'v2', weight: 70 },
        ],
        mirrors: [{ cluster: 'v3', percent: 12.5 }],
        timeoutMs: 10,
      }),
    ],
  })
  assert.deepEqual(codes, ['ENVOY_UNSUPPORTED'])
  assert.deepEqual(routes[0]?.route, {
    weightedClusters: {
      clusters: [
        { name: 'v1', weight: 30 },
        { name: 'v2', weight: 70 },
      ],
    },
    requestMirrorPolicies: [
      { cluster: 'v3', runtimeFraction: { defaultValue: { numerator: 125_000, denominator: 'MILLION' } } },
    ],
  })
})

test('routes that are fetched apart are the same routes', () => {
  const { terminal } = translated({ direction: 'inbound', targetPort: 9091 })
  assert.deepEqual(terminal?.dynamic?.config, terminal?.config['routeConfig'])
  assert.deepEqual(terminal?.dynamic?.filter({ ads: {} }).config['trds'], {
    configSource: { ads: {} },
    routeConfigName: 'inbound|9091||',
  })
})

test('rate limits of a MetaRouter are reported, as nobody enforces them', () => {
  const { objects } = loadValue(
    {
      apiVersion: 'metaprotocol.aeraki.io/v1alpha1',
      kind: 'MetaRouter',
      metadata: { name: 'limits' },
      spec: {
        hosts: ['demo.shop.svc.cluster.local'],
        localRateLimit: { tokenBucket: { maxTokens: 1, tokensPerFill: 1, fillInterval: '1s' } },
      },
    },
    'test',
  )
  const [router] = objects.filter((object) => object.kind === 'MetaRouter')
  assert.ok(router !== undefined)
  assert.deepEqual(translated({ direction: 'inbound', router }).codes, ['ENVOY_UNSUPPORTED_POLICY'])
})
