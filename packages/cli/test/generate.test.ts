import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadResources } from '@aeraki/api'
import { aeraki } from './run-command.ts'

const example = fileURLToPath(new URL('../../../examples/traffic-split', import.meta.url))

interface Item {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string }
}

describe('aeraki generate', () => {
  test('prints the objects of a folder, the same in YAML and in a JSON list, and the same bytes again', async () => {
    const [yaml, json, again] = await Promise.all([
      aeraki(['generate', '--config', example]),
      aeraki(['generate', '--config', example, '--output', 'json']),
      aeraki(['generate', '--config', example]),
    ])
    assert.equal(yaml.code, 0, yaml.stderr)
    assert.equal(again.stdout, yaml.stdout)
    const list = JSON.parse(json.stdout) as { kind: string; items: Item[] }
    assert.equal(list.kind, 'List')
    const [fromYaml, fromJson] = [yaml.stdout, json.stdout].map((text) =>
      loadResources(text, 'printed').objects.map(({ kind, metadata, spec }) => ({ kind, metadata, spec })),
    )
    assert.equal(fromYaml?.length, 2)
    assert.deepEqual(fromYaml, fromJson)
    assert.deepEqual(
      list.items.map(({ kind, metadata }) => `${kind} ${metadata.namespace}`),
      ['EnvoyFilter default', 'EnvoyFilter istio-system'],
    )
  })

  test('writes elsewhere for another root namespace', async () => {
    const { stdout } = await aeraki(['generate', '--config', example, '--root-namespace', 'mesh'])
    assert.match(stdout, /^ {2}namespace: mesh$/m)
    assert.doesNotMatch(stdout, /istio-system/)
  })

  test('takes short names for services of the cluster domain', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'aeraki-generate-'))
    try {
      const host = 'orders.shop.svc.mesh.example'
      writeFileSync(join(folder, 'mesh.yaml'), `${thriftService(host)}---\n${shortRule('orders')}`)
      const domain = ['--cluster-domain', 'mesh.example']
      const [own, other] = await Promise.all([
        aeraki(['generate', '--config', folder, ...domain]),
        aeraki(['generate', '--config', folder]),
      ])
      assert.match(own.stdout, /methodName: pay$/m)
      assert.doesNotMatch(other.stdout, /methodName: pay$/m)
      const wrong = await aeraki(['generate', '--config', folder, '--cluster-domain', 'svc.mesh.example'])
      assert.equal(wrong.code, 2)
      assert.match(wrong.stderr, /--cluster-domain "svc\.mesh\.example" is no domain/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('says on stderr what is left out, with its place, and fails where that is an error', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'aeraki-generate-'))
    try {
      const entry = readFileSync(join(example, 'service-entry.yaml'), 'utf8').replace(/\n *annotations:\n.*\n/, '\n')
      writeFileSync(join(folder, 'service-entry.yaml'), entry)
      const { code, stdout, stderr } = await aeraki(['generate', '--config', folder])
      assert.equal(code, 1)
      assert.match(stderr, /service-entry\.yaml:\d+:\d+: error ENVOY_MISSING_ANNOTATION ServiceEntry/)
      // Its workloads need no annotation.
      assert.match(stdout, /aeraki-inbound/)
      assert.doesNotMatch(stdout, /aeraki-outbound/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('needs a folder', async () => {
    const { code, stderr } = await aeraki(['generate'])
    assert.equal(code, 2)
    assert.match(stderr, /--config DIR/)
  })
})

describe('aeraki diff', () => {
  let folder: string
  let changed: string
  let printed: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aeraki-diff-'))
    changed = join(folder, 'changed')
    cpSync(example, changed, { recursive: true })
    const rule = join(changed, 'virtual-service.yaml')
    writeFileSync(
      rule,
      readFileSync(rule, 'utf8').replace('weight: 30', 'weight: 40').replace('weight: 70', 'weight: 60'),
    )
    printed = join(folder, 'printed.yaml')
    writeFileSync(printed, (await aeraki(['generate', '--config', example])).stdout)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('shows nothing where nothing would change', async () => {
    for (const against of [example, printed]) {
      const { code, stdout } = await aeraki(['diff', example, '--against', against])
      assert.equal(stdout, '')
      assert.equal(code, 0)
    }
  })

  test('shows what would change as a unified diff, beside a folder and beside what was printed', async () => {
    for (const against of [example, printed]) {
      const { code, stdout } = await aeraki(['diff', changed, '--against', against])
      assert.equal(code, 1)
      const marked = stdout
        .split('\n')
        .filter((line) => /^[-+@]/.test(line))
        .map((line) => line.replace(/\s+/g, ' '))
      assert.match(marked[0] ?? '', /^--- EnvoyFilter istio-system\/aeraki-outbound-/)
      assert.match(marked[2] ?? '', /^@@ -\d+,\d+ \+\d+,\d+ @@$/)
      assert.deepEqual(marked.slice(3), ['- weight: 30', '+ weight: 40', '- weight: 70', '+ weight: 60'])
    }
  })

  test('has an exit code above 1 for what cannot be read', async () => {
    for (const args of [
      [changed, '--against', join(folder, 'nothing')],
      [join(folder, 'nothing'), '--against', example],
      [changed, '--kubeconfig', join(folder, 'nothing')],
      [],
    ]) {
      const { code, stderr } = await aeraki(['diff', ...args])
      assert.equal(code, 2, args.join(' '))
      assert.notEqual(stderr, '')
    }
  })
})

function thriftService(host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: orders, namespace: shop }
spec:
  hosts: [${host}]
  addresses: [10.9.8.7]
  ports: [{ number: 9090, name: tcp-thrift, protocol: TCP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }]
`
}

function shortRule(host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: orders, namespace: shop }
spec:
  hosts: [${host}]
  http:
    - match: [{ method: { exact: pay } }]
      route: [{ destination: { host: ${host} } }]
`
}
