import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadResources } from '../src/index.ts'

function first(body: string) {
  const text = `apiVersion: metaprotocol.aeraki.io/v1alpha1\nkind: MetaRouter\nmetadata: {name: a}\nspec:\n  hosts: [a.b]\n${body}`
  const { objects, diagnostics } = loadResources(text, 'x.yaml')
  const [diagnostic] = diagnostics
  assert.ok(diagnostic !== undefined)
  assert.equal(diagnostics.length, 1)
  return { ...diagnostic, loaded: objects.length === 1 }
}

describe('a field that is wrong in form', () => {
  test('an unknown field names the one that was meant, at its key', () => {
    const found = first('  routes:\n  - route: [{destination: {host: a.b}}]\n    requestMutations: []\n')
    assert.equal(found.code, 'API_UNKNOWN_FIELD')
    assert.deepEqual([found.line, found.column, found.field], [8, 5, 'spec.routes[0].requestMutations'])
    assert.match(found.message, /did you mean "requestMutation"\?/)
    assert.equal(found.loaded, false)
  })

  test('an unknown field that is like no other lists what there is', () => {
    const found = first('  zzz: 1\n')
    assert.match(found.remedy, /Known here: hosts, gateways, routes/)
  })

  test('a missing field is reported at what should hold it', () => {
    const found = first('  routes:\n  - name: x\n')
    assert.deepEqual(
      [found.code, found.field, found.line, found.column],
      ['API_MISSING_FIELD', 'spec.routes[0].route', 7, 5],
    )
  })

  test('a number where a string belongs is to be quoted', () => {
    const found = first('  routes:\n  - name: 1\n    route: [{destination: {host: a.b}}]\n')
    assert.deepEqual([found.code, found.value, found.line, found.column], ['API_BAD_TYPE', 1, 7, 11])
    assert.match(found.remedy, /quotes/)
  })

  test('a single thing where a list belongs is to be written as one', () => {
    const found = first('  routes:\n    name: x\n')
    assert.equal(found.code, 'API_BAD_TYPE')
    assert.match(found.remedy, /"- "/)
  })

  test('a number out of range says the range', () => {
    const found = first('  routes:\n  - route: [{destination: {host: a.b, port: {number: 70000}}}]\n')
    assert.deepEqual(
      [found.code, found.field, found.value],
      ['API_OUT_OF_RANGE', 'spec.routes[0].route[0].destination.port.number', 70000],
    )
    assert.match(found.remedy, /1 to 65535/)
  })

  test('a duration without unit is not one', () => {
    const found = first('  routes:\n  - route: [{destination: {host: a.b}}]\n    timeout: "5"\n')
    assert.deepEqual([found.code, found.value], ['API_BAD_DURATION', '5'])
  })

  test('a number for a duration is told the form of one, not to be quoted', () => {
    const found = first('  routes:\n  - route: [{destination: {host: a.b}}]\n    timeout: 5\n')
    assert.deepEqual([found.code, found.value], ['API_BAD_DURATION', 5])
    assert.match(found.remedy, /with its unit/)
  })

  test('a number for a word out of a list is told the list, once', () => {
    const { diagnostics } = loadResources(
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec: {hosts: [a.b], resolution: 3}\n',
      'x.yaml',
    )
    assert.deepEqual(
      diagnostics.filter(({ severity }) => severity === 'error').map(({ code, field }) => `${code} ${field}`),
      ['API_BAD_VALUE spec.resolution'],
    )
    assert.match(diagnostics[0]?.remedy ?? '', /STATIC/)
  })

  test('an empty field is taken as absent, with a warning', () => {
    const found = first('  routes:\n  - match:\n    route: [{destination: {host: a.b}}]\n')
    assert.deepEqual(
      [found.severity, found.code, found.field, found.loaded],
      ['warning', 'API_EMPTY_FIELD', 'spec.routes[0].match', true],
    )
  })

  test('an empty condition on an attribute asks that it is there', () => {
    const text = `apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: a}
spec:
  hosts: [a.b]
  routes:
  - match: {attributes: {user: }}
    route: [{destination: {host: a.b}}]
`
    const { objects, diagnostics } = loadResources(text, 'x.yaml')
    assert.deepEqual(diagnostics, [])
    assert.deepEqual(JSON.parse(JSON.stringify(objects[0]?.spec)).routes[0].match, {
      attributes: { user: { regex: '*' } },
    })
  })

  test('a value out of a list names the nearest', () => {
    const text = `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: a}, spec: {hosts: [a.b], ports: [{number: 1, name: p}], resolution: STATC}}`
    const [found] = loadResources(text, 'x.yaml').diagnostics
    assert.equal(found?.code, 'API_BAD_VALUE')
    assert.match(found?.message ?? '', /did you mean STATIC\?/)
  })

  test('every wrong field of an object is reported, not the first only', () => {
    const text = `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: A_, labels: {a: 1}}, spec: {hots: a, subsets: [{nam: b}]}}`
    assert.deepEqual(
      loadResources(text, 'x.yaml').diagnostics.map(({ field }) => field),
      ['metadata.name', 'metadata.labels.a', 'spec.host', 'spec.hots', 'spec.subsets[0].name', 'spec.subsets[0].nam'],
    )
  })

  test('a password is never shown', () => {
    const text = `{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {password: 123456}}
---
{apiVersion: redis.aeraki.io/v1alpha1, kind: RedisDestination, metadata: {name: a}, spec: {host: a.b, trafficPolicy: {connectionPool: {redis: {auth: {plain: {password: 123456}}}}}}}
`
    const { diagnostics } = loadResources(text, 'x.yaml')
    assert.equal(diagnostics.length, 2)
    assert.doesNotMatch(JSON.stringify(diagnostics), /123456/)
  })
})
