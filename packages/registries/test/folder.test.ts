import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { loadPath } from '@aeraki/api'
import * as fc from 'fast-check'
import { parse } from 'yaml'
import type { BridgeListener, ServiceChange, ServiceSource } from '../src/bridge/bridge.ts'
import { mergeClaims } from '../src/bridge/merge.ts'
import type { ServiceModel } from '../src/model.ts'
import { type FolderOutput, writeToFolder } from '../src/outputs/folder.ts'
import { formatYaml } from '../src/outputs/yaml.ts'
import { registration } from './support/registrations.ts'

let folder: string
let source: FakeSource
let output: FolderOutput

class FakeSource implements ServiceSource {
  listener: BridgeListener | undefined
  services = (): Iterable<ServiceModel> => []
  subscribe(listener: BridgeListener): () => void {
    this.listener = listener
    return () => (this.listener = undefined)
  }
  /** Resolves when the output has done what it was told. */
  async tell(...changes: ServiceChange[]): Promise<void> {
    this.listener?.changed(changes)
    await output.idle()
  }
}

function serviceOf(host: string, ...addresses: string[]): ServiceModel {
  const claims = addresses.map((address) => ({
    registry: 'main',
    registration: registration({ host, interface: host, address, labels: { note: 'true', 'a/b': '0x1' } }),
  }))
  const merged = mergeClaims(host, claims, { namespace: 'default', serviceAccount: 'default', ports: {} })
  assert.ok(merged)
  return merged.service
}

const put = (host: string, ...addresses: string[]): ServiceChange => ({ host, service: serviceOf(host, ...addresses) })
const files = (): string[] => readdirSync(folder).toSorted()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'aeraki-folder-'))
  source = new FakeSource()
  output = writeToFolder(source, folder)
})
afterEach(() => {
  output.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the folder of ServiceEntries', () => {
  test('has a file for each, which the control plane reads without a complaint', async () => {
    await source.tell(put('a.b', '10.0.0.1', '2001:db8::1'), put('c.d', '10.0.0.2'))
    assert.deepEqual(files(), ['default.aeraki-a-b.yaml', 'default.aeraki-c-d.yaml'])
    const { objects, diagnostics } = loadPath(folder)
    assert.deepEqual(diagnostics, [])
    assert.deepEqual(
      objects.map(({ metadata }) => metadata.name),
      ['aeraki-a-b', 'aeraki-c-d'],
    )
  })

  test('is written only where bytes change, and a service that went takes its file along', async () => {
    await source.tell(put('a.b', '10.0.0.1'), put('c.d', '10.0.0.2'))
    const before = statSync(join(folder, 'default.aeraki-a-b.yaml')).ino
    await source.tell(put('a.b', '10.0.0.1'), { host: 'c.d', service: undefined })
    assert.equal(statSync(join(folder, 'default.aeraki-a-b.yaml')).ino, before)
    assert.deepEqual(files(), ['default.aeraki-a-b.yaml'])
    assert.deepEqual(output.counters, { written: 2, deleted: 1, failed: 0 })
  })

  test('keeps what an earlier run wrote until every registry has been read, and what others wrote for ever', async () => {
    await source.tell(put('a.b', '10.0.0.1'), put('c.d', '10.0.0.2'))
    output.close()
    writeFileSync(join(folder, 'mine.yaml'), 'kind: List\nitems: []\n')
    source = new FakeSource()
    output = writeToFolder(source, folder)
    await source.tell(put('a.b', '10.0.0.1'))
    assert.equal(files().length, 3)
    source.listener?.complete?.()
    await output.idle()
    assert.deepEqual(files(), ['default.aeraki-a-b.yaml', 'mine.yaml'])
    assert.deepEqual(output.counters, { written: 0, deleted: 1, failed: 0 })
  })

  test('does not overwrite a file of the same name that somebody else wrote', async () => {
    writeFileSync(join(folder, 'default.aeraki-a-b.yaml'), '# mine\n')
    await source.tell(put('a.b', '10.0.0.1'), put('c.d', '10.0.0.1'))
    assert.equal(readFileSync(join(folder, 'default.aeraki-a-b.yaml'), 'utf8'), '# mine\n')
    assert.deepEqual(output.counters, { written: 1, deleted: 0, failed: 1 })
  })

  test('is written again where its namespace changes', async () => {
    await source.tell(put('a.b', '10.0.0.1'))
    await source.tell({ host: 'a.b', service: { ...serviceOf('a.b', '10.0.0.1'), namespace: 'shop' } })
    assert.deepEqual(files(), ['shop.aeraki-a-b.yaml'])
  })
})

test('YAML of any plain value is read back as it was', () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
      fc.string(),
      fc.constantFrom('true', 'null', '1', '-', '~', 'no', '1e3', '0x1', 'a: b', '# c', ''),
      fc.integer(),
      fc.boolean(),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie('any'), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).any
  fc.assert(
    fc.property(fc.dictionary(fc.string({ minLength: 1 }), value, { noNullPrototype: true }), (document) => {
      // A key named so is no key of a plain object.
      fc.pre(!JSON.stringify(document).includes('__proto__'))
      assert.deepEqual(parse(formatYaml(document)), document)
    }),
  )
})
