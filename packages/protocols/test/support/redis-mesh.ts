/** Redis services behind a real Envoy: each translated as the control plane would, patches applied as Istio does. */
import { type ClientTls, type LoadedObject, loadResources } from '@aeraki/api'
import { type FilterJson, startStaticEnvoy, type StaticEnvoy } from '@aeraki/testing'
import { redisEnvoy } from '../../src/redis/envoy.ts'
import { chainOf } from './envoy-filters.ts'
import { type TestPort, testPort } from './envoy-port.ts'

export interface RedisMeshOptions {
  /** Ports of loopback of the servers of each service, by its host. */
  readonly services: Readonly<Record<string, readonly number[]>>
  /** RedisServices, RedisDestinations. */
  readonly yaml: string
  /** Of a DestinationRule for every host. */
  readonly tls?: ClientTls
  /** Further clusters of the Envoy. */
  readonly moreClusters?: readonly object[]
  /** Decoded. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface RedisMesh {
  readonly envoy: StaticEnvoy
  /** Where clients reach a service. */
  portOf(host: string): number
  readonly findings: TestPort['findings']
}

export async function startRedisMesh(options: RedisMeshOptions): Promise<RedisMesh> {
  const { services, yaml, tls, secrets = {}, moreClusters = [] } = options
  const objects = parse(yaml)
  const clusters = new Map<string, object>()
  const listeners: { name: string; filters: FilterJson[] }[] = []
  const findings: TestPort['findings'][number][] = []
  for (const [host, servers] of Object.entries(services)) {
    const port = testPort({
      namespace: 'redis',
      host,
      number: 6379,
      objects,
      secrets,
      upstream: {
        hasLoadBalancer: false,
        tls,
        endpoints: servers.map((number) => ({ address: '127.0.0.1', port: number })),
      },
      fullName: (of) => of,
      resolve: ({ host: to, port: number = 6379 }) => (to in services ? `outbound|${number}||${to}` : undefined),
    })
    clusters.set(port.cluster, baseCluster(port.cluster, servers))
    const translation = redisEnvoy.translate(port)
    if (translation === undefined) throw new Error(`${host} can't be served`)
    for (const patch of translation.clusters ?? []) {
      if (patch.operation === 'remove') clusters.delete(patch.cluster)
      else if (patch.operation === 'add') clusters.set(port.cluster, patch.value)
      else clusters.set(patch.cluster, { ...clusters.get(patch.cluster), ...patch.value })
    }
    listeners.push({ name: host, filters: chainOf(translation, port.cluster) })
    findings.push(...port.findings)
  }
  const envoy = await startStaticEnvoy({ listeners, clusters: [...clusters.values(), ...moreClusters] })
  return { envoy, portOf: (host) => envoy.portOf(host), findings }
}

function parse(yaml: string): readonly LoadedObject[] {
  const { objects, diagnostics } = loadResources(yaml, 'redis.yaml')
  if (diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics))
  return objects
}

function baseCluster(name: string, servers: readonly number[]): object {
  return {
    name,
    type: 'STATIC',
    connectTimeout: '1s',
    lbPolicy: 'LEAST_REQUEST',
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: servers.map((port) => ({
            endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } },
          })),
        },
      ],
    },
  }
}
