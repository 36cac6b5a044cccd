/**
 * The EnvoyFilters of the seed talk are what is printed for its ServiceEntry and VirtualService. Where they differ, the
 * difference is one of those that docs/envoy.md lists, and is taken out here one by one.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { create, createRegistry, fromJson, type JsonValue } from '@bufbuild/protobuf'
import { RouterSchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/dubbo_proxy/router/v3/router_pb.ts'
import {
  type DubboProxy,
  DubboProxySchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/dubbo_proxy/v3/dubbo_proxy_pb.ts'
import {
  type RouteConfiguration,
  RouteSchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/dubbo_proxy/v3/route_pb.ts'
import { parse } from 'yaml'
import type { EnvoyConfigPatch } from '@aeraki/api'
import { generateYaml } from './support/envoy-filters.ts'

const data = new URL('../../api/test/data/', import.meta.url)
const host = 'org.apache.dubbo.samples.basic.api.demoservice'

function read(file: string): string {
  return readFileSync(new URL(file, data), 'utf8')
}

const registry = createRegistry(RouterSchema)

function messageOf(patch: EnvoyConfigPatch | undefined): DubboProxy {
  assert.ok(patch?.patch !== undefined)
  const { name, typed_config: config } = patch.patch.value as {
    name: string
    typed_config: { '@type': string; type_url?: string; value?: JsonValue } & Record<string, JsonValue>
  }
  assert.equal(name, 'envoy.filters.network.dubbo_proxy')
  const { '@type': type, type_url: inner, value, ...fields } = config
  if (inner === undefined) {
    assert.equal(type, `type.googleapis.com/${DubboProxySchema.typeName}`)
    return fromJson(DubboProxySchema, fields)
  }
  // Istio's webhook refuses types that it does not know, and takes this one.
  assert.equal(type, 'type.googleapis.com/udpa.type.v1.TypedStruct')
  assert.equal(inner, `type.googleapis.com/${DubboProxySchema.typeName}`)
  return fromJson(DubboProxySchema, value ?? {}, { registry })
}

/** The talk has them in a field that Envoy has deprecated since. */
function tablesOf(message: DubboProxy): RouteConfiguration[] {
  const { routeSpecifier } = message
  return routeSpecifier.case === 'multipleRouteConfig' ? routeSpecifier.value.routeConfig : message.routeConfig
}

function patchesOf(yaml: string, name: string): EnvoyConfigPatch[] {
  const object = generateYaml(yaml).get(name)
  assert.equal(object.kind, 'EnvoyFilter')
  return object.kind === 'EnvoyFilter' ? (object.spec.configPatches ?? []) : []
}

const service = read('seed/dubbo-service-entry.yaml')
const rules = read('seed/dubbo-traffic-splitting.yaml')
/** The talk's filter matches a method of which its VirtualService says nothing. */
const rulesWithMethod = rules.replace('      route:\n', '      match: [{method: {exact: sayHello}}]\n      route:\n')

test('the outbound EnvoyFilter of the seed talk is the one that is printed', () => {
  const seed = parse(read('seed/envoy-filter-outbound.yaml')) as {
    metadata: { namespace: string }
    spec: { configPatches: EnvoyConfigPatch[] }
  }
  const name = `istio-system/aeraki-outbound-${host}-193.193.192.192-20880`
  assert.equal(seed.metadata.namespace, 'istio-system')
  assert.notEqual(rulesWithMethod, rules)
  const patches = patchesOf(`${service}---\n${rulesWithMethod}`, name)
  assert.equal(patches.length, seed.spec.configPatches.length)
  const [theirs] = seed.spec.configPatches
  const [ours] = patches
  assert.deepEqual(ours?.match, theirs?.match)
  assert.equal(ours?.applyTo, theirs?.applyTo)
  assert.equal(ours?.patch?.operation, theirs?.patch?.operation)
  const [wanted, printed] = [messageOf(theirs), messageOf(ours)]
  assert.equal(printed.statPrefix, wanted.statPrefix)
  assert.equal(printed.protocolType, wanted.protocolType)
  assert.equal(printed.serializationType, wanted.serializationType)
  assert.deepEqual(tablesOf(printed), tablesOf(wanted))
  assert.deepEqual(
    printed.dubboFilters.map((filter) => filter.name),
    ['envoy.filters.dubbo.router'],
    'the router, which Envoy adds by itself where there is none',
  )
})

test('its VirtualService as it stands splits every method, not only one', () => {
  const name = `istio-system/aeraki-outbound-${host}-193.193.192.192-20880`
  const [printed] = patchesOf(`${service}---\n${rules}`, name)
  const [withMethod] = patchesOf(`${service}---\n${rulesWithMethod}`, name)
  const [route] = tablesOf(messageOf(printed))[0]?.routes ?? []
  const [other] = tablesOf(messageOf(withMethod))[0]?.routes ?? []
  assert.deepEqual(route?.route, other?.route)
  assert.deepEqual(
    route?.match,
    create(RouteSchema, {
      match: { method: { name: { matchPattern: { case: 'safeRegex', value: { regex: '.*' } } } } },
    }).match,
  )
})

test('the inbound EnvoyFilter of the seed talk is the one that is printed', () => {
  // Its text has slips: a key beside its list entry, a filter beside its chain, and a field that is none.
  const text = read('seed-fragments/envoy-filter-inbound.yaml').replace(/^- /, '').replace('@listener', 'cluster')
  const theirs = parse(text) as {
    applyTo: string
    match: { listener: { name: string }; filterChain: { destination_port: number }; filter: { name: string } }
    patch: NonNullable<EnvoyConfigPatch['patch']>
  }
  const [ours] = patchesOf(`${service}---\n${rules}`, `default/aeraki-inbound-${host}-20880`)
  const { listener, filterChain, filter } = theirs.match
  assert.equal(ours?.applyTo, theirs.applyTo)
  assert.deepEqual(ours?.match, {
    listener: { ...listener, filterChain: { destinationPort: filterChain.destination_port, filter } },
  })
  assert.equal(ours?.patch?.operation, theirs.patch?.operation)
  const [wanted, printed] = [messageOf({ applyTo: 'NETWORK_FILTER', patch: theirs.patch }), messageOf(ours)]
  assert.equal(printed.statPrefix, wanted.statPrefix)
  const [wantedTable] = tablesOf(wanted)
  const [table] = tablesOf(printed)
  assert.equal(table?.name, wantedTable?.name)
  assert.deepEqual(table?.routes[0]?.route, wantedTable?.routes[0]?.route)
  // Any interface and any method: a workload serves more of them than the one that a ServiceEntry is for.
  assert.equal(table?.interface, '*')
})
