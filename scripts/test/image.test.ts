/** What the image runs, run without a container: the Containerfile's own command, from the folder that it copies. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadChart } from '../../packages/cli/src/install/chart.ts'
import { layOut } from '../image.ts'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'aeraki-image-test-'))
const app = join(folder, 'app')
const containerfile = readFileSync(join(root, 'Containerfile'), 'utf8')
const [program = '', ...entry] = commandOf('ENTRYPOINT').map((word) => word.replace(/^\/app\//, `${app}/`))
const children: ChildProcess[] = []

before(() => {
  layOut(app)
  cpSync(join(root, 'examples/traffic-split'), join(folder, 'mesh'), { recursive: true })
  chmodSync(folder, 0o755)
})
after(async () => {
  for (const child of children) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
})

/** Of the last stage: the image that is built unless told otherwise. */
function commandOf(instruction: string): string[] {
  const lines = containerfile.split('\n').filter((line) => line.startsWith(`${instruction} `))
  return JSON.parse(lines.at(-1)?.slice(instruction.length + 1) ?? '[]') as string[]
}

/** As the image's user where we may, with nothing of our environment and no place to write to. */
function start(args: readonly string[]) {
  const user = process.getuid?.() === 0 ? { uid: 65_532, gid: 65_532 } : {}
  const child = spawn(program, [...entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: {}, cwd: '/', ...user })
  children.push(child)
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said.text += text))
  }
  const until = async (pattern: RegExp): Promise<string> => {
    while (!pattern.test(said.text)) {
      assert.equal(child.exitCode, null, said.text)
      await sleep(20)
    }
    return pattern.exec(said.text)?.[1] ?? ''
  }
  return { child, said, until }
}

/** The digest of the folder as a layer of an image has it. */
function layerOf(path: string): string {
  const tar = 'tar --sort=name --owner=0 --group=0 --numeric-owner -cf - . | sha256sum'
  return execFileSync('bash', ['-o', 'pipefail', '-c', tar], { cwd: path, encoding: 'utf8' })
}

async function run(args: readonly string[]): Promise<string> {
  const { child, said } = start(args)
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0, said.text)
  return said.text
}

describe(
  'the image',
  { skip: process.platform !== 'linux' || process.arch !== 'x64' ? 'the image is for amd64' : false },
  () => {
    test('has the runtimes of the lock file, and says its version', async () => {
      assert.match(await run(['version']), /^aeraki \d+\.\d+\.\d+ \(node 24\.\d+\.\d+, proxy on bun\)$/m)
      assert.match(await run(commandOf('CMD')), /^Usage: aeraki/m)
    })

    test('has what it takes to print an installation', async () => {
      assert.match(await run(['install', '--dry-run']), /^kind: Deployment$/m)
    })

    test('runs a control plane, and the proxy of a gateway as the chart starts it', async () => {
      const config = ['--config', join(folder, 'mesh'), '--state', join(folder, 'state.json')]
      const { until } = start(['control-plane', ...config, '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'])
      const xds = await until(/^xds (\S+)$/m)
      const chart = loadChart([{ name: 'v', text: 'gateway: {enabled: true}' }])
      const deployment = chart.render('mesh').find(({ kind, metadata }) => {
        return kind === 'Deployment' && (metadata as { name: string }).name === 'aeraki-gateway'
      }) as { spec: { template: { spec: { containers: { args: string[] }[] } } } }
      const args = (deployment.spec.template.spec.containers[0]?.args ?? []).map((word) =>
        word
          .replace(/^--control-plane=.*/, `--control-plane=${xds}`)
          .replace(/^--status-address=.*/, '--status-address=127.0.0.1:0')
          .replaceAll('$(POD_IP)', '127.0.0.1'),
      )
      const proxy = start([...args, '--admin-address=off'])
      const status = await proxy.until(/status pages on (\S+)/)
      await proxy.until(/aeraki\.proxy: live/)
      assert.equal((await fetch(new URL('/ready', status))).status, 200)
      proxy.child.kill('SIGTERM')
      assert.deepEqual(await once(proxy.child, 'exit'), [0, null])
    })

    test('is the same layer to the last byte, whatever the umask and the clock', () => {
      const again = join(folder, 'again')
      const usual = process.umask(0o077)
      try {
        layOut(again)
      } finally {
        process.umask(usual)
      }
      assert.equal(layerOf(again), layerOf(app))
      rmSync(again, { recursive: true })
    })

    test('has no tests, no development tools, and one time for all files', () => {
      const paths = readdirSync(app, { recursive: true, encoding: 'utf8' })
      assert.ok(paths.length > 1000)
      assert.deepEqual(
        paths.filter((path) =>
          /^packages\/[^/]+\/test(\/|$)|^node_modules\/(typescript|oxlint|fast-check)\b/.test(path),
        ),
        [],
      )
      for (const path of paths) assert.equal(lstatSync(join(app, path)).mtimeMs, 0, path)
    })
  },
)
