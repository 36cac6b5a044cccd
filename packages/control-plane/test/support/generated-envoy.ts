/** A real Envoy with the generated filters of a mesh, and servers of this machine behind its clusters. */
import { startStaticEnvoy, type StaticEnvoy } from '@aeraki/testing'
import { generatedChains } from './generated-chains.ts'

/** The port on loopback of a cluster's only server, by the cluster's name. */
export type Servers = (cluster: string) => number

export async function startGeneratedEnvoy(yaml: string, servers: Servers): Promise<StaticEnvoy> {
  const { chains, clusters } = generatedChains(yaml)
  return await startStaticEnvoy({
    listeners: chains.map(({ name, filters }) => ({ name, filters })),
    clusters: clusters.map((name) => ({
      name,
      type: 'STATIC',
      connect_timeout: '5s',
      load_assignment: {
        cluster_name: name,
        endpoints: [
          {
            lb_endpoints: [
              { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: servers(name) } } } },
            ],
          },
        ],
      },
    })),
  })
}
