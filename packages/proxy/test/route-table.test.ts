import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { AttributeMatch, RouteConfig, StringMatcher } from '../src/config/model.ts'
import { Route } from '../src/route/route.ts'
import { compileRouteTable, type RouteTable } from '../src/route/table.ts'
import { route, table } from './support/harness.ts'

type Attributes = Readonly<Record<string, string | undefined>>

/** The definition, one condition at a time: slow and plain. */
function naiveIndex(routes: readonly RouteConfig[], attributes: Attributes): number {
  return routes.findIndex(({ match }) => match.every((each) => naiveMatch(each, attributes[each.name])))
}

function naiveMatch({ matcher, invert }: AttributeMatch, value: string | undefined): boolean {
  if (matcher.kind === 'present' || (matcher.kind === 'exact' && matcher.value === '')) {
    return invert ? value === undefined : value !== undefined
  }
  if (value === undefined) return false
  return invert ? !naiveValue(matcher, value) : naiveValue(matcher, value)
}

function naiveValue(matcher: Exclude<StringMatcher, { kind: 'present' }>, value: string): boolean {
  if (matcher.kind === 'regex') return new RegExp(`^(?:${matcher.pattern})$`, 'u').test(value)
  const fold = (text: string): string => (matcher.ignoreCase ? text.toLowerCase() : text)
  const [actual, expected] = [fold(value), fold(matcher.value)]
  switch (matcher.kind) {
    case 'exact':
      return actual === expected
    case 'prefix':
      return actual.slice(0, expected.length) === expected
    case 'suffix':
      return expected === '' || actual.slice(-expected.length) === expected
    default:
      return actual.split(expected).length > 1 || expected === ''
  }
}

function compiled(routes: readonly RouteConfig[]): RouteTable<number> {
  let index = 0
  return compileRouteTable(table(routes), () => index++)
}

const names = ['interface', 'method', 'version', 'group'] as const
const value = fc.constantFrom('', 'a', 'A', 'ab', 'aB', 'abc', 'b', 'ba', 'c')
const matcher: fc.Arbitrary<StringMatcher> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('exact' as const), value, ignoreCase: fc.constant(false) }) },
  fc.record({
    kind: fc.constantFrom('exact' as const, 'prefix' as const, 'suffix' as const, 'contains' as const),
    value,
    ignoreCase: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('regex' as const), pattern: fc.constantFrom('a.*', '[ab]+', 'a|b', '', '.*c') }),
  fc.constant({ kind: 'present' as const }),
)
const match: fc.Arbitrary<AttributeMatch> = fc.record({
  name: fc.constantFrom(...names),
  matcher,
  invert: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
})
const routes = fc.array(
  fc.array(match, { maxLength: 4 }).map((conditions): RouteConfig => route('c', {}, { match: conditions })),
  { maxLength: 12 },
)
const attributes = fc.record(Object.fromEntries(names.map((name) => [name, fc.option(value, { nil: undefined })])))

/** How many attributes a request is asked for, whose route is the last of so many. */
function asks(size: number): number {
  const fast = compiled(Array.from({ length: size }, (_, index) => route('c', { method: `m${index}`, version: '1' })))
  let asked = 0
  const found = fast.match({
    attribute: (name) => {
      asked += 1
      return name === 'method' ? `m${size - 1}` : '1'
    },
  })
  assert.equal(found, size - 1)
  return asked
}

function slots(name: string): { readonly name: string; cluster: undefined } {
  return { name, cluster: undefined }
}

function hash(hashPolicy: readonly string[], of: Attributes): unknown {
  return new Route(route('x', {}, { hashPolicy }), slots, 1).hash({ attribute: (name) => of[name] })
}

describe('route tables', () => {
  test('the compiled table finds the route that a scan of the list finds', () => {
    fc.assert(
      fc.property(routes, fc.array(attributes, { minLength: 1, maxLength: 10 }), (list, requests) => {
        const fast = compiled(list)
        for (const request of requests) {
          const expected = naiveIndex(list, request)
          const found = fast.match({ attribute: (name) => request[name] })
          assert.equal(found ?? -1, expected)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('a request is asked only for attributes that a rule names, and names are all known beforehand', () => {
    const list = [
      route('c', { interface: 'x', method: 'y' }),
      route(
        'c',
        {},
        {
          match: [{ name: 'group', matcher: { kind: 'prefix', value: 'g', ignoreCase: false }, invert: false }],
          hashPolicy: ['user'],
        },
      ),
    ]
    const fast = compiled(list)
    assert.deepEqual([...fast.attributes].sort(), ['group', 'interface', 'method', 'user'])
    const asked = new Set<string>()
    fast.match({
      attribute: (name) => {
        asked.add(name)
        return undefined
      },
    })
    for (const name of asked) assert.ok(fast.attributes.has(name))
    assert.ok(!asked.has('method'), 'the first attribute has already said no')
  })

  test('with many exact routes no more is asked of a request than with few', () => {
    assert.equal(asks(10_000), asks(10))
  })

  test('an empty table matches nothing, a route without conditions everything', () => {
    assert.equal(compiled([]).match({ attribute: () => 'x' }), undefined)
    assert.equal(compiled([route('c')]).match({ attribute: () => undefined }), 0)
  })

  test('regular expressions match the whole value, in linear time', () => {
    const evil = compiled([
      route('c', {}, { match: [{ name: 'method', matcher: { kind: 'regex', pattern: '(a+)+b' }, invert: false }] }),
    ])
    assert.equal(evil.match({ attribute: () => 'aab' }), 0)
    assert.equal(evil.match({ attribute: () => 'xaab' }), undefined)
    assert.equal(evil.match({ attribute: () => 'a'.repeat(5000) }), undefined)
  })
})

describe('routes', () => {
  test('destinations are chosen by weight', () => {
    const destinations = [
      { cluster: 'zero', weight: 0 },
      { cluster: 'one', weight: 1 },
      { cluster: 'three', weight: 3 },
    ]
    const weighted = new Route(route('x', {}, { destinations }), slots, 1)
    const at = (random: number): string | undefined => weighted.choose(() => random)?.name
    assert.deepEqual([0, 0.2499, 0.25, 0.9999].map(at), ['one', 'one', 'three', 'three'])
    const single = new Route(route('x', {}, { destinations: [{ cluster: 'only', weight: 0 }] }), slots, 1)
    assert.equal(single.choose(() => 0)?.name, 'only')
    assert.equal(
      new Route(route('x', {}, { destinations: [] }), slots, 1).choose(() => 0),
      undefined,
    )
  })

  test('the hash does not depend on the order of the names, a missing value is an empty one', () => {
    assert.equal(hash([], {}), undefined)
    assert.deepEqual(hash(['a', 'b'], { a: '1', b: '2' }), hash(['b', 'a'], { a: '1', b: '2' }))
    assert.deepEqual(hash(['a', 'b'], { a: '1' }), hash(['a', 'b'], { a: '1', b: '' }))
    assert.notDeepEqual(hash(['a'], { a: '1' }), hash(['a'], { a: '2' }))
  })

  test('the timeout is the default where the route has none', () => {
    assert.equal(new Route(route('x'), slots, 15_000).timeoutMs, 15_000)
    assert.equal(new Route(route('x', {}, { timeoutMs: 0 }), slots, 15_000).timeoutMs, 0)
  })
})
