import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Change } from '@aeraki/xds'
import { typeUrls } from '@aeraki/xds'
import { checkEdits, document } from './support/edits.ts'
import { createTestMesh } from './support/mesh.ts'
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
    checkEdits({
      nodes: [
        { ip: '127.0.0.1', locality: { region: 'r1', zone: 'z' } },
        { ip: '127.0.0.2', namespace: 'other' },
      ],
      documents: document,
      runs: 60,
    })
  })
})
