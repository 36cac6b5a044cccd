/**
 * Every YAML block of the project's first talk, copied as it stands there (glitches and all), loads or converts without an
 * error. What is not a resource there gets an error that says what it is.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Diagnostic, isKind, type Kind, type LoadedObject, loadPath, loadResources } from '../src/index.ts'

const data = join(import.meta.dirname, 'data')

function load(name: string) {
  const result = loadPath(join(data, 'seed', name))
  assert.deepEqual(
    result.diagnostics.filter(({ severity }) => severity === 'error'),
    [],
  )
  return result
}

function only<K extends Kind>(
  name: string,
  kind: K,
): { object: Extract<LoadedObject, { kind: K }>; warnings: string[] } {
  const { objects, diagnostics } = load(name)
  assert.equal(objects.length, 1)
  const [object] = objects
  assert.ok(object !== undefined && isKind(object, kind))
  return { object, warnings: diagnostics.map(brief) }
}

function brief({ line, column, code, field }: Diagnostic): string {
  return `${line}:${column} ${code} ${field}`
}

const demo = 'org.apache.dubbo.samples.basic.api.demoservice'

describe('the blocks of the seed talk', () => {
  for (const name of readdirSync(join(data, 'seed'))) {
    test(`${name} has no error, and every warning has a place and a remedy`, () => {
      const { objects, diagnostics } = load(name)
      assert.ok(objects.length > 0)
      for (const each of diagnostics) {
        assert.ok(each.line > 0 && each.column > 0)
        assert.notEqual(each.remedy, '')
      }
    })
  }

  test('the service definition is as written', () => {
    const { object, warnings } = only('dubbo-service-entry.yaml', 'ServiceEntry')
    assert.deepEqual(warnings, [])
    assert.deepEqual(object.metadata.annotations, { interface: 'org.apache.dubbo.samples.basic.api.DemoService' })
    assert.deepEqual(object.spec, {
      hosts: [demo],
      addresses: ['193.193.192.192'],
      ports: [{ number: 20880, name: 'tcp-dubbo', protocol: 'TCP' }],
      workloadSelector: { labels: { app: 'dubbo-sample-provider' } },
      resolution: 'STATIC',
    })
  })

  test('the traffic splitting rule has its weights', () => {
    const { object, warnings } = only('dubbo-traffic-splitting.yaml', 'VirtualService')
    assert.deepEqual(warnings, [])
    assert.deepEqual(
      object.spec.http?.[0]?.route?.map(({ destination, weight }) => [destination.subset, weight]),
      [
        ['v1', 30],
        ['v2', 70],
      ],
    )
  })

  test('labels beside an empty `labels:` are the labels of the subset', () => {
    const { object, warnings } = only('batch-job-destination-rule.yaml', 'DestinationRule')
    assert.deepEqual(object.spec.subsets, [
      { name: 'batchjob', labels: { service_group: 'batchjob' } },
      { name: 'user', labels: { service_group: 'user' } },
    ])
    assert.deepEqual(warnings, [
      '10:5 API_LENIENT_FORM spec.subsets[0].service_group',
      '13:5 API_LENIENT_FORM spec.subsets[1].service_group',
    ])
    // A later finding about the field points to where it was written.
    const { line, column } = object.positionOf('spec.subsets[1].labels.service_group')
    assert.deepEqual([line, column], [13, 20])
  })

  test('conditions beside an empty `headers:` are headers to match', () => {
    const { object, warnings } = only('batch-job-virtual-service.yaml', 'VirtualService')
    assert.deepEqual(
      object.spec.http?.map(({ match }) => match),
      [[{ headers: { batchJob: { exact: 'true' } } }], [{ headers: { batchJob: { exact: 'false' } } }]],
    )
    assert.deepEqual(warnings, [
      '13:7 API_LENIENT_FORM spec.http[0].match[0].batchJob',
      '22:7 API_LENIENT_FORM spec.http[1].match[0].batchJob',
    ])
  })

  test('outlierDetection beside trafficPolicy is a part of it', () => {
    const { object, warnings } = only('locality-destination-rule.yaml', 'DestinationRule')
    assert.deepEqual(object.spec.trafficPolicy, {
      loadBalancer: { localityLbSetting: { enabled: true } },
      outlierDetection: { baseEjectionTime: '5m', consecutive5xxErrors: 3, interval: '30s' },
    })
    assert.deepEqual(warnings, ['11:3 API_LENIENT_FORM spec.outlierDetection'])
  })

  test('the Redis secret, services and destinations are as written', () => {
    const { objects } = load('redis-service.yaml')
    assert.deepEqual(
      objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      ['Secret redis-service-secret', 'RedisService redis-cluster'],
    )
    const [secret, service] = objects
    assert.ok(secret !== undefined && isKind(secret, 'Secret'))
    assert.deepEqual(secret.spec, { type: 'Opaque', data: { password: 'dGVzdHJlZGlzCg==' } })
    assert.ok(service !== undefined && isKind(service, 'RedisService'))
    assert.equal(service.spec.redis?.[0]?.match?.key?.prefix, 'cluster')
    const destinations = load('redis-destination.yaml').objects
    assert.deepEqual(
      destinations.map((each) => isKind(each, 'RedisDestination') && each.spec.trafficPolicy?.connectionPool?.redis),
      [{ mode: 'CLUSTER' }, { auth: { plain: { password: 'testredis' } } }],
    )
  })

  test('the early form becomes a MetaRouter', () => {
    const { object, warnings } = only('canary-early-form.yaml', 'MetaRouter')
    assert.deepEqual(object.convertedFrom, {
      apiVersion: 'networking.aeraki.io/v1alpha1',
      kind: 'VirtualService',
      name: object.metadata.name,
    })
    assert.deepEqual(object.metadata.annotations, { 'aeraki.io/protocol': 'dubbo' })
    assert.deepEqual(object.spec, {
      hosts: [demo],
      routes: [
        {
          name: 'v2-route',
          match: { attributes: { user: { exact: 'test' } } },
          route: [{ destination: { host: demo, subset: 'v2' } }],
          requestMutation: [{ key: 'tracing', value: '100' }],
        },
        { name: 'v1-route', route: [{ destination: { host: demo, subset: 'v1' } }] },
      ],
    })
    assert.deepEqual(warnings, ['1:13 API_EARLY_FORM apiVersion', '13:7 API_LENIENT_FORM spec.Route[0].match[0].key'])
    const places = [
      'spec.hosts[0]',
      'spec.routes[0].match.attributes.user.exact',
      'spec.routes[1].route[0].destination.subset',
    ]
    assert.deepEqual(
      places.map((path) => object.positionOf(path).line),
      [7, 15, 26],
    )
  })

  test('a VirtualService for AwesomeRPC is told to become a MetaRouter', () => {
    const { object, warnings } = only('awesomerpc-virtual-service.yaml', 'VirtualService')
    assert.deepEqual(object.spec, { hosts: ['reviews.prod.svc.cluster.local'], http: [] })
    assert.deepEqual(warnings, ['8:3 API_UNKNOWN_ROUTE_LIST spec.awesomeRPC'])
    assert.match(load('awesomerpc-virtual-service.yaml').diagnostics[0]?.remedy ?? '', /MetaRouter/)
  })

  test('a filterChain that slipped out of its match is put back', () => {
    const slipped = only('envoy-filter-outbound-misindented.yaml', 'EnvoyFilter')
    const sound = only('envoy-filter-outbound.yaml', 'EnvoyFilter')
    assert.deepEqual(sound.warnings, [])
    assert.deepEqual(slipped.warnings, ['12:5 API_LENIENT_FORM spec.configPatches[0].filterChain'])
    assert.deepEqual(slipped.object.spec, sound.object.spec)
  })
})

describe('what the talk shows that is not a resource', () => {
  test('the inbound fragment is no YAML document as it stands; the error says where it belongs', () => {
    const { objects, diagnostics } = loadPath(join(data, 'seed-fragments', 'envoy-filter-inbound.yaml'))
    assert.deepEqual(objects, [])
    assert.deepEqual(diagnostics.map(brief), ['2:1 API_YAML_SYNTAX '])
    assert.match(diagnostics[0]?.remedy ?? '', /spec\.configPatches/)
  })

  test('Envoy JSON with its commas missing is a syntax error at the place', () => {
    const { objects, diagnostics } = loadPath(join(data, 'seed-fragments', 'awesomerpc-envoy.json'))
    assert.deepEqual(objects, [])
    assert.deepEqual(diagnostics.map(brief), ['12:11 API_YAML_SYNTAX '])
  })

  test('a list of patches that is well-formed is still not a resource', () => {
    const { diagnostics } = loadResources('- applyTo: NETWORK_FILTER\n  patch: {operation: REMOVE}\n', 'patch.yaml')
    assert.deepEqual(diagnostics.map(brief), ['1:1 API_NOT_A_RESOURCE '])
    assert.match(diagnostics[0]?.remedy ?? '', /configPatches/)
  })

  test("the fragment's unquoted @listener is read as cluster once it stands in an EnvoyFilter", () => {
    const text = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: inbound
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    patch:
      operation: REPLACE
      value:
        route:
          @listener: inbound|20880||
`
    const { objects, diagnostics } = loadResources(text, 'inbound.yaml')
    assert.deepEqual(
      diagnostics.map((each) => `${each.severity} ${brief(each)}`),
      [
        'warning 13:11 API_YAML_SYNTAX ',
        'warning 13:11 API_LENIENT_FORM spec.configPatches[0].patch.value.route.@listener',
      ],
    )
    const [filter] = objects
    assert.ok(filter !== undefined && isKind(filter, 'EnvoyFilter'))
    assert.deepEqual(filter.spec.configPatches?.[0]?.patch?.value, { route: { cluster: 'inbound|20880||' } })
  })
})
