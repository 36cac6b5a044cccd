import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create, fromBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { Backoff } from '../src/client/backoff.ts'
import { ClusterSchema } from '../src/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { files } from '../src/gen/files.ts'
import { resource, typeUrls } from '../src/index.ts'
import { anyToJson, registry, toJson } from '../src/registry.ts'
import { setVersion } from '../src/version.ts'
import { edsName, resourceName } from '../src/wire.ts'
import { badCluster, cluster, endpoints, httpListener, item, routes } from './resources.ts'

const withMetadata = (...keys: readonly string[]) => {
  const struct = Object.fromEntries(keys.map((key) => [key, { [`${key}2`]: 1, [`${key}1`]: [{ z: 1, a: 2 }] }]))
  const filterMetadata = Object.fromEntries(keys.map((key) => [key, struct]))
  return resource(
    'c',
    typeUrls.cluster,
    ClusterSchema,
    create(ClusterSchema, { name: 'c', metadata: { filterMetadata } }),
  )
}

describe('resource', () => {
  test('equal messages have equal bytes and versions, whatever order their maps were filled in', () => {
    const [one, two] = [withMetadata('a', 'b', 'c'), withMetadata('c', 'a', 'b')]
    assert.deepEqual(one.any.value, two.any.value)
    assert.equal(one.version, two.version)
  })

  test('another content is another version', () => {
    assert.notEqual(withMetadata('a', 'b').version, withMetadata('a', 'c').version)
    assert.notEqual(cluster('a', 1).version, cluster('a', 2).version)
  })

  test('the message is what was given, and is left as it was', () => {
    const message = create(ClusterSchema, { name: 'c', metadata: { filterMetadata: { b: { y: 1, x: 2 }, a: {} } } })
    const { any, name } = resource('c', typeUrls.cluster, ClusterSchema, message)
    assert.deepEqual(Object.keys(message.metadata?.filterMetadata ?? {}), ['b', 'a'])
    assert.deepEqual(fromBinary(ClusterSchema, any.value), message)
    assert.deepEqual([name, any.typeUrl], ['c', typeUrls.cluster])
  })

  test('the version of a set does not depend on the order', () => {
    const [a, b] = [item(typeUrls.cluster, 'a'), item(typeUrls.cluster, 'b')]
    assert.equal(setVersion([a, b]), setVersion([b, a]))
    assert.notEqual(setVersion([a, b]), setVersion([a]))
  })
})

describe('names in serialised resources', () => {
  test('every type has its name in the first field', () => {
    for (const { name, any } of [cluster('c'), endpoints('e', 1), routes('r', 'c'), httpListener('l', 'r')]) {
      assert.equal(resourceName(any.value), name)
    }
    assert.equal(resourceName(new Uint8Array()), undefined)
    assert.throws(() => resourceName(new Uint8Array([0x0a, 0x7f, 1])))
  })

  test('an EDS cluster asks for its service name, or its own', () => {
    assert.equal(edsName(badCluster('c').any.value), 'c')
    const message = create(ClusterSchema, {
      name: 'c',
      clusterDiscoveryType: { case: 'type', value: 3 },
      edsClusterConfig: { serviceName: 's' },
    })
    assert.equal(edsName(resource('c', typeUrls.cluster, ClusterSchema, message).any.value), 's')
    assert.equal(edsName(item(typeUrls.cluster, 'static').any.value), undefined)
  })
})

describe('JSON', () => {
  test('the registry has all that is generated, our own messages too', () => {
    assert.ok(files.length > 90)
    assert.ok(registry.getMessage('aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy') !== undefined)
    assert.ok(registry.getMessage('envoy.config.bootstrap.v3.Bootstrap') !== undefined)
  })

  test('a resource prints with the names of the .proto files, what is in an Any within it too', () => {
    const json = JSON.stringify(anyToJson(httpListener('l', 'r').any))
    assert.match(json, /"@type":"type.googleapis.com\/envoy.config.listener.v3.Listener"/)
    assert.match(json, /"filter_chains":/)
    assert.match(json, /"route_config_name":"r"/)
  })

  test('an Any of an unknown type prints as its type, at the top with its bytes; malformed bytes print as they are', () => {
    const unknown = create(AnySchema, { typeUrl: 'type.googleapis.com/no.such.Type', value: new Uint8Array([8, 2]) })
    assert.deepEqual(anyToJson(unknown), { '@type': unknown.typeUrl, value: 'CAI=' })
    const message = create(ClusterSchema, { name: 'c', typedExtensionProtocolOptions: { x: unknown } })
    assert.deepEqual(toJson(ClusterSchema, message), {
      name: 'c',
      typed_extension_protocol_options: { x: { '@type': unknown.typeUrl } },
    })
    const malformed = create(AnySchema, { typeUrl: typeUrls.cluster, value: new Uint8Array([0x0a, 0x7f]) })
    assert.deepEqual(anyToJson(malformed), { '@type': typeUrls.cluster, value: 'Cn8=' })
  })
})

describe('backoff', () => {
  test('pauses double up to the longest, and begin anew after a reset', () => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 500 }, () => 1)
    assert.deepEqual(
      [backoff.next(), backoff.next(), backoff.next(), backoff.next(), backoff.next()],
      [100, 200, 400, 500, 500],
    )
    backoff.reset()
    assert.equal(backoff.next(), 100)
  })

  test('jitter is full: anything from nothing to the whole', () => {
    assert.equal(new Backoff({ baseMs: 100, maxMs: 500 }, () => 0).next(), 0)
    assert.equal(new Backoff({ baseMs: 100, maxMs: 500 }, () => 0.5).next(), 50)
  })
})
