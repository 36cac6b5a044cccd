import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const sources = ['../src', '../../cli/src'].map((folder) => join(import.meta.dirname, folder))
const reference = join(import.meta.dirname, '../../../docs/errors.md')

test('every code of the registries is in the error reference, and none is there that does not exist', () => {
  const files = sources.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  const text = files.flatMap((name) => (name.endsWith('.ts') ? readFileSync(name, 'utf8') : [])).join('\n')
  const used = new Set(text.match(/(?<=')(?:REGISTRY|REGISTRATION)_[A-Z_]+(?=')/g))
  const listed = readFileSync(reference, 'utf8').match(/(?<=^\| `)(?:REGISTRY|REGISTRATION)_[A-Z_]+(?=` \|)/gm) ?? []
  assert.deepEqual([...used].toSorted(), listed.toSorted())
})
