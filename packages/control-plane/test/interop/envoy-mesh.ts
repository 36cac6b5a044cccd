/** A mesh in memory that real Envoys join over ADS: no folder, so that a rule changes in no time. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdsServer } from '@aeraki/xds'
import { type Envoy, envoyAdmin, type EnvoyAdmin, freePort, startEnvoy } from '@aeraki/testing'
import { bootstrapFor } from '../../src/bootstrap/bootstrap.ts'
import type { RouteDelivery } from '../../src/envoy-filter/delivery.ts'
import { createTestMesh, type TestMesh } from '../support/mesh.ts'

export interface EnvoyMesh {
  readonly mesh: TestMesh
  /** An Envoy beside clients; resolves when it serves the listener. */
  join(listener: string, options?: { readonly drainSeconds?: number }): Promise<Envoy>
  /** Our own proxy in its place, a process on Node. */
  joinProxy(listener: string): Promise<EnvoyAdmin>
  /** Refusals so far, with their reasons. */
  refusals(): string[]
  close(): Promise<void>
}

export async function startEnvoyMesh(delivery?: RouteDelivery): Promise<EnvoyMesh> {
  const mesh = createTestMesh(delivery === undefined ? {} : { delivery })
  const server = await createAdsServer({ provider: mesh.output, listen: { host: '127.0.0.1', port: 0 } })
  const started: { stop(): Promise<void> }[] = []
  const bootstrapWith = (adminPort: number) =>
    bootstrapFor({
      controlPlane: server.address,
      node: 'sidecar~127.0.0.9~client.default~default.svc.cluster.local',
      admin: { host: '127.0.0.1', port: adminPort },
    })
  return {
    mesh,
    async join(listener, options = {}) {
      const envoy = await startEnvoy({ bootstrap: bootstrapWith(0), ...options })
      started.push(envoy)
      await until(async () => {
        const listeners = await envoy.listeners()
        // Its workers open the sockets when they get to it.
        const open = (await envoy.stats('^listener_manager[.]listener_create_success$')).values().next().value ?? 0
        return listeners.has(listener) && open >= listeners.size
      }, `${listener} at Envoy`)
      return envoy
    },
    async joinProxy(listener) {
      const port = await freePort()
      started.push(startProxy(bootstrapWith(port)))
      const admin = envoyAdmin(`http://127.0.0.1:${port}`)
      await until(async () => {
        try {
          return (await admin.get('/listeners')).includes(`${listener}::`) && (await admin.get('/ready')) === 'LIVE\n'
        } catch {
          return false
        }
      }, `${listener} at the proxy`)
      return admin
    },
    refusals: () =>
      server.clients().flatMap(({ types }) => types.flatMap(({ lastNack }) => (lastNack ? [lastNack.reason] : []))),
    async close() {
      for (const proxy of started) await proxy.stop()
      await server.close()
    },
  }
}

/** They meet on the wire: the control plane knows no more of the proxy than its command. */
function startProxy(bootstrap: object): { stop(): Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-proxy-'))
  const file = join(folder, 'bootstrap.json')
  writeFileSync(file, JSON.stringify(bootstrap))
  const command = join(import.meta.dirname, '../../../cli/bin/aeraki.js')
  const flags = ['proxy', '--runtime', 'node', '--bootstrap', file, '--log-level', 'error']
  const child = spawn(process.execPath, [command, ...flags], { stdio: ['ignore', 'inherit', 'inherit'] })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  return {
    async stop() {
      child.kill('SIGTERM')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface Versioned {
  readonly host: string
  /** Of the service, at 127.0.0.1. */
  readonly port: number
  /** `tcp-dubbo`. */
  readonly portName: string
  /** Ports of the providers of v1 and v2. */
  readonly providers: readonly [number, number]
  readonly annotations?: string
}

/** A service with two versions. */
export function versionedService({ host, port, portName, providers, annotations = '' }: Versioned): string {
  const endpoints = providers.map(
    (provider, i) => `{address: 127.0.0.1, ports: {${portName}: ${provider}}, labels: {version: v${i + 1}}}`,
  )
  return `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: service, annotations: {${annotations}}}
spec:
  hosts: [${host}]
  addresses: [127.0.0.1]
  ports: [{number: ${port}, name: ${portName}, protocol: TCP}]
  resolution: STATIC
  endpoints: [${endpoints.join(', ')}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: versions}
spec: {host: ${host}, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
`
}

/** Everything to one version. */
export function rule(host: string, version: string): string {
  return `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rule}
spec: {hosts: [${host}], http: [{name: to-${version}, route: [{destination: {host: ${host}, subset: ${version}}}]}]}
`
}

/** Asks again and again, for a minute at most. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`in vain: ${what}`)
}
