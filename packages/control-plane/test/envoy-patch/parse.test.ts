/** What of an EnvoyFilter can't be applied is said, with its place, and takes nothing else down. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  array,
  assert as check,
  constantFrom,
  dictionary,
  integer,
  jsonValue,
  oneof,
  property,
  record,
  string,
} from 'fast-check'
import { create } from '@bufbuild/protobuf'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { mergeInto, mergeJson } from '../../src/envoy-patch/merge.ts'
import { parseFilter } from '../../src/envoy-patch/parse.ts'
import { addedClusters, patchCluster } from '../../src/envoy-patch/cluster.ts'
import { patchesFor } from '../../src/envoy-patch/patch-set.ts'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { envoyFilter, filterNames, listener, parse, patched, proxy, tcpProxy } from './support.ts'

describe('a patch that can not be applied', () => {
  const cases: readonly [what: string, patch: string, finding: string][] = [
    [
      'an unknown field',
      '{applyTo: LISTENER, patch: {operation: MERGE, value: {per_connection_bufer_limit_bytes: 7}}}',
      'error ENVOY_PATCH_INVALID spec.configPatches[0].patch.value',
    ],
    [
      'a value of the wrong type',
      '{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: soon}}}',
      'error ENVOY_PATCH_INVALID spec.configPatches[0].patch.value',
    ],
    [
      'a bad pattern',
      '{applyTo: CLUSTER, match: {proxy: {proxyVersion: "("}}, patch: {operation: REMOVE}}',
      'error ENVOY_PATCH_INVALID spec.configPatches[0].match.proxy.proxyVersion',
    ],
    [
      'a kind that there is not',
      '{applyTo: HTTP_FILTER, patch: {operation: ADD, value: {}}}',
      'warning ENVOY_PATCH_UNUSED spec.configPatches[0].applyTo',
    ],
    [
      'a replacement of nothing in particular',
      '{applyTo: NETWORK_FILTER, patch: {operation: REPLACE, value: {name: a}}}',
      'warning ENVOY_PATCH_UNUSED spec.configPatches[0].match',
    ],
    [
      'an operation that the kind does not have',
      '{applyTo: EXTENSION_CONFIG, patch: {operation: REMOVE}}',
      'warning ENVOY_PATCH_UNUSED spec.configPatches[0].patch.operation',
    ],
  ]
  for (const [what, patch, said] of cases) {
    test(`${what} is said, and the patch beside it counts`, () => {
      const good = '{applyTo: NETWORK_FILTER, patch: {operation: ADD, value: {name: good}}}'
      const { files, findings } = parse(envoyFilter([patch, good]))
      assert.deepEqual(
        findings.map(({ severity, code, field }) => `${severity} ${code} ${field}`),
        [said],
      )
      assert.deepEqual(
        files[0]?.patches.map(({ origin }) => origin.field),
        ['spec.configPatches[1]'],
      )
    })
  }

  test('the message names the field', () => {
    const { findings } = parse(envoyFilter([cases[0]?.[1] ?? '']))
    assert.match(findings[0]?.message ?? '', /per_connection_bufer_limit_bytes/)
  })
})

describe('clusters', () => {
  const name = 'outbound|80|v1|a.b'
  const base = create(ClusterSchema, { name, altStatName: 'x' })
  const after = (match: string, context = 'SIDECAR_OUTBOUND' as const) => {
    const { files } = parse(
      envoyFilter([`{applyTo: CLUSTER, match: {${match}}, patch: {operation: MERGE, value: {connect_timeout: 3s}}}`]),
    )
    return patchCluster(base, context, patchesFor(proxy, files, 'istio-system').forCluster(name))?.connectTimeout
      ?.seconds
  }

  test('are found by name, or by service, subset and port', () => {
    assert.equal(after(`cluster: {name: "${name}"}`), 3n)
    assert.equal(after('cluster: {service: a.b}'), 3n)
    assert.equal(after('cluster: {service: a.b, subset: v1, portNumber: 80}'), 3n)
    assert.equal(after('cluster: {service: a.c}'), undefined)
    assert.equal(after('cluster: {subset: v2}'), undefined)
    assert.equal(after('cluster: {portNumber: 81}'), undefined)
    assert.equal(after('context: SIDECAR_INBOUND'), undefined)
    assert.equal(after(''), 3n)
  })

  test('that are added without a context come to the outbound side alone', () => {
    const { additions } = patchesFor(proxy, addition('').files, 'istio-system')
    assert.deepEqual([...addedClusters(['SIDECAR_INBOUND'], additions).keys()], [])
    assert.deepEqual([...addedClusters(['SIDECAR_OUTBOUND'], additions).keys()], ['new'])
    const inbound = patchesFor(proxy, addition('context: SIDECAR_INBOUND').files, 'istio-system')
    assert.deepEqual([...addedClusters(['SIDECAR_INBOUND'], inbound.additions).keys()], ['new'])
  })
})

describe('properties', () => {
  const name = constantFrom('first', tcpProxy, 'x', 'y', 'absent')
  const step = record({
    operation: constantFrom('ADD', 'INSERT_FIRST', 'INSERT_BEFORE', 'INSERT_AFTER', 'REPLACE', 'REMOVE'),
    at: name,
    brings: constantFrom('x', 'y'),
  })

  test('any sequence of operations gives what a plain list gives', () => {
    check(
      property(array(step, { maxLength: 8 }), (steps) => {
        const yaml = steps.map(({ operation, at, brings }, i) =>
          envoyFilter(
            [
              `{applyTo: NETWORK_FILTER, match: {listener: {filterChain: {filter: {name: ${at}}}}}, patch: {operation: ${operation}, value: {name: ${brings}}}}`,
            ],
            { name: `n${i}` },
          ),
        )
        const expected = steps.reduce<string[]>(
          (list, { operation, at, brings }) => model(list, operation, at, brings),
          ['first', tcpProxy],
        )
        assert.deepEqual(filterNames(patched(listener(), yaml.join('')).listener), [expected])
      }),
    )
  })

  test('whatever stands in a patch, reading it throws nothing', () => {
    const applyTo = constantFrom(
      'LISTENER',
      'CLUSTER',
      'NETWORK_FILTER',
      'FILTER_CHAIN',
      'EXTENSION_CONFIG',
      'VIRTUAL_HOST',
    )
    check(
      property(applyTo, dictionary(string(), jsonValue()), (kind, value) => {
        const findings: unknown[] = []
        const file = parseFilter(
          {
            metadata: { name: 'a', namespace: 'b' },
            spec: { configPatches: [{ applyTo: kind, patch: { operation: 'ADD', value } }] },
          },
          (finding) => findings.push(finding),
        )
        assert.equal(file.patches.length + findings.length, 1)
      }),
    )
  })

  test('merging JSON keeps what the patch does not name, and what it names wins', () => {
    const flat = dictionary(constantFrom('a', 'b', 'cD', 'e'), oneof(integer(), string()))
    check(
      property(flat, flat, (base, patch) => {
        assert.deepEqual(mergeJson(base, patch), { ...base, ...patch })
      }),
    )
    assert.deepEqual(mergeJson({ stat_prefix: 'a' }, { statPrefix: 'b' }), { stat_prefix: 'b' })
  })

  test('merging a message changes nothing of the patch, and lists grow by its entries', () => {
    check(
      property(array(string(), { maxLength: 4 }), array(string(), { maxLength: 4 }), (before, more) => {
        const target = chains(before)
        const patch = chains(more)
        mergeInto(ListenerSchema, target, patch)
        assert.deepEqual(
          target.filterChains.map((chain) => chain.name),
          [...before, ...more],
        )
        assert.deepEqual(patch, chains(more))
      }),
    )
  })
})

function addition(context: string) {
  return parse(envoyFilter([`{applyTo: CLUSTER, match: {${context}}, patch: {operation: ADD, value: {name: new}}}`]))
}

function chains(names: readonly string[]) {
  return create(ListenerSchema, { filterChains: names.map((each) => ({ name: each })) })
}

function model(list: string[], operation: string, at: string, brings: string): string[] {
  const index = list.indexOf(at)
  switch (operation) {
    case 'ADD':
      return [...list, brings]
    case 'INSERT_FIRST':
      return [brings, ...list]
    case 'REMOVE':
      return list.filter((each) => each !== at)
    default:
      if (index === -1) return list
      if (operation === 'REPLACE') return list.with(index, brings)
      return list.toSpliced(operation === 'INSERT_BEFORE' ? index : index + 1, 0, brings)
  }
}
