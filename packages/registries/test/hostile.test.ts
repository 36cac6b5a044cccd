/** Whatever stands in a registry, a connector's readers give registrations and rejections, and never throw. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readService as readConsul } from '../src/consul/services.ts'
import type { UnitContents } from '../src/contract.ts'
import { readInstance as readEtcd } from '../src/etcd/instance.ts'
import { placeOf } from '../src/etcd/layout.ts'
import { readInstance as readEureka } from '../src/eureka/instances.ts'
import { hashOf, readApplications } from '../src/eureka/wire.ts'
import { readService as readNacos, revisionsOf } from '../src/nacos/services.ts'
import { hostProblem } from '../src/names.ts'

/** Values that are nearly right are more dangerous than noise. */
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom('10.0.0.1', '::1', '', 'UP', 'critical', 0, -1, 8080, 65_536, 1e99, true, null),
  fc.record({ $: fc.constantFrom('8080', 8080, 'x', null), '@enabled': fc.constantFrom('true', true, 'no', 7) }),
  fc.dictionary(fc.string({ maxLength: 80 }), fc.oneof(fc.string({ maxLength: 300 }), fc.integer()), { maxKeys: 5 }),
)

function records(...fields: readonly string[]): fc.Arbitrary<object> {
  return fc.record(Object.fromEntries(fields.map((field) => [field, value])), { requiredKeys: [] })
}

/** As it comes from a registry. */
function json<T>(found: T): T {
  return JSON.parse(JSON.stringify(found)) as T
}

function check({ registrations, rejections }: UnitContents): void {
  for (const { host, port, weight, labels } of registrations) {
    assert.equal(hostProblem(host), undefined)
    assert.ok(port.number >= 1 && port.number <= 65_535 && weight >= 1 && weight <= 1_000_000)
    for (const [key, text] of Object.entries(labels)) assert.match(`${key} ${text}`, /^[\w./-]{1,317} [\w.-]{1,63}$/)
  }
  for (const { provider, reason } of rejections) assert.ok(provider.length < 400 && reason.length < 1000)
}

test('Consul', () => {
  const node = records('Node', 'Address', 'Datacenter')
  const service = records('ID', 'Service', 'Address', 'Port', 'Tags', 'Meta', 'Weights', 'Kind')
  const entry = fc.record({ Node: fc.oneof(node, value), Service: fc.oneof(service, value), Checks: value })
  const body = fc.oneof(fc.array(fc.oneof(entry, value)), value)
  fc.assert(
    fc.property(fc.string(), body, (name, answer) => {
      check(readConsul(name, json(answer), { domain: undefined, protocol: 'tcp' }))
    }),
  )
})

test('Eureka', () => {
  const instance = records(
    'instanceId',
    'hostName',
    'app',
    'ipAddr',
    'status',
    'port',
    'securePort',
    'dataCenterInfo',
    'metadata',
    'actionType',
  )
  const application = fc.record({
    name: fc.oneof(fc.string(), value),
    instance: fc.oneof(instance, fc.array(instance), value),
  })
  fc.assert(
    fc.property(fc.oneof(application, fc.array(application), value), (all) => {
      const { instances } = readApplications(json({ applications: { application: all } }))
      for (const each of instances) check(readEureka(each, undefined))
      hashOf(instances.map(({ status }) => status))
    }),
  )
})

test('Nacos', () => {
  const instances = fc.array(
    fc.oneof(records('ip', 'port', 'weight', 'healthy', 'enabled', 'clusterName', 'metadata'), value),
  )
  fc.assert(
    fc.property(fc.string(), fc.string(), instances, (service, group, found) => {
      const all = json(found)
      const name = { namespace: '', group, service }
      check(readNacos(name, all, new Map([...revisionsOf(name, all)].map((revision) => [revision, 'broken']))))
    }),
  )
})

test('etcd', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.oneof(records('host', 'port', 'metadata', 'enabled', 'healthy'), value),
      (path, instance) => {
        readEtcd('shop', 'id', new TextEncoder().encode(JSON.stringify(instance)))
        readEtcd('shop', 'id', new TextEncoder().encode(path))
        placeOf(`/dubbo/${path}`, { root: '/dubbo', servicesRoot: '/services' })
      },
    ),
  )
})
