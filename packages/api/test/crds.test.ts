import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { allKinds, generateCrds } from '../src/index.ts'

type Tree = { readonly [key: string]: unknown }

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function at(value: unknown, ...path: (string | number)[]): unknown {
  let current: unknown = value
  for (const step of path) {
    if (Array.isArray(current) && typeof step === 'number') current = current[step]
    else current = isTree(current) ? current[step] : undefined
  }
  return current
}

const manifests = new Map([...generateCrds()].map(([name, text]): [string, unknown] => [name, parse(text)]))
const crdOf = (kind: string) => [...manifests.values()].find((crd) => at(crd, 'spec', 'names', 'kind') === kind)

/** Calls for every schema in a schema. */
function visit(schema: unknown, path: string, onSchema: (schema: Tree, path: string) => void): void {
  assert.ok(isTree(schema), path)
  onSchema(schema, path)
  if (isTree(schema['properties'])) {
    for (const [name, each] of Object.entries(schema['properties'])) visit(each, `${path}.${name}`, onSchema)
  }
  if (schema['items'] !== undefined) visit(schema['items'], `${path}[]`, onSchema)
  if (schema['additionalProperties'] !== undefined) visit(schema['additionalProperties'], `${path}{}`, onSchema)
}

describe('the CRD manifests', () => {
  test('are those of all kinds of Aeraki and no others', () => {
    const own = allKinds().filter(({ group }) => group.endsWith('aeraki.io'))
    assert.deepEqual(
      [...manifests.values()].map((crd) => String(at(crd, 'spec', 'names', 'kind'))).toSorted(),
      own.map(({ kind }) => kind).toSorted(),
    )
  })

  test('are committed as they are generated', () => {
    const folder = join(import.meta.dirname, '../../../manifests/crds')
    assert.deepEqual(readdirSync(folder).toSorted(), [...manifests.keys()].toSorted())
    for (const [name, text] of generateCrds()) assert.equal(readFileSync(join(folder, name), 'utf8'), text, name)
  })

  test('have structural schemas', () => {
    const allowed = [
      'type',
      'description',
      'enum',
      'minimum',
      'maximum',
      'minItems',
      'minLength',
      'required',
      'properties',
      'items',
      'additionalProperties',
      'nullable',
      'x-kubernetes-preserve-unknown-fields',
      'x-kubernetes-list-type',
      'x-kubernetes-list-map-keys',
    ]
    for (const [name, crd] of manifests) {
      visit(at(crd, 'spec', 'versions', 0, 'schema', 'openAPIV3Schema'), name, (schema, path) => {
        assert.deepEqual(
          // The formats of the status are Kubernetes' own.
          Object.keys(schema).filter(
            (key) => !allowed.includes(key) && !(key === 'format' && path.includes('.status')),
          ),
          [],
          path,
        )
        assert.equal(typeof schema['type'], 'string', path)
        assert.ok(!('properties' in schema && 'additionalProperties' in schema), path)
        if (schema['type'] === 'array') assert.ok('items' in schema, path)
        for (const field of Array.isArray(schema['required']) ? schema['required'] : []) {
          assert.ok(at(schema, 'properties', String(field)) !== undefined, `${path} requires ${String(field)}`)
        }
      })
    }
  })

  test('keep the names, scopes and categories of the incumbent', () => {
    const facts = [...manifests.values()].map((crd) => [
      at(crd, 'metadata', 'name'),
      at(crd, 'spec', 'scope'),
      at(crd, 'spec', 'names', 'shortNames'),
      at(crd, 'spec', 'names', 'categories'),
      at(crd, 'spec', 'versions', 0, 'name'),
    ])
    assert.deepEqual(facts, [
      [
        'metarouters.metaprotocol.aeraki.io',
        'Namespaced',
        undefined,
        ['aeraki-io', 'metaprotocol-aeraki-io'],
        'v1alpha1',
      ],
      [
        'applicationprotocols.metaprotocol.aeraki.io',
        'Cluster',
        undefined,
        ['aeraki-io', 'metaprotocol-aeraki-io'],
        'v1alpha1',
      ],
      ['redisservices.redis.aeraki.io', 'Namespaced', ['rsvc'], ['redis-aeraki-io'], 'v1alpha1'],
      ['redisdestinations.redis.aeraki.io', 'Namespaced', ['rd'], ['redis-aeraki-io'], 'v1alpha1'],
      [
        'dubboauthorizationpolicies.dubbo.aeraki.io',
        'Namespaced',
        ['dap'],
        ['aeraki-io', 'dubbo-aeraki-io'],
        'v1alpha1',
      ],
    ])
  })

  test('the column of RedisService shows its hosts', () => {
    const columns = at(crdOf('RedisService'), 'spec', 'versions', 0, 'additionalPrinterColumns')
    assert.equal(at(columns, 0, 'jsonPath'), '.spec.host')
    assert.equal(at(columns, 1, 'name'), 'Accepted')
    assert.equal(at(columns, 3, 'name'), 'Age')
  })

  test('the status of every kind is a subresource with conditions, and open to others', () => {
    for (const crd of manifests.values()) {
      assert.deepEqual(at(crd, 'spec', 'versions', 0, 'subresources'), { status: {} })
      const status = at(crd, 'spec', 'versions', 0, 'schema', 'openAPIV3Schema', 'properties', 'status')
      assert.equal(at(status, 'x-kubernetes-preserve-unknown-fields'), true)
      assert.equal(at(status, 'properties', 'conditions', 'x-kubernetes-list-type'), 'map')
    }
  })
})
