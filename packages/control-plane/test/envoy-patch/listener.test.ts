/** Patches of listeners, filter chains and filters, with Istio's operations and their exceptions. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { envoyFilter, filterNames, jsonOf, listener, patched, proxy, tcp, tcpProxy } from './support.ts'

const onTcp = `match: {listener: {name: 10.0.0.1_80, filterChain: {filter: {name: ${tcpProxy}}}}}`
const anyFilter = 'match: {listener: {name: 10.0.0.1_80}}'
const filter = (operation: string, match: string, value = '{name: mine}') =>
  envoyFilter([
    `{applyTo: NETWORK_FILTER, ${match}, patch: {operation: ${operation}${operation === 'REMOVE' ? '' : `, value: ${value}`}}}`,
  ])

describe('NETWORK_FILTER', () => {
  const cases: readonly [operation: string, match: string, names: readonly string[]][] = [
    ['ADD', anyFilter, ['first', tcpProxy, 'mine']],
    ['INSERT_FIRST', anyFilter, ['mine', 'first', tcpProxy]],
    ['INSERT_BEFORE', onTcp, ['first', 'mine', tcpProxy]],
    ['INSERT_BEFORE', anyFilter, ['mine', 'first', tcpProxy]],
    ['INSERT_AFTER', onTcp, ['first', tcpProxy, 'mine']],
    ['INSERT_AFTER', anyFilter, ['first', tcpProxy, 'mine']],
    ['REPLACE', onTcp, ['first', 'mine']],
    ['REMOVE', onTcp, ['first']],
    ['INSERT_BEFORE', onTcp.replace(tcpProxy, 'absent'), ['first', tcpProxy]],
    ['REPLACE', onTcp.replace(tcpProxy, 'absent'), ['first', tcpProxy]],
    ['REPLACE', onTcp.replace('10.0.0.1_80', '10.0.0.2_80'), ['first', tcpProxy]],
    ['REPLACE', onTcp.replace('{listener', '{context: SIDECAR_INBOUND, listener'), ['first', tcpProxy]],
    ['REPLACE', onTcp.replace('{listener', '{context: SIDECAR_OUTBOUND, listener'), ['first', 'mine']],
    ['REPLACE', onTcp.replace('name: 10.0.0.1_80', 'portNumber: 80'), ['first', 'mine']],
    ['REPLACE', onTcp.replace('name: 10.0.0.1_80', 'portNumber: 81'), ['first', tcpProxy]],
    ['REPLACE', onTcp.replace('{listener', '{proxy: {proxyVersion: "^1[.]29"}, listener'), ['first', 'mine']],
    ['REPLACE', onTcp.replace('{listener', '{proxy: {proxyVersion: "^1[.]28"}, listener'), ['first', tcpProxy]],
    ['REPLACE', onTcp.replace('{listener', '{proxy: {metadata: {zone: a}}, listener'), ['first', tcpProxy]],
  ]
  for (const [operation, match, names] of cases) {
    test(`${operation} ${match} gives ${names.join(', ')}`, () => {
      const base = listener()
      assert.deepEqual(filterNames(patched(base, filter(operation, match)).listener), [names])
      assert.deepEqual(filterNames(base), [['first', tcpProxy]], 'the base stays as it was')
    })
  }

  test('MERGE sets fields, changes the one of a choice, and keeps the others', () => {
    const value = `{typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, idle_timeout: 5s, weighted_clusters: {clusters: [{name: x, weight: 1}]}}}`
    const { listener: merged } = patched(listener(), filter('MERGE', onTcp, value))
    assert.deepEqual(jsonOf(merged), {
      ...(jsonOf(listener()) as object),
      filter_chains: [
        {
          filters: [
            { name: 'first' },
            {
              name: tcpProxy,
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
                stat_prefix: 'outbound|80||a.b',
                idle_timeout: '5s',
                weighted_clusters: { clusters: [{ name: 'x', weight: 1 }] },
              },
            },
          ],
        },
      ],
    })
  })

  test('a TypedStruct stays one, and MERGE reaches into it whatever the spelling of the fields', () => {
    const onMine = onTcp.replace(tcpProxy, 'mine')
    const { listener: merged } = patched(
      listener(),
      filter('REPLACE', onTcp, struct('{statPrefix: a, list: [1], inner: {x: 1}}')) +
        filter('MERGE', onMine, struct('{stat_prefix: b, list: [2], inner: {y: 2}}')).replace(
          'name: it',
          'name: later',
        ) +
        filter('MERGE', onMine, '{typed_config: {"@type": type.googleapis.com/acme.Filter, plain: true}}').replace(
          'name: it',
          'name: latest',
        ),
    )
    const [chain] = (jsonOf(merged) as { filter_chains: { filters: unknown[] }[] }).filter_chains
    assert.deepEqual(chain?.filters[1], {
      name: 'mine',
      typed_config: {
        '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
        type_url: 'type.googleapis.com/acme.Filter',
        value: { statPrefix: 'b', list: [1, 2], inner: { x: 1, y: 2 }, plain: true },
      },
    })
  })

  test('a configuration of a type that nobody here knows travels in a TypedStruct', () => {
    const value =
      '{name: redis, typed_config: {"@type": type.googleapis.com/acme.Filter, deep: {"@type": a.b/acme.Inner}}}'
    const { listener: merged } = patched(listener(), filter('REPLACE', onTcp, value))
    const [chain] = (jsonOf(merged) as { filter_chains: { filters: unknown[] }[] }).filter_chains
    assert.deepEqual(chain?.filters[1], {
      name: 'redis',
      typed_config: {
        '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
        type_url: 'type.googleapis.com/acme.Filter',
        value: { deep: { '@type': 'a.b/acme.Inner' } },
      },
    })
  })

  test('MERGE of another type is reported, and the filter stays as it was', () => {
    const value = '{typed_config: {"@type": type.googleapis.com/acme.Filter}}'
    const { listener: merged, problems } = patched(listener(), filter('MERGE', onTcp, value))
    assert.deepEqual(problems, [
      `can't be merged into filter ${tcpProxy}: is of type acme.Filter, the filter of envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    ])
    assert.deepEqual(jsonOf(merged), jsonOf(listener()))
  })

  test('in virtualInbound a chain is found by its port', () => {
    const base = listener('virtualInbound', [
      { name: '0.0.0.0_7000', filterChainMatch: { destinationPort: 7000 }, filters: [tcp('a')] },
      { name: '0.0.0.0_7001', filterChainMatch: { destinationPort: 7001 }, filters: [tcp('b')] },
    ])
    const inbound = { context: 'SIDECAR_INBOUND' } as const
    const match = `match: {listener: {name: virtualInbound, filterChain: {destinationPort: 7001, filter: {name: ${tcpProxy}}}}}`
    assert.deepEqual(filterNames(patched(base, filter('REPLACE', match), inbound).listener), [[tcpProxy], ['mine']])
    const byPort = `match: {listener: {portNumber: 7000, filterChain: {filter: {name: ${tcpProxy}}}}}`
    assert.deepEqual(filterNames(patched(base, filter('REPLACE', byPort), inbound).listener), [['mine'], [tcpProxy]])
    const byName = `match: {listener: {filterChain: {name: 0.0.0.0_7001, filter: {name: ${tcpProxy}}}}}`
    assert.deepEqual(filterNames(patched(base, filter('REMOVE', byName), inbound).listener), [[tcpProxy], []])
  })
})

describe('LISTENER, FILTER_CHAIN and LISTENER_FILTER', () => {
  test('a listener is merged, or removed', () => {
    const { listener: merged } = patched(
      listener(),
      patch(
        'LISTENER',
        'MERGE',
        '{connection_balance_config: {exact_balance: {}}, per_connection_buffer_limit_bytes: 7}',
      ),
    )
    assert.equal(merged?.perConnectionBufferLimitBytes, 7)
    assert.equal(merged.connectionBalanceConfig?.balanceType.case, 'exactBalance')
    assert.deepEqual(filterNames(merged), [['first', tcpProxy]])
    assert.equal(patched(listener(), patch('LISTENER', 'REMOVE', '{}')).listener, undefined)
  })

  test('chains are added, merged and removed; one that is added is not patched', () => {
    const chain = '{filters: [{name: added}]}'
    assert.deepEqual(filterNames(patched(listener(), patch('FILTER_CHAIN', 'ADD', chain)).listener), [
      ['first', tcpProxy],
      ['added'],
    ])
    assert.deepEqual(filterNames(patched(listener(), patch('FILTER_CHAIN', 'MERGE', chain)).listener), [
      ['first', tcpProxy, 'added'],
    ])
    assert.deepEqual(filterNames(patched(listener(), patch('FILTER_CHAIN', 'REMOVE', chain)).listener), [])
  })

  test('listener filters are put where they belong', () => {
    const base = listener()
    const yaml =
      patch('LISTENER_FILTER', 'ADD', '{name: one}') +
      patch('LISTENER_FILTER', 'INSERT_FIRST', '{name: two}').replace('name: it', 'name: ja') +
      patch('LISTENER_FILTER', 'INSERT_BEFORE', '{name: three}', 'match: {listener: {listenerFilter: one}}').replace(
        'name: it',
        'name: jb',
      )
    assert.deepEqual(
      patched(base, yaml).listener?.listenerFilters.map(({ name }) => name),
      ['two', 'three', 'one'],
    )
  })
})

describe('which EnvoyFilters hold, and in which order', () => {
  test('by priority, root namespace first, then age, then name', () => {
    const yaml =
      envoyFilter([add('f')], { name: 'late', spec: 'priority: 5' }) +
      envoyFilter([add('e')], { name: 'own', namespace: 'default' }) +
      envoyFilter([add('d')], { name: 'b', created: '2026-02-01T00:00:00Z' }) +
      envoyFilter([add('c')], { name: 'c', created: '2026-01-01T00:00:00Z' }) +
      envoyFilter([add('b')], { name: 'b2' }) +
      envoyFilter([add('a')], { name: 'early', namespace: 'default', spec: 'priority: -5' })
    assert.deepEqual(added(yaml), ['a', 'b', 'c', 'd', 'e', 'f'])
  })

  test('without filters that the proxy does not have', () => {
    const as = { ...proxy, filterTypes: new Set(['acme.Known']) }
    assert.deepEqual(filterNames(patched(listener(), envoyFilter([ofType('acme.Known')]), { as }).listener), [
      ['first', tcpProxy, 'a'],
    ])
    assert.deepEqual(filterNames(patched(listener(), envoyFilter([ofType('acme.Unknown')]), { as }).listener), [
      ['first', tcpProxy],
    ])
  })

  test('of the root namespace and the own one, for the workloads that they select', () => {
    const yaml =
      envoyFilter([add('a')], { name: 'mine', namespace: 'default', spec: 'workloadSelector: {labels: {app: web}}' }) +
      envoyFilter([add('b')], { name: 'others', spec: 'workloadSelector: {labels: {app: api}}' }) +
      envoyFilter([add('c')], { name: 'elsewhere', namespace: 'shop' })
    assert.deepEqual(added(yaml), ['a'])
  })
})

function struct(value: string): string {
  return `{name: mine, typed_config: {"@type": type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/acme.Filter, value: ${value}}}`
}

function patch(applyTo: string, operation: string, value: string, match = anyFilter): string {
  return envoyFilter([`{applyTo: ${applyTo}, ${match}, patch: {operation: ${operation}, value: ${value}}}`])
}

function add(name: string): string {
  return `{applyTo: NETWORK_FILTER, match: {}, patch: {operation: ADD, value: {name: ${name}}}}`
}

/** Of the filters those that `add` brought. */
function added(yaml: string): string[] {
  return (filterNames(patched(listener(), yaml).listener)[0] ?? []).filter((name) => name.length === 1)
}

function ofType(type: string): string {
  return `{applyTo: NETWORK_FILTER, match: {}, patch: {operation: ADD, value: {name: a, typed_config: {"@type": type.googleapis.com/${type}}}}}`
}
