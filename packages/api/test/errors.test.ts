import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '../src')
const reference = join(import.meta.dirname, '../../../docs/errors.md')

test('every code of the api is in the error reference, and none is there that does not exist', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const used = files.flatMap((name) => readFileSync(join(source, name), 'utf8').match(/(?<=')API_[A-Z_]+(?=')/g) ?? [])
  const listed = readFileSync(reference, 'utf8').match(/(?<=^\| `)API_[A-Z_]+(?=` \|)/gm) ?? []
  assert.deepEqual([...new Set(used)].toSorted(), listed.toSorted())
})

test('@aeraki/api/errors is light: it imports nothing', () => {
  assert.doesNotMatch(readFileSync(join(source, 'errors.ts'), 'utf8'), /^import/m)
})
