import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configure, type LogRecord, reset } from '@logtape/logtape'
import { createTestMesh } from './support/mesh.ts'
import { serviceEntry } from './support/yaml.ts'

const rule = (host: string): string =>
  `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: default}, spec: {host: ${host}}}`

test('what is wrong is logged once, and not where it has settled a moment later', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const records: LogRecord[] = []
  await configure({
    sinks: { memory: (record) => void records.push(record) },
    loggers: [
      { category: 'aeraki', lowestLevel: 'warning', sinks: ['memory'] },
      { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: [] },
    ],
  })
  t.after(() => reset())
  const said = (): number => records.filter((record) => JSON.stringify(record.properties).includes('MESH_')).length
  const mesh = createTestMesh()
  mesh.write('rule.yaml', rule('late.example'))
  mesh.write('late.yaml', serviceEntry({ host: 'late.example' }))
  t.mock.timers.tick(1000)
  assert.equal(said(), 0)
  mesh.write('rule.yaml', rule('nobody.example'))
  assert.equal(said(), 0)
  t.mock.timers.tick(1000)
  assert.equal(said(), 1)
  mesh.write('other.yaml', serviceEntry({ host: 'other.example' }))
  t.mock.timers.tick(5000)
  assert.equal(said(), 1)
})
