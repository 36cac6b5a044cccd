import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { loadResources } from '@aeraki/api'
import { createStore, type Store } from '../src/store/store.ts'

const rule = (name: string, weight = '') => `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}}
spec: {host: ${name}.example, trafficPolicy: {loadBalancer: {simple: ${weight === '' ? 'RANDOM' : weight}}}}
`

function write(store: Store, origin: string, text: string): string[] {
  const { objects, diagnostics } = loadResources(text, origin)
  return store
    .apply([{ origin, state: 'present', objects, diagnostics }])
    .map(({ kind, object }) => `${kind} ${object.metadata.name}`)
    .toSorted()
}

const names = (store: Store) => [...store.objects()].map(({ metadata }) => metadata.name).toSorted()

const early = (key: string) => `
apiVersion: networking.aeraki.io/v1alpha1
kind: VirtualService
metadata: {name: early}
spec: {host: [a.example], Route: [{name: x, ${key}: {host: a.example}}]}
`

const form = (name: string, field: string) =>
  early(field).replace('name: early', `name: ${name}`).replace('[a.example]', '[a.example, b.example]')

describe('store', () => {
  test('says what was added, updated and removed, and nothing of what is the same', () => {
    const store = createStore()
    assert.deepEqual(write(store, 'a.yaml', rule('a') + rule('b')), ['added a', 'added b'])
    assert.deepEqual(write(store, 'a.yaml', rule('a') + rule('b', 'ROUND_ROBIN')), ['updated b'])
    assert.deepEqual(write(store, 'a.yaml', rule('a')), ['removed b'])
    assert.deepEqual(
      store.apply([{ origin: 'a.yaml', state: 'removed', objects: [], diagnostics: [] }]).map(({ kind }) => kind),
      ['removed'],
    )
    assert.equal(store.size, 0)
  })

  test('a broken object keeps its last good version until it is good again or gone', () => {
    const store = createStore()
    write(store, 'a.yaml', rule('a') + rule('b'))
    assert.deepEqual(write(store, 'a.yaml', rule('a', 'FASTEST') + rule('b')), [])
    assert.equal(store.stale, 1)
    assert.deepEqual(
      store.diagnostics().map(({ name, field }) => [name, field]),
      [['a', 'spec.trafficPolicy.loadBalancer.simple']],
    )
    assert.deepEqual(write(store, 'a.yaml', rule('a', 'FASTEST')), ['removed b'])
    assert.deepEqual(names(store), ['a'])
    assert.deepEqual(write(store, 'a.yaml', rule('a', 'ROUND_ROBIN')), ['updated a'])
    assert.equal(store.stale, 0)
    write(store, 'a.yaml', rule('a', 'FASTEST'))
    assert.deepEqual(write(store, 'a.yaml', rule('b')), ['added b', 'removed a'])
  })

  test('a file that is no YAML any more keeps everything it had', () => {
    const store = createStore()
    write(store, 'a.yaml', rule('a') + rule('b'))
    assert.deepEqual(write(store, 'a.yaml', '{apiVersion: [unclosed\n'), [])
    assert.deepEqual(names(store), ['a', 'b'])
    assert.equal(store.stale, 2)
    assert.deepEqual(write(store, 'a.yaml', rule('b')), ['moved b', 'removed a'])
  })

  test('an object whose name or kind broke is not taken for a deleted one, as long as the error is there', () => {
    const store = createStore()
    write(store, 'a.yaml', rule('a') + rule('b'))
    const misnamed = rule('a').replace('DestinationRule', 'DestinationRul')
    assert.deepEqual(write(store, 'a.yaml', misnamed + rule('b')), [])
    assert.deepEqual(write(store, 'a.yaml', misnamed + rule('b', 'ROUND_ROBIN')), ['updated b'])
    assert.deepEqual(names(store), ['a', 'b'])
    assert.deepEqual(write(store, 'a.yaml', rule('b', 'ROUND_ROBIN')), ['moved b', 'removed a'])
  })

  test('something that was broken from the start keeps nothing else alive', () => {
    const store = createStore()
    write(store, 'a.yaml', rule('never', 'FASTEST') + rule('b'))
    assert.deepEqual(names(store), ['b'])
    assert.deepEqual(write(store, 'a.yaml', rule('never', 'FASTEST')), ['removed b'])
  })

  test('the early form of a MetaRouter keeps its last good version too', () => {
    const store = createStore()
    write(store, 'a.yaml', early('destination'))
    assert.deepEqual(
      [...store.objects()].map(({ kind }) => kind),
      ['MetaRouter'],
    )
    assert.deepEqual(write(store, 'a.yaml', early('destinatoin')), [])
    assert.equal(store.stale, 1)
  })

  test('each MetaRouter of a broken early form is kept, and no other one whose name begins alike', () => {
    const store = createStore()
    write(store, 'a.yaml', form('early', 'destination') + '---' + form('early-bird', 'destination'))
    assert.deepEqual(names(store), ['early', 'early-2', 'early-bird', 'early-bird-2'])
    assert.deepEqual(write(store, 'a.yaml', form('early', 'destinatoin')), [
      'removed early-bird',
      'removed early-bird-2',
    ])
    assert.deepEqual(names(store), ['early', 'early-2'])
    assert.equal(store.stale, 2)
    // Broken only after the conversion: the errors name the MetaRouter.
    write(store, 'a.yaml', form('early', 'destination'))
    assert.deepEqual(
      write(store, 'a.yaml', form('early', 'destination').replace('Route: [', 'Route: [{destination: {host: a..b}}, ')),
      [],
    )
    assert.deepEqual(write(store, 'a.yaml', form('early', 'destination').replace(', b.example', '')), [
      'removed early-2',
    ])
  })

  test('of a file that is broken in the middle what is good counts, and what the break may hide is kept and named', () => {
    const store = createStore()
    write(store, 'a.yaml', rule('a') + rule('b') + rule('c'))
    assert.deepEqual(write(store, 'a.yaml', `${rule('a', 'ROUND_ROBIN')}---\nspec: {host: "b.example\n`), ['updated a'])
    assert.deepEqual(names(store), ['a', 'b', 'c'])
    assert.deepEqual(
      store.diagnostics().map(({ code, name }) => [code, name]),
      [
        ['API_YAML_SYNTAX', undefined],
        ['STORE_KEPT', 'b'],
        ['STORE_KEPT', 'c'],
      ],
    )
    assert.deepEqual(write(store, 'a.yaml', rule('a', 'ROUND_ROBIN') + rule('c')), ['moved c', 'removed b'])
    assert.deepEqual(store.diagnostics(), [])
  })

  for (const order of ['first', 'last'] as const) {
    test(`an object that goes to another file is only moved, the old file written ${order}`, () => {
      const store = createStore()
      write(store, 'a.yaml', rule('a') + rule('b'))
      const steps = [() => write(store, 'a.yaml', rule('b')), () => write(store, 'b.yaml', rule('a'))]
      const said = (order === 'first' ? steps : steps.toReversed()).flatMap((step) => step())
      // Whoever writes the old file first has taken the object away until the new one is there.
      const moves = order === 'first' ? ['removed a', 'moved b', 'added a'] : ['moved a', 'moved b']
      assert.deepEqual(said.toSorted(), moves.toSorted())
      assert.deepEqual(names(store), ['a', 'b'])
      assert.deepEqual(store.diagnostics(), [])
    })
  }

  test('an object that breaks on its way to another file keeps its last good version until it is mended or gone', () => {
    for (const end of ['mended', 'gone'] as const) {
      const store = createStore()
      write(store, 'a.yaml', rule('a'))
      assert.deepEqual(write(store, 'b.yaml', rule('a', 'FASTEST')), [])
      assert.deepEqual(write(store, 'a.yaml', ''), [])
      assert.deepEqual(names(store), ['a'])
      assert.equal(store.stale, 1)
      const last = write(store, 'b.yaml', end === 'mended' ? rule('a', 'ROUND_ROBIN') : '')
      assert.deepEqual(last, [end === 'mended' ? 'updated a' : 'removed a'])
      assert.equal(store.stale, 0)
    }
  })

  test('of an object in two files the first file’s counts, and the other one is reported', () => {
    const store = createStore()
    write(store, 'b.yaml', rule('a'))
    assert.deepEqual(write(store, 'a.yaml', rule('a', 'ROUND_ROBIN')), ['updated a'])
    assert.deepEqual(
      store.diagnostics().map(({ code, file }) => [code, file]),
      [['STORE_DUPLICATE', 'b.yaml']],
    )
    assert.deepEqual(write(store, 'b.yaml', rule('a', 'LEAST_REQUEST')), [])
    assert.deepEqual(
      store.apply([{ origin: 'a.yaml', state: 'removed', objects: [], diagnostics: [] }]).map(({ kind }) => kind),
      ['updated'],
    )
    assert.deepEqual(store.diagnostics(), [])
  })
})
