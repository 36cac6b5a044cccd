import { test } from 'node:test'
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Codes as they stand in the sources: `'AREA_WHAT'` with an area of ours. */
const code =
  /'((?:API|XDS|PROTOCOL|CONTROL|STORE|SOURCE|MESH|MCP|KUBERNETES|PROXY|LISTENER|CONFIG|BOOTSTRAP|CLI|DEMO|INSTALL|ADMIN|INTERCEPT|ENVOY|REGISTRY|REGISTRATION|WEBHOOK)_[A-Z0-9_]+)'/g

/** Values of other enumerations that look like codes. */
const notCodes = new Set([
  'MESH_EXTERNAL',
  'MESH_INTERNAL',
  'LISTENER_FILTER',
  'KUBERNETES_SERVICE_HOST',
  'KUBERNETES_SERVICE_PORT',
])

test('every error code in the sources is listed in docs/errors.md, and every listed one exists', () => {
  const used = new Set<string>()
  for (const file of globSync('packages/*/src/**/*.ts', { cwd: root })) {
    if (file.includes('/gen/')) continue
    for (const match of readFileSync(join(root, file), 'utf8').matchAll(code)) {
      if (!notCodes.has(match[1]!)) used.add(match[1]!)
    }
  }
  const listed = new Set(
    [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| `([A-Z0-9_]+)`/gm)].map((m) => m[1]!),
  )
  assert.ok(used.size > 0)
  assert.deepEqual([...used.difference(listed)].toSorted(), [], 'codes that docs/errors.md lacks')
  assert.deepEqual([...listed.difference(used)].toSorted(), [], 'codes that nothing uses')
})
