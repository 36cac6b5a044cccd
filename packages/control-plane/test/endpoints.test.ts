import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { typeUrls } from '@aeraki/xds'
import { createTestMesh, type NodeOptions, read, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'orders.shop.example'

/** `priority/weight region/zone/subzone: address:port*weight ...` */
function endpointsOf(mesh: TestMesh, node: NodeOptions = {}, subset = '', port = 20880): string[] {
  const name = `outbound|${port}|${subset}|${host}`
  const assignment = read(ClusterLoadAssignmentSchema, mesh.view(node).get(typeUrls.endpoints, name))
  assert.equal(assignment.clusterName, name)
  assert.equal(assignment.policy?.overprovisioningFactor, 140)
  return describeAssignment(assignment)
}

function describeAssignment(assignment: ReturnType<typeof read<typeof ClusterLoadAssignmentSchema>>): string[] {
  return assignment.endpoints.map(({ locality, priority, loadBalancingWeight, lbEndpoints }) => {
    const place = [locality?.region, locality?.zone, locality?.subZone].join('/')
    const members = lbEndpoints.map(({ hostIdentifier, loadBalancingWeight: weight }) => {
      if (hostIdentifier.case !== 'endpoint') throw new Error('no endpoint')
      const address = hostIdentifier.value.address?.address
      if (address?.case !== 'socketAddress') throw new Error('no socket address')
      return `${address.value.address}:${String(address.value.portSpecifier.value)}*${weight ?? 0}`
    })
    return `${priority}/${loadBalancingWeight ?? '-'} ${place}: ${members.join(' ')}`
  })
}

const rule = (policy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule}
spec:
  host: ${host}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
  trafficPolicy: ${policy}
`

const outlier = 'outlierDetection: {consecutive5xxErrors: 3}'

/** One endpoint each in four places. */
function spreadMesh(policy: string): TestMesh {
  const mesh = createTestMesh()
  const places = ['gz/1/a', 'gz/1/b', 'gz/2/a', 'sh/1/a', 'bj/1/a']
  const endpoints = places.map((place, index) => `{address: 127.0.0.${index + 1}, locality: ${place}}`)
  mesh.write('se.yaml', serviceEntry({ host, endpoints }))
  mesh.write('dr.yaml', rule(policy))
  return mesh
}

const endpoint = (n: number, labels: string) => `{address: 127.0.0.${n}, labels: {${labels}}}`

const workload = (name: string, address: string, labels: string, namespace = 'default') => `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec: {address: "${address}", labels: {${labels}}, weight: 3, ports: {tcp-dubbo: 3000}}
`

const here = { locality: { region: 'gz', zone: '1', subZone: 'a' } }

const sum = (weights: (number | undefined)[]) => weights.reduce<number>((total, weight) => total + (weight ?? 0), 0)

describe('endpoints', () => {
  test('without outlier detection a place makes no difference', () => {
    assert.deepEqual(endpointsOf(spreadMesh('{loadBalancer: {localityLbSetting: {enabled: true}}}'), here), [
      '0/- bj/1/a: 127.0.0.5:20880*1',
      '0/- gz/1/a: 127.0.0.1:20880*1',
      '0/- gz/1/b: 127.0.0.2:20880*1',
      '0/- gz/2/a: 127.0.0.3:20880*1',
      '0/- sh/1/a: 127.0.0.4:20880*1',
    ])
  })

  test('with outlier detection the nearest come first: subzone, zone, region, elsewhere', () => {
    const expected = [
      '0/- gz/1/a: 127.0.0.1:20880*1',
      '1/- gz/1/b: 127.0.0.2:20880*1',
      '2/- gz/2/a: 127.0.0.3:20880*1',
      '3/- bj/1/a: 127.0.0.5:20880*1',
      '3/- sh/1/a: 127.0.0.4:20880*1',
    ]
    assert.deepEqual(endpointsOf(spreadMesh(`{${outlier}}`), here), expected)
    assert.deepEqual(
      endpointsOf(spreadMesh(`{${outlier}, loadBalancer: {localityLbSetting: {enabled: true}}}`), here),
      expected,
    )
  })

  test('priorities have no gaps, and a client in no place has none', () => {
    const mesh = spreadMesh(`{${outlier}}`)
    assert.deepEqual(
      endpointsOf(mesh, { locality: { region: 'sh', zone: '9' } }).map((line) => line.split(' ')[0]),
      ['0/-', '1/-', '1/-', '1/-', '1/-'],
    )
    assert.ok(endpointsOf(mesh).every((line) => line.startsWith('0/')))
  })

  test('locality can be switched off', () => {
    const mesh = spreadMesh(`{${outlier}, loadBalancer: {localityLbSetting: {enabled: false}}}`)
    assert.ok(endpointsOf(mesh, here).every((line) => line.startsWith('0/')))
  })

  test('failover names the region that comes before the other ones', () => {
    const setting = 'localityLbSetting: {failover: [{from: gz, to: sh}]}'
    assert.deepEqual(endpointsOf(spreadMesh(`{${outlier}, loadBalancer: {${setting}}}`), here).slice(3), [
      '3/- sh/1/a: 127.0.0.4:20880*1',
      '4/- bj/1/a: 127.0.0.5:20880*1',
    ])
  })

  test('distribute gives shares, divided within a wildcard, and nothing to places not named', () => {
    const setting = 'localityLbSetting: {distribute: [{from: gz/*, to: {"gz/1/*": 80, "sh/*": 20}}]}'
    const mesh = spreadMesh(`{loadBalancer: {${setting}}}`)
    assert.deepEqual(endpointsOf(mesh, here), [
      '0/40 gz/1/a: 127.0.0.1:20880*1',
      '0/40 gz/1/b: 127.0.0.2:20880*1',
      '0/20 sh/1/a: 127.0.0.4:20880*1',
    ])
    const cluster = read(ClusterSchema, mesh.view(here).get(typeUrls.cluster, `outbound|20880||${host}`))
    assert.equal(cluster.commonLbConfig?.localityConfigSpecifier.case, 'localityWeightedLbConfig')
  })

  test('failoverPriority counts the labels that client and endpoint share, in order', () => {
    const mesh = createTestMesh()
    mesh.write(
      'se.yaml',
      serviceEntry({ host, endpoints: [endpoint(1, 'a: x, b: y'), endpoint(2, 'a: x'), endpoint(3, 'b: y')] }),
    )
    mesh.write('dr.yaml', rule(`{${outlier}, loadBalancer: {localityLbSetting: {failoverPriority: [a, b]}}}`))
    const lines = endpointsOf(mesh, { labels: { a: 'x', b: 'y' } })
    assert.deepEqual(lines, ['0/- //: 127.0.0.1:20880*1', '1/- //: 127.0.0.2:20880*1', '2/- //: 127.0.0.3:20880*1'])
  })

  test('subsets are endpoints by label, WorkloadEntries are selected by labels in their namespace', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host, spec: ['workloadSelector: {labels: {app: orders}}'] }))
    mesh.write('dr.yaml', rule('{}'))
    mesh.write(
      'we.yaml',
      workload('a', '127.0.0.1', 'app: orders, version: v1') +
        workload('b', '127.0.0.2', 'app: orders, version: v2') +
        workload('c', '127.0.0.3', 'app: cart, version: v1') +
        workload('d', '127.0.0.4', 'app: orders, version: v1', 'elsewhere') +
        workload('e', 'fd00::5', 'app: orders, version: v1'),
    )
    assert.deepEqual(endpointsOf(mesh), ['0/- //: 127.0.0.1:3000*3 127.0.0.2:3000*3 fd00::5:3000*3'])
    assert.deepEqual(endpointsOf(mesh, {}, 'v1'), ['0/- //: 127.0.0.1:3000*3 fd00::5:3000*3'])
    assert.deepEqual(endpointsOf(mesh, {}, 'v2'), ['0/- //: 127.0.0.2:3000*3'])
    mesh.write('we.yaml', workload('b', '127.0.0.2', 'app: orders, version: v1'))
    assert.deepEqual(endpointsOf(mesh, {}, 'v1'), ['0/- //: 127.0.0.2:3000*3'])
    assert.deepEqual(endpointsOf(mesh, {}, 'v2'), [])
  })

  test('every port has its own endpoints: targetPort, and ports by name', () => {
    const mesh = createTestMesh()
    mesh.write(
      'se.yaml',
      `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: two-ports}
spec:
  hosts: [${host}]
  addresses: ["fd00::1"]
  resolution: STATIC
  ports:
  - {number: 20880, name: tcp-dubbo, protocol: TCP, targetPort: 30880}
  - {number: 9090, name: tcp-metaprotocol-thrift, protocol: TCP}
  - {number: 80, name: http, protocol: HTTP}
  endpoints:
  - {address: 127.0.0.1}
  - {address: 127.0.0.2, ports: {tcp-dubbo: 1, tcp-metaprotocol-thrift: 2}}
`,
    )
    assert.deepEqual(endpointsOf(mesh), ['0/- //: 127.0.0.1:30880*1 127.0.0.2:1*1'])
    assert.deepEqual(endpointsOf(mesh, {}, '', 9090), ['0/- //: 127.0.0.1:9090*1 127.0.0.2:2*1'])
    const view = mesh.view()
    assert.deepEqual(view.names(typeUrls.listener), ['fd00::1_20880', 'fd00::1_9090'])
    assert.equal(view.get(typeUrls.cluster, `outbound|80||${host}`), undefined)
  })

  test('names to resolve stand in the cluster, with the client’s priorities', () => {
    const mesh = createTestMesh()
    mesh.write(
      'se.yaml',
      serviceEntry({
        host,
        endpoints: ['{address: a.example, locality: sh/1}', '{address: b.example, locality: gz/1}'],
      }).replace('resolution: STATIC', 'resolution: DNS'),
    )
    mesh.write('dr.yaml', rule(`{${outlier}}`))
    const view = mesh.view({ locality: { region: 'gz', zone: '1' } })
    const cluster = read(ClusterSchema, view.get(typeUrls.cluster, `outbound|20880||${host}`))
    if (cluster.loadAssignment === undefined) throw new Error('no endpoints')
    assert.deepEqual(describeAssignment(cluster.loadAssignment), [
      '0/- gz/1/: b.example:20880*1',
      '1/- sh/1/: a.example:20880*1',
    ])
    assert.equal(view.get(typeUrls.endpoints, `outbound|20880||${host}`), undefined)
  })

  test('weights that no uint32 can sum are scaled down, in a locality and between localities', () => {
    const mesh = createTestMesh()
    const endpoints = [1, 2, 3].map((n) => `{address: 127.0.0.${n}, weight: 4294967295, locality: r${n % 2}/z}`)
    mesh.write(
      'se.yaml',
      serviceEntry({ host, endpoints: [...endpoints, '{address: 127.0.0.4, weight: 1, locality: r1/z}'] }),
    )
    mesh.write('dr.yaml', rule('{loadBalancer: {localityLbSetting: {distribute: [{from: elsewhere, to: {r0: 100}}]}}}'))
    for (const region of ['here', '']) {
      const assignment = mesh.view({ locality: { region } }).get(typeUrls.endpoints, `outbound|20880||${host}`)
      const { endpoints: groups } = read(ClusterLoadAssignmentSchema, assignment)
      assert.ok(sum(groups.map(({ loadBalancingWeight }) => loadBalancingWeight)) <= 4_294_967_295)
      for (const { lbEndpoints } of groups) {
        const weights = lbEndpoints.map(({ loadBalancingWeight }) => loadBalancingWeight)
        assert.ok(sum(weights) <= 4_294_967_295)
        assert.ok(weights.every((weight) => (weight ?? 0) >= 1))
      }
    }
  })

  test('a service with thousands of endpoints has them all, and one that goes takes nothing else along', () => {
    const mesh = createTestMesh()
    const selecting = ['workloadSelector: {labels: {app: a}}']
    mesh.write('se.yaml', serviceEntry({ host, spec: selecting }))
    const workloads = Array.from({ length: 5000 }, (_, n) => workload(`w${n}`, `10.0.${n >> 8}.${n & 255}`, 'app: a'))
    mesh.write('w.yaml', workloads.join(''))
    const count = () => endpointsOf(mesh).flatMap((group) => group.match(/:3000\*/g) ?? []).length
    assert.equal(count(), 5000)
    const before = mesh.mesh.recomputed
    mesh.write('w.yaml', workloads.slice(1).join(''))
    assert.equal(count(), 4999)
    assert.equal(mesh.mesh.recomputed, before + 1)
  })
})
