/** Asks a real Envoy whether it takes a configuration. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Proto3 JSON of an envoy.config.listener.v3.Filter. */
export interface FilterJson {
  readonly name: string
  readonly typed_config: object
}

export interface ValidationInput {
  /** One listener is made for each. */
  readonly chains: readonly (readonly FilterJson[])[]
  /** Names of clusters that routes lead to, or whole clusters. */
  readonly clusters: readonly (string | object)[]
}

/** Undefined: Envoy takes it. Else what it says is wrong. A warning of a deprecated field counts as wrong, too. */
export function validateWithEnvoy(path: string, { chains, clusters }: ValidationInput): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-validate-'))
  try {
    const file = join(folder, 'bootstrap.json')
    writeFileSync(
      file,
      JSON.stringify({
        node: { id: 'test', cluster: 'test' },
        static_resources: {
          listeners: chains.map((filters, index) => ({
            name: `listener-${index}`,
            address: { socket_address: { address: '127.0.0.1', port_value: 10_000 + index } },
            filter_chains: [{ filters }],
          })),
          clusters: clusters.map((cluster) => (typeof cluster === 'string' ? staticCluster(cluster) : cluster)),
        },
      }),
    )
    const { status, stderr, stdout } = spawnSync(path, ['--mode', 'validate', '-c', file, '-l', 'warning'], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    const said = stderr + stdout
    if (status !== 0) return said
    const deprecated = said.split('\n').filter((line) => line.includes('[misc]') && line.includes('deprecated'))
    return deprecated.length > 0 ? deprecated.join('\n') : undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One endpoint on loopback. */
export function staticCluster(name: string, port = 1): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
      ],
    },
  }
}
