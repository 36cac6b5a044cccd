import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadValue } from '@aeraki/api'
import { dubboEnvoy } from '../../src/dubbo/envoy.ts'
import type { AttributeCondition } from '../../src/envoy/contract.ts'
import { testPort, type TestPortOptions, testRoute } from '../support/envoy-port.ts'

const cluster = 'outbound|20880||demo.shop.svc.cluster.local'
const annotations = { interface: 'org.example.Demo' }

function condition(
  name: string,
  value: string,
  kind: 'exact' | 'prefix' = 'exact',
  invert = false,
): AttributeCondition {
  return { name, matcher: { kind, value }, invert }
}

function to(name: string) {
  return { clusters: [{ cluster: name, weight: 1 }] }
}

function tablesOf(options: TestPortOptions) {
  const port = testPort({ annotations, ...options })
  const config = dubboEnvoy.translate(port)?.terminal?.config as
    | { multipleRouteConfig: { routeConfig: { interface: string; version?: string; routes?: object[] }[] } }
    | undefined
  return { tables: config?.multipleRouteConfig.routeConfig ?? [], codes: port.findings.map((f) => f.finding.code) }
}

test('without a rule every call of the interface goes to the service', () => {
  const { terminal, before } = dubboEnvoy.translate(testPort({ annotations })) ?? {}
  assert.deepEqual(before, [])
  assert.deepEqual(terminal?.config, {
    statPrefix: cluster,
    multipleRouteConfig: {
      name: cluster,
      routeConfig: [
        {
          name: cluster,
          interface: 'org.example.Demo',
          routes: [{ match: { method: { name: { safeRegex: { regex: '.*' } } } }, route: { cluster } }],
        },
      ],
    },
    dubboFilters: [
      {
        name: 'envoy.filters.dubbo.router',
        config: { '@type': 'type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.router.v3.Router' },
      },
    ],
  })
})

test('a ServiceEntry without the annotation is reported and gets no filter', () => {
  const port = testPort()
  assert.equal(dubboEnvoy.translate(port), undefined)
  assert.deepEqual(
    port.findings.map(({ about, finding }) => [about.kind, finding.code, finding.field]),
    [['ServiceEntry', 'ENVOY_MISSING_ANNOTATION', 'metadata.annotations']],
  )
})

test('methods, attachments and weights are routed in the order of the rules', () => {
  const { tables, codes } = tablesOf({
    routes: [
      testRoute({
        match: [
          condition('method', 'say', 'prefix'),
          condition('batchjob', 'true'),
          condition('user', 'test', 'exact', true),
        ],
        clusters: [
          { cluster: 'v1', weight: 30 },
          { cluster: 'v2', weight: 70 },
        ],
      }),
      testRoute({ clusters: [{ cluster: 'v3', weight: 1 }] }),
    ],
  })
  assert.deepEqual(codes, [])
  assert.deepEqual(tables[0]?.routes, [
    {
      match: {
        method: { name: { prefix: 'say' } },
        headers: [
          { name: 'batchjob', stringMatch: { exact: 'true' } },
          { name: 'user', stringMatch: { exact: 'test' }, invertMatch: true },
        ],
      },
      route: {
        weightedClusters: {
          clusters: [
            { name: 'v1', weight: 30 },
            { name: 'v2', weight: 70 },
          ],
        },
      },
    },
    { match: { method: { name: { safeRegex: { regex: '.*' } } } }, route: { cluster: 'v3' } },
  ])
})

test('a rule on the interface or its version opens a table of its own, and the order stays', () => {
  const { tables } = tablesOf({
    routes: [
      testRoute({ match: [condition('method', 'a')], ...to('first') }),
      testRoute({ match: [condition('version', '2.0.0')], ...to('second') }),
      testRoute({ match: [condition('version', '2.0.0'), condition('method', 'b')], ...to('third') }),
      testRoute(to('fourth')),
    ],
  })
  assert.deepEqual(
    tables.map(({ interface: name, version, routes }) => [name, version, routes?.length]),
    [
      ['org.example.Demo', undefined, 1],
      ['org.example.Demo', '2.0.0', 2],
      ['org.example.Demo', undefined, 1],
    ],
  )
})

test('a route whose condition Envoy cannot check is left out, never widened', () => {
  const { tables, codes } = tablesOf({
    routes: [
      testRoute({ match: [condition('method', 'sayHello', 'exact', true)], clusters: [{ cluster: 'v2', weight: 1 }] }),
    ],
  })
  assert.deepEqual(codes, ['ENVOY_UNSUPPORTED_MATCH'])
  assert.deepEqual(tables, [{ name: cluster, interface: 'org.example.Demo' }])
})

test('mirrors, timeouts, mutations and hashes have no effect, and each is reported once', () => {
  const route = testRoute({
    mirrors: [{ cluster: 'v3', percent: 10 }],
    timeoutMs: 100,
    requestMutation: [{ key: 'a', value: 'b' }],
    hashAttributes: ['user'],
  })
  const { codes, tables } = tablesOf({ routes: [route, route] })
  assert.deepEqual(codes, Array(4).fill('ENVOY_UNSUPPORTED'))
  assert.equal(tables[0]?.routes?.length, 2)
})

test('inbound serves every interface of the workload', () => {
  const { tables } = tablesOf({ direction: 'inbound', targetPort: 20881, annotations: {} })
  assert.equal(tables[0]?.interface, '*')
  assert.match(JSON.stringify(tables[0]?.routes), /"cluster":"inbound\|20881\|\|"/)
})

test('routes that are fetched apart are the same routes', () => {
  const terminal = dubboEnvoy.translate(testPort({ annotations }))?.terminal
  const { dynamic, config } = terminal ?? {}
  assert.deepEqual(dynamic?.config, config?.['multipleRouteConfig'])
  assert.deepEqual(dynamic?.filter({ ads: {}, resourceApiVersion: 'V3' }).config['drds'], {
    configSource: { ads: {}, resourceApiVersion: 'V3' },
    routeConfigName: cluster,
  })
})

function policy(name: string, spec: object) {
  const { objects } = loadValue(
    { apiVersion: 'dubbo.aeraki.io/v1alpha1', kind: 'DubboAuthorizationPolicy', metadata: { name }, spec },
    'test',
  )
  return objects
}

test('who may call is checked before dubbo_proxy, what is denied first', () => {
  const port = testPort({
    direction: 'inbound',
    objects: [
      ...policy('only-web', {
        rules: [{ from: [{ source: { principals: ['cluster.local/ns/web/sa/*'], notNamespaces: ['dev.*'] } }] }],
      }),
      ...policy('not-batch', { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['batch'] } }] }] }),
    ],
  })
  const { before = [] } = dubboEnvoy.translate(port) ?? {}
  assert.deepEqual(port.findings, [])
  assert.deepEqual(
    before.map(({ config }) => config['rules']),
    [
      {
        action: 'DENY',
        policies: {
          'ns[default]-policy[not-batch]-rule[0]': {
            permissions: [{ any: true }],
            principals: [
              {
                andIds: {
                  ids: [
                    {
                      orIds: {
                        ids: [{ authenticated: { principalName: { safeRegex: { regex: '.*/ns/batch/.*' } } } }],
                      },
                    },
                  ],
                },
              },
            ],
          },
        },
      },
      {
        action: 'ALLOW',
        policies: {
          'ns[default]-policy[only-web]-rule[0]': {
            permissions: [{ any: true }],
            principals: [
              {
                andIds: {
                  ids: [
                    {
                      orIds: {
                        ids: [{ authenticated: { principalName: { prefix: 'spiffe://cluster.local/ns/web/sa/' } } }],
                      },
                    },
                    {
                      notId: {
                        orIds: {
                          ids: [{ authenticated: { principalName: { safeRegex: { regex: '.*/ns/dev\\..*/.*' } } } }],
                        },
                      },
                    },
                  ],
                },
              },
            ],
          },
        },
      },
    ],
  )
})

test('a rule on methods, which Envoy cannot check, lets nobody in who should be kept out', () => {
  const rule = [{ from: [{ source: { principals: ['a'] } }], to: [{ operation: { methods: ['get*'] } }] }]
  for (const [action, expected] of [
    ['ALLOW', []],
    ['DENY', ['ns[default]-policy[p]-rule[0]']],
  ] as const) {
    const port = testPort({ direction: 'inbound', objects: policy('p', { action, rules: rule }) })
    const [first] = dubboEnvoy.translate(port)?.before ?? []
    const rules = first?.config['rules'] as { policies: object } | undefined
    assert.deepEqual(Object.keys(rules?.policies ?? []), expected)
    assert.deepEqual(
      port.findings.map(({ about, finding }) => [about.name, finding.code, finding.field]),
      [['p', 'ENVOY_UNSUPPORTED_POLICY', 'spec.rules[0].to']],
    )
  }
})
