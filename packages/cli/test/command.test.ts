import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { verbs } from '../src/verbs.ts'
import { aeraki, COMMAND } from './run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'aeraki-cli-test-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const sound = file(
  'sound.yaml',
  `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: a, namespace: default }
spec: { address: 127.0.0.1 }
`,
)
const broken = file(
  'broken.yaml',
  `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: b, namespace: default }
spec: { addres: 127.0.0.1 }
`,
)

describe('help', () => {
  test('--help lists every verb on stdout', async () => {
    const { code, stdout, stderr } = await aeraki(['--help'])
    assert.equal(code, 0)
    for (const { name, summary } of verbs) assert.match(stdout, new RegExp(`^  ${name} +${summary}$`, 'm'))
    assert.equal(stderr, '')
  })

  test('every verb explains itself, both ways', async () => {
    for (const { name } of verbs) {
      const [asked, flagged] = await Promise.all([aeraki(['help', name]), aeraki([name, '--help'])])
      assert.equal(asked.code, 0)
      assert.match(asked.stdout, new RegExp(`^Usage: aeraki ${name}`))
      assert.equal(flagged.stdout, asked.stdout)
    }
  })

  test('no verb at all is a usage error that lists the verbs on stderr', async () => {
    const { code, stdout, stderr } = await aeraki([])
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /Usage: aeraki VERB/)
  })
})

describe('mistakes on the command line', () => {
  const mistakes: readonly [string, string[], RegExp][] = [
    [
      'an unknown verb is told, with the nearest one',
      ['validat', 'x'],
      /unknown verb "validat"\. Did you mean "validate"\?/,
    ],
    ['an unknown verb unlike all others gets no guess', ['frobnicate'], /unknown verb "frobnicate"\.\n/],
    ['an option before the verb is told', ['--output', 'json'], /the verb comes first/],
    ['an unknown option is told, with the nearest one', ['validate', '--outpt', 'json', 'x'], /"--outpt".*"--output"/],
    ['an option without its value is told', ['validate', 'x', '--output'], /--output needs a value: --output FORMAT/],
    [
      'a value that is none of the choices is told',
      ['validate', '-o', 'jsn', 'x'],
      /"jsn" is none of text, json.*"json"/,
    ],
    [
      'what makes no sense in a cluster is told, with what to do instead',
      ['control-plane', '--kubernetes', '--istiod', 'istiod:15012'],
      /--istiod with --kubernetes: .*the cluster.*--config DIR --istiod/,
    ],
    [
      'a block of addresses that is none is told',
      ['control-plane', '--kubernetes', '--address-block', '240.240.0.0/16'],
      /--address-block "240\.240\.0\.0\/16" overlaps Istio's own/,
    ],
    [
      'a domain of a cluster that is none is told',
      ['control-plane', '--kubernetes', '--cluster-domain', 'svc.cluster.local'],
      /--cluster-domain "svc\.cluster\.local" is no domain/,
    ],
    ['a missing operand is told', ['validate'], /give the files or folders/],
    ['a missing option is told', ['control-plane'], /--config DIR/],
    [
      'an address that is none is told',
      ['control-plane', '--config', '.', '--xds', '15010'],
      /"15010" is not HOST:PORT/,
    ],
    ['a duration that is none is told', ['demo', '--duration', 'soon'], /"soon" is no duration/],
    ['a rate that is none is told', ['demo', '--rate', '0'], /--rate "0" is no whole number/],
    ['an unknown scenario is told, with the list', ['demo', 'canry'], /Did you mean "canary"\?[^]*traffic-split/],
    ['help for an unknown verb is told', ['help', 'prxy'], /Did you mean "proxy"\?/],
    ['a log level that is none is told', ['version', '--log-level', 'loud'], /"loud" is none of/],
  ]
  for (const [name, args, expected] of mistakes) {
    test(name, async () => {
      const { code, stdout, stderr } = await aeraki(args)
      assert.equal(code, 2, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, expected)
      assert.match(stderr, /See "aeraki/)
      assert.doesNotMatch(stderr, /^ +at /m)
    })
  }
})

describe('validate', () => {
  test('a sound file is exit code 0, with nothing on stdout', async () => {
    const { code, stdout, stderr } = await aeraki(['validate', sound])
    assert.equal(code, 0, stderr)
    assert.equal(stdout, '')
    assert.match(stderr, /1 sound object, 0 errors, 0 warnings/)
  })

  test('a mistake is exit code 1, with its place, its field and a remedy', async () => {
    const { code, stdout } = await aeraki(['validate', broken])
    assert.equal(code, 1)
    assert.match(stdout, /broken\.yaml:4:\d+: error .*default\/b/)
    assert.match(stdout, /addres/)
  })

  test('--output json is one JSON document', async () => {
    const { code, stdout } = await aeraki(['validate', '--output', 'json', sound, broken])
    assert.equal(code, 1)
    const diagnostics = JSON.parse(stdout) as { code: string; severity: string }[]
    assert.ok(diagnostics.some((diagnostic) => diagnostic.severity === 'error'))
  })

  test('a path that is not there is told in one line with a code, without a stack', async () => {
    const { code, stderr } = await aeraki(['validate', join(folder, 'missing')])
    assert.equal(code, 1)
    assert.match(stderr, /^aeraki: .*missing.*\(API_[A-Z_]+\)\n$/)
  })
})

describe('version', () => {
  test('names the version and both runtimes', async () => {
    const { code, stdout } = await aeraki(['version', '--output', 'json'])
    assert.equal(code, 0)
    const about = JSON.parse(stdout) as Record<string, string>
    assert.equal(about['node'], process.versions.node)
    assert.match(about['proxyRuntime'] ?? '', /^(bun|node)$/)
  })
})

describe('demo', () => {
  test('--list names the scenarios', async () => {
    const { code, stdout } = await aeraki(['demo', '--list'])
    assert.equal(code, 0)
    for (const name of ['traffic-split', 'batch-isolation', 'locality', 'canary'])
      assert.match(stdout, new RegExp(name))
  })
})

describe('output', () => {
  test('a reader that stops early is no error', async () => {
    const child = spawn(process.execPath, [COMMAND, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const [code] = (await once(child, 'close')) as [number | null]
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
  })
})
