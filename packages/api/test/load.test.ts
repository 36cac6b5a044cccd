import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  type Diagnostic,
  formatDiagnostics,
  isKind,
  loadPath,
  loadPaths,
  loadResources,
  loadValue,
  validatePaths,
} from '../src/index.ts'

const router = (name: string, extra = '') => `apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: ${name}}
spec:
  hosts: [${name}.example.com]${extra}
`

const codes = (diagnostics: readonly Diagnostic[]) =>
  diagnostics.map(({ code, line, column }) => `${code} ${line}:${column}`)

function said(text: string): string[] {
  return loadResources(text, 'x.yaml').diagnostics.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

describe('loading a text', () => {
  test('several documents, empty ones among them, give an object each with its place', () => {
    const { objects, diagnostics } = loadResources(`# first\n---\n${router('a')}---\n---\n${router('b')}`, 'x.yaml')
    assert.deepEqual(diagnostics, [])
    assert.deepEqual(
      objects.map(({ metadata, source }) => [metadata.name, metadata.namespace, source.line]),
      [
        ['a', 'default', 3],
        ['b', 'default', 10],
      ],
    )
    assert.deepEqual(objects[1]?.positionOf('spec.hosts[0]'), { file: 'x.yaml', line: 14, column: 11 })
  })

  test('JSON, with tabs and all, is read with its places', () => {
    const text = JSON.stringify(
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'WorkloadEntry',
        metadata: { name: 'w' },
        spec: { address: '10.0.0.1', weight: '3' },
      },
      null,
      '\t',
    )
    const { objects, diagnostics } = loadResources(text, 'w.json')
    assert.deepEqual(objects, [])
    assert.deepEqual(codes(diagnostics), ['API_BAD_TYPE 9:13'])
  })

  test('a List gives its items, each with its own place', () => {
    const items = ['a', 'b'].map((name) => ({
      apiVersion: 'metaprotocol.aeraki.io/v1alpha1',
      kind: 'MetaRouter',
      metadata: { name, uid: 'x', managedFields: [], creationTimestamp: null },
      spec: { hosts: ['a.b'] },
      status: { anything: 1 },
    }))
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)
    const { objects, diagnostics } = loadResources(text, 'list.json')
    assert.deepEqual(diagnostics, [])
    assert.deepEqual(
      objects.map(({ source }) => source.line),
      [5, 23],
    )
    const second = objects[1]?.positionOf('spec.hosts[0]').line ?? 0
    assert.equal(text.split('\n')[second - 1]?.trim(), '"a.b"')
  })

  test('one broken document leaves the others of the file alone', () => {
    const { objects, diagnostics } = loadResources(`${router('a')}---\na: [1\n---\n${router('b')}`, 'x.yaml')
    assert.deepEqual(codes(diagnostics), ['API_YAML_SYNTAX 8:1'])
    assert.deepEqual(
      objects.map(({ metadata }) => metadata.name),
      ['a', 'b'],
    )
  })

  test('a key that comes twice is an error at the second', () => {
    const { diagnostics } = loadResources(`${router('a')}  hosts: [b]\n`, 'x.yaml')
    assert.deepEqual(codes(diagnostics), ['API_YAML_SYNTAX 6:3'])
  })

  test('every key that comes twice is named, and a syntax error ends the list', () => {
    const twice = 'kind: A\nkind: B\nmetadata: {name: x, "name": y}\n'
    assert.deepEqual(said(twice), ['2:1 kind is written twice here', '3:21 "name" is written twice here'])
    assert.deepEqual(said(`${twice}spec: [\n`).length, 3)
  })

  test('a file that is not UTF-8 is told so', () => {
    const [diagnostic, ...others] = loadResources('\ufffd\ufffda\0p\0i\0', 'x.yaml').diagnostics
    assert.deepEqual(others, [])
    assert.match(diagnostic?.remedy ?? '', /UTF-8/)
  })

  test('the same object twice is an error that names both places', () => {
    const { objects, diagnostics } = loadResources(`${router('a')}---\n${router('a')}`, 'x.yaml')
    assert.equal(objects.length, 1)
    assert.deepEqual(codes(diagnostics), ['API_DUPLICATE_OBJECT 9:18'])
    assert.match(diagnostics[0]?.message ?? '', /x\.yaml:1:1/)
  })

  test('kinds of others are passed over, near misses of ours are not', () => {
    const text = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualSevice, metadata: {name: a}}
---
{apiVersion: networking.istio.io/v2, kind: Gateway, metadata: {name: a}}
---
{kind: Gateway}
---
just text
`
    const { diagnostics } = loadResources(text, 'x.yaml')
    assert.deepEqual(
      diagnostics.map(({ severity, code }) => `${severity} ${code}`),
      [
        'warning API_IGNORED_KIND',
        'error API_UNKNOWN_KIND',
        'error API_UNKNOWN_VERSION',
        'error API_NOT_A_RESOURCE',
        'error API_NOT_A_RESOURCE',
      ],
    )
    assert.match(diagnostics[1]?.message ?? '', /did you mean VirtualService\?/)
  })

  test('all served versions of a kind give the same spec', () => {
    const specs = ['v1', 'v1beta1', 'v1alpha3'].map((version) => {
      const text = `{apiVersion: networking.istio.io/${version}, kind: DestinationRule, metadata: {name: a}, spec: {host: a.b}}`
      return loadResources(text, 'x.yaml').objects[0]?.spec
    })
    assert.deepEqual(specs, [{ host: 'a.b' }, { host: 'a.b' }, { host: 'a.b' }])
  })

  test('anchors, merge keys and aliases are followed', () => {
    const text = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a.b]
  resolution: STATIC
  ports: [{number: 1, name: tcp-dubbo}]
  endpoints:
  - &one {address: 10.0.0.1, weight: 1}
  - <<: *one
    address: 10.0.0.2
`
    const [object] = loadResources(text, 'x.yaml').objects
    assert.ok(object !== undefined && isKind(object, 'ServiceEntry'))
    assert.deepEqual(object.spec.endpoints?.[1], { address: '10.0.0.2', weight: 1 })
  })

  test('aliases that grow without end are an error, not a hang', () => {
    const lines = Array.from(
      { length: 30 },
      (_, i) =>
        `a${i}: &a${i} [${Array(10)
          .fill(i === 0 ? '1' : `*a${i - 1}`)
          .join(', ')}]`,
    )
    const { diagnostics } = loadResources(lines.join('\n'), 'x.yaml')
    assert.deepEqual(
      diagnostics.map(({ code }) => code),
      ['API_YAML_SYNTAX'],
    )
  })

  test('the early form for several hosts gives a MetaRouter for each, and alternatives a route for each', () => {
    const text = `apiVersion: networking.aeraki.io/v1alpha1
kind: VirtualService
metadata: {name: early, namespace: shop}
spec:
  host: [a.example.com, b.example.com]
  Route:
  - name: r
    match:
    - property: {key: user, value: {exact: a}}
    - property: {key: user, value: {exact: b}}
    headers: {response: {set: {served-by: mesh}}}
    destination: {host: a.example.com}
`
    const { objects } = loadResources(text, 'x.yaml')
    assert.deepEqual(
      objects.map(({ metadata, spec }) => [metadata.name, 'hosts' in spec && spec.hosts]),
      [
        ['early', ['a.example.com']],
        ['early-2', ['b.example.com']],
      ],
    )
    const [first] = objects
    assert.ok(first !== undefined && isKind(first, 'MetaRouter'))
    assert.deepEqual(
      first.spec.routes?.map(({ match, responseMutation }) => [match?.attributes, responseMutation]),
      [
        [{ user: { exact: 'a' } }, [{ key: 'served-by', value: 'mesh' }]],
        [{ user: { exact: 'b' } }, [{ key: 'served-by', value: 'mesh' }]],
      ],
    )
  })

  test('an error in the early form points to what was written', () => {
    const text = `apiVersion: networking.aeraki.io/v1alpha1
kind: VirtualService
metadata: {name: early}
spec:
  host: [a.example.com]
  Route:
  - destination:
      host: a..b
`
    const { objects, diagnostics } = loadResources(text, 'x.yaml')
    assert.deepEqual(objects, [])
    assert.deepEqual(codes(diagnostics), ['API_EARLY_FORM 1:13', 'API_BAD_HOST 8:13'])
  })

  test('any text is answered with diagnostics and never with an exception', () => {
    const pieces = fc.constantFrom(
      'apiVersion: ',
      'v1',
      'kind',
      ': ',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '"',
      '@',
      '---\n',
      'spec:',
      '\t',
      '<<: ',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces, { maxLength: 30 }).map((each) => each.join('')),
        ),
        (text) => {
          for (const each of loadResources(text, 'x.yaml').diagnostics) assert.ok(each.line >= 1 && each.column >= 1)
        },
      ),
    )
  })

  test('any value in any field of a resource is answered with diagnostics', () => {
    const kinds = fc.constantFrom(
      ...['ServiceEntry', 'WorkloadEntry', 'VirtualService', 'DestinationRule', 'Gateway'].map((kind) => ({
        apiVersion: 'networking.istio.io/v1',
        kind,
      })),
      ...['MetaRouter', 'ApplicationProtocol'].map((kind) => ({ apiVersion: 'metaprotocol.aeraki.io/v1alpha1', kind })),
      { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' },
      { apiVersion: 'networking.aeraki.io/v1alpha1', kind: 'VirtualService' },
      { apiVersion: 'v1', kind: 'Secret' },
    )
    const fields = fc.constantFrom(
      'hosts',
      'host',
      'http',
      'routes',
      'match',
      'route',
      'subsets',
      'ports',
      'endpoints',
      'servers',
      'configPatches',
      'Route',
      'labels',
      'trafficPolicy',
    )
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, '', 'a.b', '*', 1, -1, true),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(fields, tie('any'), { maxKeys: 4 }),
      ),
    })).any
    fc.assert(
      fc.property(kinds, value, value, (type, metadata, spec) => {
        loadValue({ ...type, metadata, spec }, 'test')
        loadValue({ ...type, metadata: { name: 'a' }, spec }, 'test')
      }),
    )
  })

  test('a value from elsewhere is not changed and its findings say where it came from', () => {
    const value = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'a', resourceVersion: '7' },
      spec: { host: 'a.b', outlierDetection: { interval: '1s' } },
    }
    const before = structuredClone(value)
    const { objects, diagnostics } = loadValue(value, 'kubernetes')
    assert.deepEqual(value, before)
    assert.equal(objects[0]?.metadata.resourceVersion, '7')
    assert.match(
      formatDiagnostics(diagnostics, 'text'),
      /^kubernetes: warning API_LENIENT_FORM DestinationRule default\/a spec\.outlierDetection: /,
    )
  })

  test('thousands of objects in one text are all there', () => {
    const text = Array.from({ length: 2000 }, (_, i) => router(`r${i}`)).join('---\n')
    assert.equal(loadResources(text, 'x.yaml').objects.length, 2000)
  })
})

describe('loading files and folders', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-api-'))
  after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'sub/.git'), { recursive: true })
  writeFileSync(join(folder, 'b.yaml'), router('b'))
  writeFileSync(join(folder, 'a.yml'), router('a'))
  writeFileSync(
    join(folder, 'sub/c.json'),
    JSON.stringify({
      apiVersion: 'metaprotocol.aeraki.io/v1alpha1',
      kind: 'ApplicationProtocol',
      metadata: { name: 'c' },
      spec: { protocol: 'c', codec: 'x.c' },
    }),
  )
  writeFileSync(join(folder, 'notes.txt'), 'not: [yaml')
  writeFileSync(join(folder, '.hidden.yaml'), 'not: [yaml')
  writeFileSync(join(folder, 'sub/.git/x.yaml'), 'not: [yaml')

  test('a folder gives what is below it in the order of names, without hidden files', () => {
    const { objects, diagnostics } = loadPath(folder)
    assert.deepEqual(diagnostics, [])
    assert.deepEqual(
      objects.map(({ metadata, source }) => [metadata.name, source.file.slice(folder.length + 1)]),
      [
        ['a', 'a.yml'],
        ['b', 'b.yaml'],
        ['c', 'sub/c.json'],
      ],
    )
  })

  test('a link that leads back up does not go round for ever', () => {
    symlinkSync(folder, join(folder, 'sub/loop'))
    assert.equal(loadPath(folder).objects.length, 3)
  })

  test('a kind that holds for the mesh has no namespace', () => {
    const protocol = loadPath(join(folder, 'sub')).objects[0]
    assert.equal(protocol?.metadata.namespace, '')
  })

  test('a file that is named twice is read once', () => {
    assert.deepEqual(loadPaths([folder, join(folder, 'b.yaml')]).diagnostics, [])
  })

  test('a path that is not there is an error with a code', () => {
    assert.throws(() => loadPath(join(folder, 'none')), { code: 'API_UNREADABLE' })
  })

  test('validatePaths exits 1 on errors and 0 on warnings', () => {
    const bad = join(folder, 'sub/bad.txt')
    writeFileSync(bad, router('bad', '\n  rotes: []'))
    const broken = validatePaths([bad])
    assert.equal(broken.exitCode, 1)
    assert.equal(
      formatDiagnostics(broken.diagnostics, 'text'),
      `${bad}:6:3: error API_UNKNOWN_FIELD MetaRouter default/bad spec.rotes: there is no field "rotes" here; did you mean "routes"?\n    Write routes.`,
    )
    const parsed: unknown = JSON.parse(formatDiagnostics(broken.diagnostics, 'json'))
    assert.deepEqual(parsed, [
      {
        severity: 'error',
        code: 'API_UNKNOWN_FIELD',
        file: bad,
        line: 6,
        column: 3,
        kind: 'MetaRouter',
        namespace: 'default',
        name: 'bad',
        field: 'spec.rotes',
        message: 'there is no field "rotes" here; did you mean "routes"?',
        remedy: 'Write routes.',
      },
    ])
    const fine = validatePaths([join(folder, 'a.yml')])
    assert.deepEqual([fine.exitCode, fine.diagnostics.map(({ code }) => code)], [0, ['API_UNKNOWN_HOST']])
  })
})

const findings = (text: string) =>
  loadResources(text, 'x.yaml').diagnostics.map(({ code, message }) => `${code} ${message}`)

const patch = (value: string) =>
  `&x {apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: x}, spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: ADD, value: ${value}}}]}}`

const nested = (depth: number) => `a: ${'['.repeat(depth)}${']'.repeat(depth)}`

const empty = Array.from({ length: 200 }, () => '    - {match: , route: [{destination: {host: a.b}}]}').join('\n')
const routesThen = (last: string) =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a.b]\n  http:\n${empty}\n${last}`

describe('hostile texts', () => {
  test('a value that contains itself by an alias is an error, not an endless walk', () => {
    assert.deepEqual(findings(patch('*x')), ['API_YAML_SYNTAX an alias stands inside what it stands for'])
    assert.deepEqual(findings(patch('{a: &y {b: 1}, c: *y}')), [])
  })

  test('what is nested beyond all measure is an error', () => {
    assert.deepEqual(findings(nested(20_000)), ['API_YAML_SYNTAX nested too deep'])
    assert.deepEqual(findings(nested(300)), ['API_YAML_SYNTAX nested more than 200 deep'])
  })

  test('thousands of mistakes in one object are not listed one by one, and the object stays refused', () => {
    const warned = loadResources(routesThen(''), 'x.yaml')
    assert.equal(warned.objects.length, 1)
    assert.equal(warned.diagnostics.length, 101)
    const refused = loadResources(routesThen('  exportTo: 5\n'), 'x.yaml')
    assert.deepEqual(refused.objects, [])
    assert.deepEqual(
      refused.diagnostics.flatMap(({ severity, field }) => (severity === 'error' ? [field] : [])),
      ['spec.exportTo'],
    )
    const unknown = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join(', ')
    const { diagnostics } = loadResources(
      `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x}, spec: {host: a.b, ${unknown}}}`,
      'x.yaml',
    )
    assert.equal(diagnostics.length, 101)
    assert.equal(diagnostics.at(-1)?.code, 'API_TOO_MANY_FINDINGS')
  })

  test('a link that leads to itself does not hide the folder’s other files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'aeraki-links-'))
    symlinkSync('loop.yaml', join(folder, 'loop.yaml'))
    symlinkSync('nowhere', join(folder, 'dangling.yaml'))
    writeFileSync(join(folder, 'good.yaml'), router('a'))
    const { objects, diagnostics } = loadPath(folder)
    rmSync(folder, { recursive: true })
    assert.equal(objects.length, 1)
    assert.deepEqual(
      diagnostics.map(({ code, file }) => [code, basename(file)]),
      [['API_UNREADABLE', 'loop.yaml']],
    )
  })
})
