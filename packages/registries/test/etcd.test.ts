/** Of keys and values as Java, dubbo-go and others write them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rangeEndOf } from '../src/etcd/client.ts'
import { readInstance } from '../src/etcd/instance.ts'
import { placeOf } from '../src/etcd/layout.ts'
import { memberAddress } from '../src/etcd/settings.ts'

function place(key: string) {
  return placeOf(key, { root: '/dubbo', servicesRoot: '/services' })
}

function read(value: unknown) {
  return readInstance('shop', 'id', new TextEncoder().encode(JSON.stringify(value)))
}

test('every key has its place, and those of others have none', () => {
  assert.deepEqual(place('/dubbo/org.demo.Api/providers/dubbo%3A%2F%2Fh'), {
    kind: 'provider',
    interface: 'org.demo.Api',
    url: 'dubbo%3A%2F%2Fh',
  })
  assert.deepEqual(place('/dubbo/a/providers/dubbo://h/a?x'), {
    kind: 'provider',
    interface: 'a',
    url: 'dubbo://h/a?x',
  })
  assert.deepEqual(place('/services/shop/10.0.0.1:1'), { kind: 'instance', application: 'shop', id: '10.0.0.1:1' })
  assert.deepEqual(place('/dubbo/metadata/shop/r1'), { kind: 'metadata', application: 'shop', revision: 'r1' })
  assert.deepEqual(place('/dubbo/shop/r1'), { kind: 'metadata', application: 'shop', revision: 'r1' })
  assert.deepEqual(place('/dubbo/mapping/org.demo.Api'), { kind: 'mapping', interface: 'org.demo.Api' })
  for (const key of [
    '/dubbo/a/consumers/x',
    '/dubbo/a/configurators/x',
    '/dubbo/config/dubbo/x',
    '/dubbo/a',
    '/dubbo',
    '/dubbo2/a/providers/x',
    '/services/shop',
    '/services//x',
    '/other',
    '',
  ]) {
    assert.equal(place(key), undefined, key)
  }
})

test('an instance is read in either spelling', () => {
  const metadata = { a: '1' }
  for (const value of [
    { host: '10.0.0.1', port: 1, metadata },
    { Host: '10.0.0.1', Port: 1, Metadata: metadata },
  ]) {
    const found = read(value)
    assert.ok(found.kind === 'instance' && found.healthy)
    assert.deepEqual(found.instance, {
      application: 'shop',
      id: 'id',
      address: '10.0.0.1',
      port: 1,
      metadata: new Map([['a', '1']]),
    })
  }
  const off = read({ host: 'h', enabled: false, healthy: false })
  assert.ok(off.kind === 'instance' && !off.healthy && off.instance.metadata.get('enabled') === 'false')
  assert.equal(readInstance('shop', 'id', new Uint8Array()).kind, 'nothing')
  for (const value of [[], 'x', {}, { host: 7 }]) assert.equal(read(value).kind, 'rejected')
})

test('a prefix ends where the next one begins', () => {
  assert.equal(Buffer.from(rangeEndOf('/dubbo/')).toString(), '/dubbo0')
})

test('members have a usual port', () => {
  assert.equal(memberAddress('h'), 'h:2379')
  assert.equal(memberAddress('[::1]'), '[::1]:2379')
  assert.equal(memberAddress('10.0.0.1:1'), '10.0.0.1:1')
})
