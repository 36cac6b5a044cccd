import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createNetworkNamespace, needPeer, type NetworkNamespace, says } from '@aeraki/testing'
import { dubboApp } from '../support/dubbo-app.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const bun = needPeer('bun')
const tools = [needPeer('iproute2'), needPeer('iptables')].map(({ skip }) => skip).find((skip) => skip !== false)
const skip = tools ?? (process.getuid?.() === 0 ? false : 'network namespaces need root: run the tests as root')

/** The VIP of the talk, which is no address of any machine here, and one of IPv6. */
const bootstrap = `
node: {id: web}
static_resources:
  listeners:
${['193.193.192.192', '2001:db8::192']
  .map(
    (vip) => `
  - name: "${vip}_20880"
    address: {socket_address: {address: "${vip}", port_value: 20880}}
    traffic_direction: OUTBOUND
    bind_to_port: false
    filter_chains:
    - filters:
      - name: envoy.filters.network.meta_protocol_proxy
        typed_config:
          "@type": type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy
          stat_prefix: demo
          protocol: {name: dubbo, codec: {name: aeraki.meta_protocol.codec.dubbo}}
          route_config: {name: demo, routes: [{name: all, route: {cluster: demo}}]}`,
  )
  .join('')}
  clusters:
  - name: demo
    load_assignment:
      cluster_name: demo
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 20881}}}}]}]
`

const onBun = skip === false ? bun.skip : skip
const runtimes = [
  { name: 'Node', path: process.execPath, workers: 1, skip },
  { name: 'Bun', path: bun.path, workers: 1, skip: onBun },
  { name: 'Node with two workers', path: process.execPath, workers: 2, skip },
  { name: 'Bun with two workers', path: bun.path, workers: 2, skip: onBun },
]

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code))
  })
}

function rules(namespace: NetworkNamespace): readonly string[] {
  return namespace
    .run('/usr/sbin/iptables-save', ['-t', 'nat'])
    .split('\n')
    .filter((line) => line.includes('AERAKI'))
}

function call(namespace: NetworkNamespace, host: string, calls: number): unknown {
  return JSON.parse(namespace.run(process.execPath, [dubboApp, 'consumer', host, '20880', String(calls)]))
}

describe('transparent interception', () => {
  for (const runtime of runtimes) {
    test(
      `on ${runtime.name} brings an unmodified client's calls to a VIP to the service, and leaves no trace`,
      { skip: runtime.skip },
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'aeraki-intercept-'))
        const file = join(folder, 'bootstrap.yaml')
        writeFileSync(file, bootstrap)
        const namespace = createNetworkNamespace()
        try {
          const provider = namespace.spawn(process.execPath, [dubboApp, 'provider', 'v1', '20881'], {
            stdio: ['ignore', 'pipe', 'inherit'],
          })
          await says(provider, 'stdout', /listening/)
          const start = async (): Promise<ChildProcess> => {
            const flags = { bootstrap: file, intercept: '15001', concurrency: String(runtime.workers) }
            const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])
            const proxy = namespace.spawn(runtime.path, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
            await says(proxy, 'stderr', /intercepting 2 addresses/)
            return proxy
          }
          const first = await start()
          // Each has a connection of its own, and so some worker or other.
          for (let client = 0; client < 4 * runtime.workers; client += 1) {
            assert.deepEqual(call(namespace, '193.193.192.192', 3), ['v1', 'v1', 'v1'])
          }
          assert.deepEqual(call(namespace, '2001:db8::192', 1), ['v1'])

          // What a killed proxy leaves behind, its successor takes over.
          first.kill('SIGKILL')
          await ended(first)
          const inForce = rules(namespace)
          assert.equal(inForce.length, 3)
          const second = await start()
          assert.deepEqual(rules(namespace), inForce)
          assert.deepEqual(call(namespace, '193.193.192.192', 1), ['v1'])

          second.kill('SIGTERM')
          assert.equal(await ended(second), 0)
          assert.deepEqual(rules(namespace), [])
        } finally {
          namespace.remove()
          rmSync(folder, { recursive: true })
        }
      },
    )
  }
})
