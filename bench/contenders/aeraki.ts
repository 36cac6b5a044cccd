/** Our proxy, on either runtime, from any checkout. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needPeer } from '@aeraki/testing'
import { calledMethod } from '../load/wire.ts'
import { otherMethods, type Contender, type Work } from './contender.ts'
import { bootstrap, clusterNames, weightedClusters } from './envoy-resources.ts'
import { root } from '../machine.ts'

export type Runtime = 'bun' | 'node'

export const aerakiBun = aeraki('Aeraki on Bun', 'bun', root)
export const aerakiNode = aeraki('Aeraki on Node', 'node', root)

/** @param checkout a folder with this repository, of whatever revision */
export function aeraki(name: string, runtime: Runtime, checkout: string): Contender {
  return {
    name,
    layer: 7,
    wires: ['dubbo', 'thrift'],
    multiplexes: true,
    launch(work, folder) {
      const path = join(folder, 'bootstrap.json')
      writeFileSync(path, JSON.stringify(bootstrap(work, filter(work), { node: { id: 'bench', cluster: 'bench' } })))
      return {
        command: executable(runtime),
        args: [
          join(checkout, 'packages/proxy/src/main.ts'),
          '--bootstrap',
          path,
          '--log-level',
          'warning',
          // Older revisions have one worker and no flag for it.
          ...(work.workers === 1 ? [] : ['--concurrency', String(work.workers)]),
        ],
      }
    },
  }
}

/**
 * The same, configured by a control plane.
 *
 * @param configure is called before it starts: the control plane has to have the work's resources
 */
export function connectedAeraki(runtime: Runtime, controlPlane: string, configure: (work: Work) => void): Contender {
  return {
    name: runtime === 'bun' ? aerakiBun.name : aerakiNode.name,
    layer: 7,
    wires: ['dubbo'],
    launch(work) {
      configure(work)
      return { command: executable(runtime), args: connectedArgs(controlPlane, 'off') }
    },
  }
}

/** Arguments of a proxy that asks a control plane for everything. */
export function connectedArgs(controlPlane: string, admin: string): readonly string[] {
  const main = join(root, 'packages/proxy/src/main.ts')
  const node = 'sidecar~127.200.255.254~bench.default~default.svc.cluster.local'
  const flags = { 'control-plane': controlPlane, node, 'admin-address': admin, 'log-level': 'warning' }
  return [main, ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])]
}

export function executable(runtime: Runtime): string {
  return runtime === 'bun' ? needPeer('bun').path : process.execPath
}

function byMethod(method: string, route: object): object {
  return { name: method, match: { metadata: [{ name: 'method', string_match: { exact: method } }] }, route }
}

function filter({ wire, rules }: Work): object {
  return {
    name: 'aeraki.meta_protocol_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
      stat_prefix: 'bench',
      protocol: { name: wire, codec: { name: `aeraki.meta_protocol.codec.${wire}` } },
      route_config: {
        name: 'bench',
        routes: [
          ...otherMethods(rules).map((method) => byMethod(method, { cluster: clusterNames[0] })),
          byMethod(calledMethod, { weighted_clusters: { ...weightedClusters, total_weight: 100 } }),
        ],
      },
      meta_protocol_filters: [{ name: 'aeraki.meta_protocol.filters.router' }],
    },
  }
}
