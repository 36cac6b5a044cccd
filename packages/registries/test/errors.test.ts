import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '../src')
const reference = join(import.meta.dirname, '../../../docs/errors.md')

test('every code of the registries is in the error reference, and none is there that does not exist', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const text = files.map((name) => readFileSync(join(source, name), 'utf8')).join('\n')
  const used = new Set(text.match(/(?<=')(?:REGISTRY|REGISTRATION)_[A-Z_]+(?=')/g))
  const listed = readFileSync(reference, 'utf8').match(/(?<=^\| `)(?:REGISTRY|REGISTRATION)_[A-Z_]+(?=` \|)/gm) ?? []
  assert.deepEqual([...used].toSorted(), listed.toSorted())
})
