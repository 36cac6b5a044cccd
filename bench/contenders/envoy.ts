/** Envoy: its TCP proxy, and its proxies for Dubbo and Thrift. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needPeer } from '@aeraki/testing'
import { calledMethod, serviceName } from '../load/wire.ts'
import { otherMethods, type Contender, type Work } from './contender.ts'
import { bootstrap, clusterNames, weightedClusters } from './envoy-resources.ts'

const filters = 'type.googleapis.com/envoy.extensions.filters.network'

export const envoyTcp = envoy('Envoy tcp_proxy', 4, ['dubbo', 'thrift'], () => ({
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    '@type': `${filters}.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'bench',
    weighted_clusters: weightedClusters,
  },
}))

const dubboRule = (method: string, route: object): object => ({ match: { method: { name: { exact: method } } }, route })

export const envoyDubbo = envoy('Envoy dubbo_proxy', 7, ['dubbo'], ({ rules }) => {
  return {
    name: 'envoy.filters.network.dubbo_proxy',
    typed_config: {
      '@type': `${filters}.dubbo_proxy.v3.DubboProxy`,
      stat_prefix: 'bench',
      multiple_route_config: {
        name: 'bench',
        route_config: [
          {
            name: 'bench',
            interface: serviceName,
            routes: [
              ...otherMethods(rules).map((method) => dubboRule(method, { cluster: clusterNames[0] })),
              dubboRule(calledMethod, { weighted_clusters: weightedClusters }),
            ],
          },
        ],
      },
      dubbo_filters: [
        {
          name: 'envoy.filters.dubbo.router',
          config: { '@type': `${filters}.dubbo_proxy.router.v3.Router` },
        },
      ],
    },
  }
})

export const envoyThrift = envoy('Envoy thrift_proxy', 7, ['thrift'], ({ rules }) => ({
  name: 'envoy.filters.network.thrift_proxy',
  typed_config: {
    '@type': `${filters}.thrift_proxy.v3.ThriftProxy`,
    stat_prefix: 'bench',
    transport: 'FRAMED',
    protocol: 'BINARY',
    // Its fastest: without it every payload is decoded and encoded anew.
    payload_passthrough: true,
    route_config: {
      name: 'bench',
      routes: [
        ...otherMethods(rules).map((method) => ({
          match: { method_name: method },
          route: { cluster: clusterNames[0] },
        })),
        { match: { method_name: calledMethod }, route: { weighted_clusters: weightedClusters } },
      ],
    },
    thrift_filters: [
      {
        name: 'envoy.filters.thrift.router',
        typed_config: { '@type': `${filters}.thrift_proxy.router.v3.Router` },
      },
    ],
  },
}))

/** Its routes know no weights: all rules lead to one cluster. */
export const envoyGeneric = envoy('Envoy generic_proxy', 7, ['dubbo'], ({ rules }) => {
  const generic = `${filters}.generic_proxy`
  const action = {
    action: {
      name: 'route',
      typed_config: { '@type': `${generic}.action.v3.RouteAction`, name: 'route', cluster: clusterNames[0] },
    },
  }
  return {
    name: 'envoy.filters.network.generic_proxy',
    typed_config: {
      '@type': `${generic}.v3.GenericProxy`,
      stat_prefix: 'bench',
      codec_config: {
        name: 'envoy.generic_proxy.codecs.dubbo',
        typed_config: { '@type': `${generic}.codecs.dubbo.v3.DubboCodecConfig` },
      },
      filters: [{ name: 'envoy.filters.generic.router', typed_config: { '@type': `${generic}.router.v3.Router` } }],
      route_config: {
        name: 'bench',
        routes: {
          matcher_tree: {
            input: { name: 'method', typed_config: { '@type': `${generic}.matcher.v3.MethodMatchInput` } },
            exact_match_map: {
              map: Object.fromEntries([...otherMethods(rules), calledMethod].map((method) => [method, action])),
            },
          },
        },
      },
    },
  }
})

function envoy(
  name: string,
  layer: Contender['layer'],
  wires: Contender['wires'],
  filter: (work: Work) => object,
): Contender {
  return {
    name,
    layer,
    wires,
    launch(work, folder) {
      const path = join(folder, 'envoy.json')
      writeFileSync(path, JSON.stringify(bootstrap(work, filter(work), {})))
      const args = [
        '--config-path',
        path,
        '--concurrency',
        String(work.workers),
        '--use-dynamic-base-id',
        '--log-level',
        'error',
      ]
      return { command: needPeer('envoy').path, args }
    },
  }
}
