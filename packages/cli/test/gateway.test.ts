/** A gateway out of the two processes that a cluster runs, between a Dubbo consumer and providers that know of neither. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, startDubboConsumer, startDubboProvider } from '@aeraki/testing'
import { COMMAND } from './run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'aeraki-gateway-test-'))
const children: ChildProcess[] = []
after(async () => {
  for (const child of children) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
})

/** Starts the command, and resolves with what the pattern finds in its output. */
async function start(args: readonly string[], pattern: RegExp): Promise<string> {
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  while (!pattern.test(output)) {
    assert.equal(child.exitCode, null, output)
    await sleep(20)
  }
  return pattern.exec(output)?.[1] ?? ''
}

const rules = (port: number, providerPort: number, subset: string) => `
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: demo, namespace: shop}, spec: {hosts: [demo.shop.svc.cluster.local], ports: [{number: 20880, name: tcp-metaprotocol-dubbo}], resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {tcp-metaprotocol-dubbo: ${providerPort}}, labels: {version: v1}}]}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: demo, namespace: shop}, spec: {host: demo.shop.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: front, namespace: edge}, spec: {selector: {istio: aeraki-gateway}, servers: [{port: {number: ${port}, name: tcp-metaprotocol-dubbo, protocol: TCP}, hosts: ["*"], bind: 127.0.0.1}]}}
---
{apiVersion: metaprotocol.aeraki.io/v1alpha1, kind: MetaRouter, metadata: {name: demo, namespace: shop}, spec: {hosts: [demo.shop.svc.cluster.local], gateways: [edge/front], routes: [{route: [{destination: {host: demo.shop.svc.cluster.local, subset: ${subset}}}]}]}}
`

test('a gateway brings calls from outside to the service, by rules that change under it', async () => {
  const [port, providerPort] = [await freePort(), await freePort()]
  const provider = await startDubboProvider('sofa', { port: providerPort, name: 'inside' })
  after(() => provider.stop())
  writeFileSync(join(folder, 'rules.yaml'), rules(port, providerPort, 'v1'))
  const xds = await start(
    ['control-plane', '--config', folder, '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
    /^xds (\S+)$/m,
  )
  const node = 'router~127.0.0.1~gateway-1.edge~edge.svc.cluster.local'
  const labels = 'istio=aeraki-gateway,app=aeraki-gateway'
  const args = ['--control-plane', xds, '--node', node, '--labels', labels, '--admin-address', 'off']
  const status = await start(['proxy', ...args, '--status-address', '127.0.0.1:0'], /status pages on (\S+)/)
  const ready = async () => (await fetch(new URL('/ready', status))).status === 200
  while (!(await ready())) await sleep(20)

  const consumer = await startDubboConsumer('sofa', { address: `127.0.0.1:${port}` })
  after(() => consumer.stop())
  const [call] = await consumer.call('sayHello')
  assert.match(String(call?.value), /inside/)
  writeFileSync(join(folder, 'rules.yaml'), rules(port, providerPort, 'v2'))
  let error: string | undefined
  while (error === undefined) error = (await consumer.call('sayHello'))[0]?.error
  // No endpoint is a v2: the rule holds at the gateway, and the consumer's stack raises it.
  assert.match(error, /v2/)
  assert.match(await (await fetch(new URL('/stats/prometheus', status))).text(), /istio_requests_total/)
})
