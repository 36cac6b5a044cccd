import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  expandHost,
  formatLocality,
  formatPath,
  hostCovers,
  parseDuration,
  parseLocality,
  parsePath,
  protocolOfPort,
  selects,
  tryParseDuration,
} from '../src/index.ts'
import { editDistance, nearest } from '../src/names/nearest.ts'

describe('the protocol of a port', () => {
  const cases: [name: string | undefined, appProtocol: string | undefined, expected: string | undefined][] = [
    ['tcp-dubbo', undefined, 'native dubbo'],
    ['tcp-Dubbo-28001', undefined, 'native dubbo'],
    ['tcp-thrift-service', undefined, 'native thrift'],
    ['tcp-redis', undefined, 'native redis'],
    ['tcp-metaprotocol-dubbo', undefined, 'metaprotocol dubbo'],
    ['tcp-metaprotocol-thrift-hello-server', undefined, 'metaprotocol thrift'],
    ['tcp-metaprotocol-AwesomeRpc', undefined, 'metaprotocol AwesomeRpc'],
    ['tcp-metaprotocol', undefined, undefined],
    ['tcp-metaprotocol-', undefined, undefined],
    ['Dubbo', undefined, undefined],
    ['tcp', undefined, undefined],
    ['http-web', undefined, undefined],
    ['', undefined, undefined],
    [undefined, undefined, undefined],
    ['http', 'aeraki.io/dubbo', 'metaprotocol dubbo'],
    ['tcp-thrift', 'aeraki.io/dubbo', 'metaprotocol dubbo'],
    ['tcp-thrift', 'kubernetes.io/h2c', 'native thrift'],
    ['tcp-thrift', 'aeraki.io/', undefined],
  ]
  for (const [name, appProtocol, expected] of cases) {
    test(`${name} with appProtocol ${appProtocol} is ${expected}`, () => {
      const found = protocolOfPort({ name, appProtocol, protocol: 'TCP' })
      assert.equal(found === undefined ? undefined : `${found.form} ${found.protocol}`, expected)
    })
  }

  test('no name makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.string(), { nil: undefined }), (name, appProtocol) => {
        protocolOfPort({ name, appProtocol })
      }),
    )
  })
})

describe('durations', () => {
  test('are milliseconds', () => {
    const cases: [string, number][] = [
      ['1h2m3.5s', 3_723_500],
      ['100ms', 100],
      ['1.5s', 1500],
      ['.5s', 500],
      ['0', 0],
      ['0s', 0],
      ['10us', 0.01],
      ['1h', 3_600_000],
      ['-1s', -1000],
      ['5m', 300_000],
    ]
    for (const [text, expected] of cases) assert.equal(parseDuration(text), expected, text)
  })

  test('need a unit and nothing else', () => {
    for (const text of ['', '5', 's', '1d', '1 s', '1s ', '1.s.', 'PT1S', '1e3s', '--1s']) {
      assert.equal(tryParseDuration(text), undefined, text)
    }
    assert.throws(() => parseDuration('5'), { code: 'API_BAD_DURATION' })
  })

  test('sum their parts', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.nat(1000), (h, m, s) => {
        assert.equal(parseDuration(`${h}h${m}m${s}s`), h * 3_600_000 + m * 60_000 + s * 1000)
      }),
    )
  })
})

describe('hosts', () => {
  test('a short name is of its namespace', () => {
    assert.equal(expandHost('orders', 'shop'), 'orders.shop.svc.cluster.local')
    assert.equal(expandHost('orders.shop', 'x'), 'orders.shop')
    assert.equal(expandHost('*', 'x'), '*')
    assert.equal(expandHost('orders', 'shop', 'mesh.local'), 'orders.shop.svc.mesh.local')
  })

  test('a wildcard covers what is under it, at any depth, and not itself without label', () => {
    assert.ok(hostCovers('*.b.c', 'a.b.c'))
    assert.ok(hostCovers('*.b.c', 'x.a.b.c'))
    assert.ok(hostCovers('*', 'a'))
    assert.ok(hostCovers('*.c', '*.b.c'))
    assert.ok(!hostCovers('*.b.c', 'b.c'))
    assert.ok(!hostCovers('*.b.c', '*.c'))
    assert.ok(!hostCovers('a.b', '*.b'))
    assert.ok(hostCovers('A.b', 'a.B'))
  })

  test('case and a dot at the end make no other host', () => {
    assert.equal(expandHost('Orders.Shop.Example.', 'x'), 'orders.shop.example')
    assert.equal(expandHost('Cart', 'shop'), 'cart.shop.svc.cluster.local')
    assert.ok(hostCovers('*.Shop.Example', 'orders.shop.example.'))
  })
})

test('a selector asks for all of its labels, an empty one for none', () => {
  assert.ok(selects({ a: '1' }, { a: '1', b: '2' }))
  assert.ok(!selects({ a: '1', b: '3' }, { a: '1', b: '2' }))
  assert.ok(!selects({ a: '1' }, undefined))
  assert.ok(selects({}, {}))
  assert.ok(selects(undefined, undefined))
})

test('a locality has a region, a zone and a sub-zone, from the left', () => {
  assert.deepEqual(parseLocality('cn/sh/a'), { region: 'cn', zone: 'sh', subZone: 'a' })
  assert.deepEqual(parseLocality('cn'), { region: 'cn', zone: '', subZone: '' })
  assert.deepEqual(parseLocality(undefined), { region: '', zone: '', subZone: '' })
  for (const text of ['', 'cn', 'cn/sh', 'cn/sh/a', 'cn//a']) assert.equal(formatLocality(parseLocality(text)), text)
})

test('a field path is written and read back', () => {
  assert.equal(formatPath(['spec', 'http', 0, 'a.b/c', 'x']), 'spec.http[0]["a.b/c"].x')
  const step = fc.oneof(fc.nat(100), fc.string({ minLength: 1 }))
  fc.assert(fc.property(fc.array(step), (path) => assert.deepEqual(parsePath(formatPath(path)), path)))
})

describe('did you mean', () => {
  test('finds slips of the fingers and of the case', () => {
    const fields = ['routes', 'route', 'mirror', 'requestMutation']
    assert.equal(nearest('rotues', fields), 'routes')
    assert.equal(nearest('Route', fields), 'route')
    assert.equal(nearest('requestmutations', fields), 'requestMutation')
    assert.equal(nearest('zzz', fields), undefined)
    assert.equal(nearest('xy', ['ab']), undefined)
  })

  test('the distance is the same both ways and 0 for equal words only', () => {
    const word = fc.string({ maxLength: 8 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        assert.equal(editDistance(a, b), editDistance(b, a))
        assert.equal(editDistance(a, b) === 0, a === b)
      }),
    )
  })
})
