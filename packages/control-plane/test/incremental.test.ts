import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { Change } from '@aeraki/xds'
import { typeUrls } from '@aeraki/xds'
import { createVipAllocator } from '../src/vip/allocator.ts'
import { createTestMesh, type NodeOptions, type TestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const rule = (host: string, weight: number, name = 'rule') => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: [${host}]
  http:
  - route:
    - {destination: {host: ${host}, subset: v1}, weight: ${weight}}
    - {destination: {host: ${host}, subset: v2}, weight: ${100 - weight}}
`

const selecting = (host: string, label: string) =>
  serviceEntry({ host, spec: [`workloadSelector: {labels: {app: ${label}}}`] })

const workload = (app: string) =>
  `{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: w}, spec: {address: 127.0.0.1, labels: {app: ${app}, zone: x}}}`

const pick = <T>(...values: T[]) => fc.constantFrom(...values)

describe('incremental', () => {
  test('editing one rule among 2,000 services recomputes one, and names its routes alone', () => {
    const mesh = createTestMesh()
    const hosts = Array.from({ length: 2000 }, (_, n) => `s${n}.example`)
    mesh.write('services.yaml', hosts.map((host) => serviceEntry({ host })).join(''))
    assert.equal(mesh.mesh.recomputed, 2000)
    mesh.write('rule.yaml', rule('s7.example', 30))
    assert.equal(mesh.mesh.recomputed, 2001)
    const changes: Change[] = []
    mesh.output.onChange((change) => changes.push(change))
    mesh.write('rule.yaml', rule('s7.example', 40))
    assert.equal(mesh.mesh.recomputed, 2002)
    assert.deepEqual(changes, [new Map([[typeUrls.routes, new Set(['s7.example_20880'])]])])
  })

  test('in one file with everything, what moves is not what changes', () => {
    const mesh = createTestMesh()
    const services = Array.from({ length: 50 }, (_, n) => serviceEntry({ host: `s${n}.example` })).join('')
    mesh.write('all.yaml', rule('s7.example', 30) + services)
    assert.equal(mesh.mesh.recomputed, 50)
    mesh.write('all.yaml', `# a comment\n\n${rule('s7.example', 31)}${services}`)
    assert.equal(mesh.mesh.recomputed, 51)
    const line = mesh.diagnostics().find(({ code }) => code === 'MESH_UNKNOWN_SUBSET')?.line
    mesh.write('all.yaml', `${rule('s7.example', 31)}${services}`)
    assert.equal(mesh.mesh.recomputed, 51)
    assert.equal(mesh.diagnostics().find(({ code }) => code === 'MESH_UNKNOWN_SUBSET')?.line, (line ?? 0) - 2)
  })

  test('a WorkloadEntry recomputes the services that select it, before and after', () => {
    const mesh = createTestMesh()
    mesh.write('services.yaml', selecting('a.example', 'a') + selecting('b.example', 'b') + selecting('c.example', 'c'))
    const steps: [string, number][] = [
      ['a', 1],
      ['b', 2],
      ['none', 1],
    ]
    for (const [app, expected] of steps) {
      const before = mesh.mesh.recomputed
      mesh.write('w.yaml', workload(app))
      assert.equal(mesh.mesh.recomputed - before, expected, app)
    }
  })

  test('what changes nothing that anyone gets is not published', () => {
    const mesh = createTestMesh()
    mesh.write('se.yaml', serviceEntry({ host: 'a.example' }))
    const changes: Change[] = []
    mesh.output.onChange((change) => changes.push(change))
    const text = serviceEntry({ host: 'a.example' })
    mesh.write('se.yaml', `# a comment\n${text}`)
    mesh.write('se.yaml', text.replace('metadata: {', 'metadata: {labels: {a: b}, '))
    mesh.write('rule.yaml', rule('nobody.example', 10))
    assert.deepEqual(changes, [])
  })

  test('after any sequence of edits the result is that of a fresh start, and every difference was announced', () => {
    const hosts = ['a.x.example', 'b.x.example', 'c']
    const namespaces = ['default', 'other']
    const exportTo = pick('["*"]', '[.]', '[default]')
    const document = fc.oneof(
      fc
        .record({
          host: pick(...hosts),
          namespace: pick(...namespaces),
          port: pick(1, 2),
          exportTo,
          selects: fc.boolean(),
        })
        .map(({ host, namespace, port, exportTo: to, selects }) =>
          serviceEntry({
            host,
            namespace,
            ports: { 'tcp-dubbo': port, 'tcp-metaprotocol-thrift': 9 },
            spec: [`exportTo: ${to}`, ...(selects ? ['workloadSelector: {labels: {app: a}}'] : [])],
          }),
        ),
      fc
        .record({ name: pick('w1', 'w2'), namespace: pick(...namespaces), app: pick('a', 'b'), n: pick(1, 2) })
        .map(
          ({ name, namespace, app, n }) =>
            `---\n{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: ${name}, namespace: ${namespace}}, spec: {address: 127.0.0.${n}, labels: {app: ${app}, version: v${n}}, locality: r${n}/z}}\n`,
        ),
      fc
        .record({
          host: pick(...hosts, '"*.example"'),
          namespace: pick(...namespaces),
          subset: pick('v1', 'v2'),
          exportTo,
        })
        .map(
          ({ host, namespace, subset, exportTo: to }) =>
            `---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d${subset}, namespace: ${namespace}}, spec: {host: ${host}, exportTo: ${to}, subsets: [{name: ${subset}, labels: {version: ${subset}}}], trafficPolicy: {outlierDetection: {consecutive5xxErrors: 2}}}}\n`,
        ),
      fc
        .record({ host: pick(...hosts), namespace: pick(...namespaces), to: pick(...hosts), exportTo })
        .map(
          ({ host, namespace, to, exportTo: visible }) =>
            `---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: ${namespace}}, spec: {hosts: [${host}], exportTo: ${visible}, http: [{route: [{destination: {host: ${to}, subset: v1}}]}]}}\n`,
        ),
    )
    const edit = fc.record({
      file: pick('1.yaml', '2.yaml', '3.yaml'),
      documents: fc.array(document, { maxLength: 4 }),
    })
    const nodes: NodeOptions[] = [
      { ip: '127.0.0.1', locality: { region: 'r1', zone: 'z' } },
      { ip: '127.0.0.2', namespace: 'other' },
    ]
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        const mesh = createTestMesh()
        const views = nodes.map((node) => mesh.view(node))
        let announced: Map<string, Set<string>> = new Map()
        mesh.output.onChange((change) => {
          for (const [typeUrl, names] of change) {
            announced.set(typeUrl, (announced.get(typeUrl) ?? new Set()).union(names))
          }
        })
        const files = new Map<string, string>()
        let before = views.map(() => new Map<string, string>())
        for (const { file, documents } of edits) {
          announced = new Map()
          if (documents.length === 0) {
            mesh.remove(file)
            files.delete(file)
          } else {
            mesh.write(file, documents.join(''))
            files.set(file, documents.join(''))
          }
          const after = nodes.map((node) => everything(mesh, node))
          // Views that live through the changes say the same as new ones.
          assert.deepEqual(
            views.map((view) => contents(view)),
            after,
          )
          for (const [index, state] of after.entries()) checkAnnounced(before[index] ?? new Map(), state, announced)
          before = after
        }
        const fresh = createTestMesh({ vips: createVipAllocator({ assignments: mesh.vips.snapshot() }) })
        for (const [file, text] of files) fresh.write(file, text)
        assert.deepEqual(
          nodes.map((node) => everything(fresh, node)),
          before,
        )
        assert.deepEqual(codes(fresh), codes(mesh))
      }),
      { numRuns: 60 },
    )
  })
})

function everything(mesh: TestMesh, node: NodeOptions): Map<string, string> {
  return contents(mesh.view(node))
}

function contents(view: ReturnType<TestMesh['view']>): Map<string, string> {
  const found = new Map<string, string>()
  for (const typeUrl of Object.values(typeUrls)) {
    const names = view.names(typeUrl)
    assert.equal(new Set(names).size, names.length, 'names are unique')
    for (const name of names) {
      const resource = view.get(typeUrl, name)
      assert.equal(resource?.name, name, `${name} is named, and there`)
      found.set(`${typeUrl} ${name}`, resource.version)
    }
  }
  return found
}

function checkAnnounced(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  announced: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(key) === after.get(key)) continue
    const at = key.indexOf(' ')
    assert.ok(announced.get(key.slice(0, at))?.has(key.slice(at + 1)), `${key} changed and nobody was told`)
  }
}

function codes(mesh: TestMesh): string[] {
  return mesh
    .diagnostics()
    .map(({ code, file, kind, name }) => [code, file, kind, name].join(' '))
    .toSorted()
}
