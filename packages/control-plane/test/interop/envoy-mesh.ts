/** A mesh in memory that real Envoys join over ADS: no folder, so that a rule changes in no time. */
import { createAdsServer } from '@aeraki/xds'
import { type Envoy, startEnvoy } from '@aeraki/testing'
import { bootstrapFor } from '../../src/bootstrap/bootstrap.ts'
import type { RouteDelivery } from '../../src/envoy-filter/delivery.ts'
import { createTestMesh, type TestMesh } from '../support/mesh.ts'

export interface EnvoyMesh {
  readonly mesh: TestMesh
  /** An Envoy beside clients; resolves when it serves the listener. */
  join(listener: string, options?: { readonly drainSeconds?: number }): Promise<Envoy>
  /** Refusals so far, with their reasons. */
  refusals(): string[]
  close(): Promise<void>
}

export async function startEnvoyMesh(delivery?: RouteDelivery): Promise<EnvoyMesh> {
  const mesh = createTestMesh(delivery === undefined ? {} : { delivery })
  const server = await createAdsServer({ provider: mesh.output, listen: { host: '127.0.0.1', port: 0 } })
  const envoys: Envoy[] = []
  return {
    mesh,
    async join(listener, options = {}) {
      const bootstrap = bootstrapFor({
        controlPlane: server.address,
        node: 'sidecar~127.0.0.9~client.default~default.svc.cluster.local',
        admin: { host: '127.0.0.1', port: 0 },
      })
      const envoy = await startEnvoy({ bootstrap, ...options })
      envoys.push(envoy)
      await until(async () => (await envoy.listeners()).has(listener), `${listener} at Envoy`)
      return envoy
    },
    refusals: () =>
      server.clients().flatMap(({ types }) => types.flatMap(({ lastNack }) => (lastNack ? [lastNack.reason] : []))),
    async close() {
      for (const envoy of envoys) await envoy.stop()
      await server.close()
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

/** Asks again and again, for half a minute at most. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + 30_000; performance.now() < end;) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`in vain: ${what}`)
}
