import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { needPeer } from '@aeraki/testing'
import { consume, provide } from './support/dubbo-app.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const bun = needPeer('bun')
const folder = mkdtempSync(join(tmpdir(), 'aeraki-main-'))
after(() => rmSync(folder, { recursive: true }))

const runtimes = [
  { name: 'Node', path: process.execPath, skip: false as const },
  { name: 'Bun', path: bun.path, skip: bun.skip },
]

class ProxyProcess {
  stderr = ''
  readonly stdout: Promise<string>
  readonly exit: Promise<number | null>
  readonly kill: (signal: NodeJS.Signals) => void
  readonly #waiting = new Set<() => void>()

  constructor(runtime: string, args: readonly string[]) {
    const child = spawn(runtime, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    child.stdout.on('data', (chunk) => {
      stdout += String(chunk)
    })
    child.stderr.on('data', (chunk) => {
      this.stderr += String(chunk)
      for (const check of this.#waiting) check()
    })
    this.exit = new Promise((resolve) => {
      child.once('close', (code) => resolve(code))
    })
    this.stdout = this.exit.then(() => stdout)
    this.kill = (signal) => child.kill(signal)
  }

  /** The match, once the log has it. Rejects when the process ends before. */
  async says(words: RegExp): Promise<RegExpExecArray> {
    return Promise.race([
      new Promise<RegExpExecArray>((resolve) => {
        const check = (): void => {
          const found = words.exec(this.stderr)
          if (found === null) return
          this.#waiting.delete(check)
          resolve(found)
        }
        this.#waiting.add(check)
        check()
      }),
      this.exit.then((code) => {
        throw new Error(`ended with ${code}: ${this.stderr}`)
      }),
    ])
  }
}

for (const runtime of runtimes) {
  describe(`the proxy's process on ${runtime.name}`, { skip: runtime.skip }, () => {
    test('says on what it runs, serves its bootstrap, changes its log level, and ends by SIGTERM with 0', async () => {
      const provider = await provide('v1', 0)
      const file = join(folder, `${runtime.name}.yaml`)
      writeFileSync(file, bootstrap((provider.address() as AddressInfo).port))
      const proxy = new ProxyProcess(runtime.path, ['--bootstrap', file, '--drain-time', '1'])
      try {
        await proxy.says(new RegExp(`aeraki proxy on ${runtime.name} `))
        const [, admin = ''] = await proxy.says(/admin pages on (http:\/\/[^/]+)/)
        const [, host = '', port = ''] = await proxy.says(/listener orders on ([\d.]+):(\d+)/)
        await proxy.says(/live/)
        assert.deepEqual(await consume(host, Number(port), ({ length }) => length === 3), ['v1', 'v1', 'v1'])
        const get = async (path: string, method = 'GET'): Promise<string> =>
          (await fetch(admin + path, { method })).text()
        assert.match(await get('/stats'), /^meta_protocol\.dubbo\.orders\.request: 3$/m)
        assert.match(await get('/stats/prometheus'), /^# TYPE /m)
        assert.match(await get('/clusters'), /^v1::127\.0\.0\.1:\d+::rq_total::3$/m)
        assert.match(await get('/listeners'), /^orders::127\.0\.0\.1:0/m)
        assert.match(await get('/config_dump'), /"name": "orders"/)
        assert.match(await get('/logging?xds=debug', 'POST'), /xds: debug/)
        proxy.kill('SIGTERM')
        assert.equal(await proxy.exit, 0)
      } finally {
        proxy.kill('SIGKILL')
        await proxy.exit
        provider.close()
      }
    })

    test('ends with 2 and the remedy for a wrong flag, a wrong bootstrap and a wrong level', async () => {
      const file = join(folder, `${runtime.name}-bad.yaml`)
      writeFileSync(file, 'node: {idd: n}\n')
      const cases: readonly (readonly [readonly string[], RegExp])[] = [
        [['--nodes', 'x'], /PROXY_FLAGS_INVALID: unknown flag --nodes, see --help/],
        [
          ['--bootstrap', file],
          /PROXY_BOOTSTRAP_INVALID: .*bad\.yaml:1:8: node\.idd: unknown field .*did you mean "id"/,
        ],
        [['--control-plane', '127.0.0.1:1', '--node', 'n', '--log-level', 'loud'], /no log level "loud"/],
      ]
      await Promise.all(
        cases.map(async ([args, message]) => {
          const proxy = new ProxyProcess(runtime.path, args)
          assert.equal(await proxy.exit, 2)
          assert.match(proxy.stderr, message)
        }),
      )
      const help = new ProxyProcess(runtime.path, ['--help'])
      assert.equal(await help.exit, 0)
      assert.match(await help.stdout, /--control-plane HOST:PORT/)
    })
  })
}

function bootstrap(port: number): string {
  return `
node: {id: n}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: orders
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: aeraki.meta_protocol_proxy
        typed_config:
          "@type": type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy
          stat_prefix: orders
          protocol: {name: dubbo, codec: {name: aeraki.meta_protocol.codec.dubbo}}
          route_config:
            name: orders
            routes:
            - {match: {metadata: [{name: interface, exact_match: other.Service}]}, route: {cluster: nowhere}}
            - {match: {metadata: [{name: method, safe_regex_match: {regex: "hel+o"}}]}, route: {cluster: v1}}
  clusters:
  - name: v1
    load_assignment:
      cluster_name: v1
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}]}]
  - {name: nowhere, load_assignment: {cluster_name: nowhere}}
`
}
