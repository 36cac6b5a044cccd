/** Random edits of a mesh, and what must hold after each of them whatever the nodes are. */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { typeUrls } from '@aeraki/xds'
import { createVipAllocator } from '../../src/vip/allocator.ts'
import { createTestMesh, type NodeOptions, type TestMesh } from './mesh.ts'
import { serviceEntry } from './yaml.ts'

const pick = <T>(...values: T[]) => fc.constantFrom(...values)

const hosts = ['a.x.example', 'b.x.example', 'c']
const namespaces = ['default', 'other']
const exportTo = pick('["*"]', '[.]', '[default]')

/** YAML of an object. */
export const document: fc.Arbitrary<string> = fc.oneof(
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
        ports: { 'tcp-dubbo': port, 'tcp-metaprotocol-thrift': 9, 'tcp-thrift': 10 },
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

export interface EditsOptions {
  readonly nodes: readonly NodeOptions[]
  readonly documents: fc.Arbitrary<string>
  /** Of resources; default: those that proxies have. */
  readonly types?: readonly string[]
  readonly runs: number
}

/**
 * After each of some edits: views that live through them say the same as new ones, whatever changed was announced, and a
 * mesh that begins with the same files is the same.
 */
export function checkEdits({ nodes, documents, types = Object.values(typeUrls), runs }: EditsOptions): void {
  const edit = fc.record({
    file: pick('1.yaml', '2.yaml', '3.yaml'),
    content: fc.array(documents, { maxLength: 4 }),
  })
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
      let before = views.map((view) => contents(view, types))
      for (const { file, content } of edits) {
        announced = new Map()
        if (content.length === 0) {
          mesh.remove(file)
          files.delete(file)
        } else {
          mesh.write(file, content.join(''))
          files.set(file, content.join(''))
        }
        const after = nodes.map((node) => contents(mesh.view(node), types))
        // Views that live through the changes say the same as new ones.
        assert.deepEqual(
          views.map((view) => contents(view, types)),
          after,
        )
        for (const [index, state] of after.entries()) checkAnnounced(before[index] ?? new Map(), state, announced)
        before = after
      }
      const fresh = createTestMesh({ vips: createVipAllocator({ assignments: mesh.vips.snapshot() }) })
      for (const [file, text] of files) fresh.write(file, text)
      assert.deepEqual(
        nodes.map((node) => contents(fresh.view(node), types)),
        before,
      )
      assert.deepEqual(codes(fresh), codes(mesh))
    }),
    { numRuns: runs },
  )
}

function contents(view: ReturnType<TestMesh['view']>, types: readonly string[]): Map<string, string> {
  const found = new Map<string, string>()
  for (const typeUrl of types) {
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
  return (
    mesh
      .diagnostics()
      // Of services as far as Envoys have asked for them, which a fresh mesh's have not.
      .filter(({ code }) => !code.startsWith('ENVOY_'))
      .map(({ code, file, kind, name }) => [code, file, kind, name].join(' '))
      .toSorted()
  )
}
