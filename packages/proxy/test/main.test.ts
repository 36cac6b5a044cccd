import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { needPeer } from '@aeraki/testing'
import { consume, provide } from './support/dubbo-app.ts'
import { DubboClient, DubboServer } from './support/dubbo-client.ts'
import { until } from './support/harness.ts'
import { ProxyProcess } from './support/proxy-process.ts'

const bun = needPeer('bun')
const folder = mkdtempSync(join(tmpdir(), 'aeraki-main-'))
after(() => rmSync(folder, { recursive: true }))

const runtimes = [
  { name: 'Node', path: process.execPath, skip: false as const },
  { name: 'Bun', path: bun.path, skip: bun.skip },
]

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

    test('with two workers sums up what both did, and by SIGTERM finishes what both have in flight', async () => {
      const server = await DubboServer.start('v1', true)
      const file = join(folder, `${runtime.name}-two.yaml`)
      writeFileSync(file, bootstrap(server.port))
      const proxy = new ProxyProcess(runtime.path, ['--bootstrap', file, '--concurrency', '2', '--drain-time', '30'])
      const clients: DubboClient[] = []
      try {
        await proxy.says(/2 workers/)
        const [, admin = ''] = await proxy.says(/admin pages on (http:\/\/[^/]+)/)
        const [, host = '', port = ''] = await proxy.says(/listener orders on ([\d.]+):(\d+)/)
        await proxy.says(/live/)
        // So many that both workers have some, but once in 2 to the power of 31 runs.
        for (let index = 0; index < 32; index += 1) clients.push(await DubboClient.connect(Number(port), host))
        const answers = clients.map((client) => client.call())
        await until(() => server.held.length === clients.length)
        const get = async (path: string): Promise<string> => (await fetch(admin + path)).text()
        assert.match(await get('/stats'), /^meta_protocol\.dubbo\.orders\.request_active: 32$/m)
        assert.match(await get('/stats'), /^server\.concurrency: 2$/m)
        assert.match(await get('/stats/prometheus'), /^envoy_meta_protocol_request\{.*\} 32$/m)
        assert.match(await get('/clusters'), /^v1::127\.0\.0\.1:\d+::cx_active::2$/m)
        assert.match(await get('/clusters'), /^v1::127\.0\.0\.1:\d+::rq_active::32$/m)
        assert.match(await get('/listeners?format=json'), /"connections": 32/)
        // The log and its levels are those of the process, whichever worker has something to say.
        for (const level of ['off', 'info']) {
          await fetch(`${admin}/logging?downstream=${level}`, { method: 'POST' })
          const hostile = await DubboClient.connect(Number(port), host)
          hostile.write(Buffer.from('GET / HTTP/1.1\r\nHost: no Dubbo at all\r\n\r\n'))
          await until(() => hostile.closed)
          // What a worker has logged comes before its statistics: the main thread has seen it under this level.
          await get('/stats')
        }
        await proxy.says(/sent what is no/)
        assert.equal(proxy.stderr.split('sent what is no').length, 2)
        proxy.kill('SIGTERM')
        await proxy.says(/SIGTERM: finishing/)
        server.release()
        assert.deepEqual(new Set(await Promise.all(answers)), new Set(['v1']))
        assert.equal(await proxy.exit, 0)
      } finally {
        proxy.kill('SIGKILL')
        await proxy.exit
        for (const client of clients) client.close()
        server.stop()
      }
    })

    test('ends with 2 and the remedy for a wrong flag, a wrong bootstrap and a wrong level', async () => {
      const file = join(folder, `${runtime.name}-bad.yaml`)
      writeFileSync(file, 'node: {idd: n}\n')
      const cases: readonly (readonly [readonly string[], RegExp])[] = [
        [
          ['--concurrency', 'many', '--control-plane', '127.0.0.1:1', '--node', 'n'],
          /PROXY_FLAGS_INVALID: --concurrency "many": give a number of workers/,
        ],
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

test('a proxy ends with 1, and says why, when a worker fails', async () => {
  const file = join(folder, 'failing.yaml')
  writeFileSync(file, bootstrap(1))
  const saboteur = join(folder, 'saboteur.cjs')
  writeFileSync(
    saboteur,
    "if (!require('node:worker_threads').isMainThread) setTimeout(() => { throw new Error('out of luck') }, 300)",
  )
  const proxy = new ProxyProcess(process.execPath, ['--bootstrap', file, '--concurrency', '2'], {
    NODE_OPTIONS: `--require ${saboteur}`,
  })
  assert.equal(await proxy.exit, 1)
  assert.match(proxy.stderr, /PROXY_WORKER_FAILED: .*worker [01] failed: Error: out of luck/)
})

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
