import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AdsClient, ClientState, Update } from '@aeraki/xds'
import { Configuration } from '../src/config/configuration.ts'
import { ResourceLog } from '../src/config/resource-log.ts'
import { clusterType, endpointsType, listenerType, routesType, Subscriptions } from '../src/config/subscriptions.ts'
import { RecordingRuntime, settle } from './support/recording-runtime.ts'
import { edsCluster, endpoints, listener, pack, routes } from './support/xds.ts'

class FakeClient implements AdsClient {
  readonly subscribed: string[] = []
  readonly names = new Map<string, readonly string[] | '*'>()
  state: ClientState = { kind: 'connected' }

  subscribe(typeUrl: string, names: readonly string[] | '*'): void {
    const type = typeUrl.slice(typeUrl.lastIndexOf('.') + 1)
    this.subscribed.push(`${type} ${names === '*' ? '*' : names.join(' ')}`)
    this.names.set(typeUrl, names)
  }
  async close(): Promise<void> {}
}

class Harness {
  readonly runtime = new RecordingRuntime()
  readonly configuration = new Configuration(this.runtime)
  readonly resources = new ResourceLog()
  readonly client = new FakeClient()
  readonly subscriptions = new Subscriptions({
    configuration: this.configuration,
    resources: this.resources,
    listeners: true,
    clusters: true,
    controlPlane: 'test:1',
  })

  constructor() {
    this.subscriptions.start(this.client)
  }

  async update(
    typeUrl: string,
    messages: readonly Parameters<typeof pack>[0][],
    removed: readonly string[] = [],
    version = '1',
  ): Promise<void> {
    const changed: Update['changed'] = messages.map((message) => ({
      name: message.$typeName === 'envoy.config.endpoint.v3.ClusterLoadAssignment' ? message.clusterName : message.name,
      version,
      any: pack(message),
    }))
    await this.subscriptions.onUpdate(typeUrl, { changed, removed })
    await settle()
  }

  async service(): Promise<void> {
    await this.update(clusterType, [edsCluster('c')])
    await this.update(listenerType, [listener('l', { port: 1, rds: 'r' })])
    await this.update(endpointsType, [endpoints('c', '127.0.0.1:1')])
    await this.update(routesType, [routes('r', 'c')])
    this.runtime.take()
    this.client.subscribed.splice(0)
  }
}

describe('subscriptions', () => {
  test('begin with everything of clusters and listeners, and then ask for what these need', async () => {
    const h = new Harness()
    assert.deepEqual(h.client.subscribed.splice(0), ['Cluster *', 'Listener *'])
    assert.equal(h.subscriptions.initialised, false)
    await h.update(clusterType, [edsCluster('b'), edsCluster('a'), edsCluster('x', 'a')])
    assert.deepEqual(h.client.subscribed.splice(0), ['ClusterLoadAssignment a b'])
    await h.update(listenerType, [listener('l', { port: 1, rds: 'r' }), listener('m', { port: 2, cluster: 'a' })])
    assert.deepEqual(h.client.subscribed.splice(0), ['RouteConfiguration r'])
    assert.equal(h.subscriptions.initialised, true)
    await h.update(clusterType, [], ['b'])
    assert.deepEqual(h.client.subscribed.splice(0), ['ClusterLoadAssignment a'])
    h.configuration.close()
  })

  test('apply the good resources of a response and refuse it with the reasons of the bad ones', async () => {
    const h = new Harness()
    await h.service()
    const reason = /listener "l": .*typed_config: has no routes.*; listener "m": address: is missing/
    const bad = { ...listener('m', { port: 2, cluster: 'c' }), address: undefined }
    const worse = listener('l', { port: 1, rds: 'r' })
    const [chain] = worse.filterChains
    const filter = chain?.filters[0]
    assert.ok(filter?.configType.case === 'typedConfig')
    filter.configType.value.value = filter.configType.value.value.slice(0, 3)
    await assert.rejects(
      h.update(listenerType, [worse, bad, listener('good', { port: 3, cluster: 'c' })], [], '2'),
      (error: Error) =>
        error.message !== '' && (reason.test(error.message) || /listener "m": address: is missing/.test(error.message)),
    )
    await settle()
    assert.deepEqual(h.runtime.take(), ['set listener good'])
    assert.equal(h.resources.get('listener', 'l')?.accepted?.version, '1', 'the last good one stays')
    assert.match(h.resources.get('listener', 'l')?.refused?.details ?? '', /listener "l": /)
    assert.equal(h.resources.get('listener', 'm')?.accepted, undefined)
    assert.deepEqual(h.resources.updates.listener, { accepted: 1, rejected: 1 })
    h.configuration.close()
  })

  test('do nothing for bytes that are the same, and forget the refused update with them', async () => {
    const h = new Harness()
    await h.service()
    const table = h.runtime.tables.get('r')
    await assert.rejects(h.update(routesType, [{ ...routes('r'), virtualHosts: [] }], [], '2'), /has 0 virtual hosts/)
    assert.ok(h.resources.get('routes', 'r')?.refused !== undefined)
    await h.update(routesType, [routes('r', 'c')], [], '3')
    assert.deepEqual(h.runtime.take(), [])
    assert.equal(h.runtime.tables.get('r'), table)
    assert.equal(h.resources.get('routes', 'r')?.accepted?.version, '3')
    assert.equal(h.resources.get('routes', 'r')?.refused, undefined)
    h.configuration.close()
  })

  test('remove a listener and a cluster when told so, endpoints and tables when nothing needs them', async () => {
    const h = new Harness()
    await h.service()
    await h.update(endpointsType, [], ['c'])
    await h.update(routesType, [], ['r'])
    assert.deepEqual(h.runtime.take(), [])
    await h.update(listenerType, [], ['l'])
    assert.deepEqual(h.runtime.take(), ['remove listener l', 'remove table r'])
    await h.update(clusterType, [], ['c'])
    assert.deepEqual(h.runtime.take(), ['remove cluster c', 'remove endpoints c'])
    for (const kind of ['listener', 'cluster', 'endpoints', 'routes'] as const)
      assert.deepEqual(h.resources.all(kind), [])
    h.configuration.close()
  })

  test('bring a service back that was removed, although nothing of it has changed', async () => {
    const h = new Harness()
    await h.service()
    await h.update(listenerType, [], ['l'])
    await h.update(clusterType, [], ['c'])
    h.runtime.take()
    // A late answer to a question that was taken back must not pass for known.
    await h.update(routesType, [routes('r', 'c')])
    await h.service()
    assert.ok(h.runtime.listeners.has('l') && h.runtime.tables.has('r') && h.runtime.endpoints.has('c'))
    h.configuration.close()
  })

  test('refuse what is not of its type, does not parse, or is named otherwise inside', async () => {
    const h = new Harness()
    const send = (typeUrl: string, any: { typeUrl: string; value: Uint8Array }, name = 'c'): Promise<void> =>
      h.subscriptions.onUpdate(typeUrl, {
        changed: [{ name, version: '1', any: { $typeName: 'google.protobuf.Any', ...any } }],
        removed: [],
      })
    await assert.rejects(
      send(clusterType, pack(listener('c', { port: 1, cluster: 'c' }))),
      /cluster "c": is a .*Listener, not a .*Cluster/,
    )
    await assert.rejects(
      send(clusterType, { typeUrl: clusterType, value: Uint8Array.of(10, 200) }),
      /cluster "c": does not parse/,
    )
    await assert.rejects(send(clusterType, pack(edsCluster('other'))), /names itself "other" inside/)
    await assert.rejects(send('type.googleapis.com/envoy.Secret', pack(edsCluster('c'))), /nobody asked for/)
    h.configuration.close()
  })
})
