/** A folder -> this control plane -> MCP -> a real istiod -> a real Envoy, with third-party Dubbo at both ends. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import {
  type DubboConsumer,
  freePort,
  freePorts,
  needPeer,
  startDubboConsumer,
  startDubboProvider,
  startEnvoy,
  startIstiod,
} from '@aeraki/testing'
import { bootstrapFor } from '../../src/bootstrap/bootstrap.ts'
import { startControlPlane } from '../../src/control-plane.ts'
import type { IstioDelivery } from '../../src/envoy-filter/delivery.ts'
import { rule, until, versionedService } from '../interop/envoy-mesh.ts'

const host = 'demo.example'

/** The mesh as it is with Istio; returns how to change the rule and where consumers connect. */
async function setUp(t: TestContext, delivery: IstioDelivery, role: 'sidecar' | 'gateway' = 'sidecar') {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-istio-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const [one = 0, two = 0] = await freePorts(2)
  for (const [port, name] of [
    [one, 'v1'],
    [two, 'v2'],
  ] as const) {
    const provider = await startDubboProvider('sofa', { port, name })
    t.after(() => provider.stop())
  }
  const port = await freePort()
  const annotations = 'interface: org.apache.dubbo.samples.basic.api.DemoService'
  const service = versionedService({ host, port, portName: 'tcp-dubbo', providers: [one, two], annotations })
  writeFileSync(join(folder, 'service.yaml'), service)
  const rules = { sidecar: rule, gateway: gatewayRule }
  const write = (version: string): void => writeFileSync(join(folder, 'rule.yaml'), rules[role](host, version, port))
  write('v1')

  const controlPlane = await startControlPlane({
    configDir: folder,
    xds: { host: '127.0.0.1', port: 0 },
    istioDelivery: delivery,
  })
  t.after(() => controlPlane.close())
  const empty = mkdtempSync(join(tmpdir(), 'aeraki-istio-'))
  t.after(() => rmSync(empty, { recursive: true, force: true }))
  const istiod = await startIstiod({ configSources: [`fs://${empty}`, `xds://${controlPlane.xdsAddress}`] })
  t.after(() => istiod.stop())
  const bootstrap = bootstrapFor({
    controlPlane: { host: '127.0.0.1', port: istiod.grpcPort },
    node: `${role === 'sidecar' ? role : 'router'}~127.0.0.9~client.default~default.svc.cluster.local`,
    labels: { istio: 'ingressgateway' },
    admin: { host: '127.0.0.1', port: 0 },
  })
  const { node } = bootstrap as { node: { metadata: Record<string, string> } }
  // Without redirection by the kernel: the sidecar binds what it serves.
  Object.assign(node.metadata, { INTERCEPTION_MODE: 'NONE', ISTIO_VERSION: '1.29.7' })
  const envoy = await startEnvoy({ bootstrap, drainSeconds: 1 })
  t.after(() => envoy.stop())
  const listener = role === 'sidecar' ? `127.0.0.1_${port}` : `0.0.0.0_${port}`
  await until(async () => (await envoy.listeners()).has(listener), `${listener} at Envoy`)
  const connect = async (): Promise<DubboConsumer> => {
    const consumer = await startDubboConsumer('dubbo2', { address: `127.0.0.1:${port}` })
    t.after(() => consumer.stop())
    return consumer
  }
  return { write, connect, envoy, listener }
}

/** The same through a gateway, which has the port of the service. */
function gatewayRule(of: string, version: string, port: number): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: ${port}, name: tcp-dubbo, protocol: TCP}, hosts: ["*"]}]
---
apiVersion: metaprotocol.aeraki.io/v1alpha1
kind: MetaRouter
metadata: {name: rule}
spec:
  hosts: [${of}]
  gateways: [ingress]
  routes: [{route: [{destination: {host: ${of}, subset: ${version}}}]}]
`
}

async function ask(consumer: DubboConsumer): Promise<string> {
  const [call] = await consumer.call('sayHello')
  return /response from (v\d)$/.exec(String(call?.value))?.[1] ?? JSON.stringify(call)
}

async function ended(envoy: Awaited<ReturnType<typeof setUp>>['envoy'], listener: string): Promise<number> {
  const name = `listener.${listener}.downstream_cx_destroy`
  return (await envoy.stats(`^${name.replaceAll('.', '[.]')}$`)).get(name) ?? -1
}

describe(
  'a stock Envoy of an istiod that takes its configuration from here',
  { skip: needPeer('istio').skip || needPeer('envoy').skip },
  () => {
    test(
      'routes Dubbo as the rule says; a change of an inline route drains the connection',
      { timeout: 120_000 },
      async (t) => {
        const { write, connect, envoy, listener } = await setUp(t, { kind: 'inline' })
        const consumer = await connect()
        await until(async () => (await ask(consumer)) === 'v1', 'an answer of v1')
        write('v2')
        await until(async () => (await ask(await connect())) === 'v2', 'v2 for new connections')
        await until(async () => (await ended(envoy, listener)) !== 0, 'the end of the old connection')
      },
    )

    for (const role of ['sidecar', 'gateway'] as const) {
      test(
        `with --istio-routes extension-config a change leaves a live connection to a ${role} alone, and new ones follow it`,
        { timeout: 120_000 },
        async (t) => {
          const { write, connect, envoy, listener } = await setUp(t, { kind: 'extension-config' }, role)
          const consumer = await connect()
          await until(async () => (await ask(consumer)) === 'v1', 'an answer of v1')
          for (const version of ['v2', 'v1', 'v2']) {
            write(version)
            await until(async () => {
              const fresh = await connect()
              const answer = await ask(fresh)
              await fresh.stop()
              return answer === version
            }, `${version} for new connections`)
            assert.equal(await ask(consumer), 'v1', 'the old connection, with the rule that it began with')
          }
          const stats = await envoy.stats('^listener_manager[.]listener_(modified|in_place_updated)$')
          assert.equal(Math.max(0, ...stats.values()), 0, 'the listener is left alone')
          assert.ok((await ended(envoy, listener)) > 0, 'those that the test itself closed')
        },
      )
    }
  },
)
