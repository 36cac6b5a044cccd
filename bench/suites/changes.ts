/** Route tables that change under load: pushed by an ADS server in this process, taken by one proxy. */
import { fromJson, type DescMessage, type JsonValue } from '@bufbuild/protobuf'
import { createAdsServer, resource, StaticProvider, typeUrls, type AdsServer } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { registry } from '@aeraki/xds/registry'
import { connectedAeraki, type Runtime } from '../contenders/aeraki.ts'
import { otherMethods, type Work } from '../contenders/contender.ts'
import { address, clusterNames, clusters, weightedClusters } from '../contenders/envoy-resources.ts'
import { figuresOf, type Cell } from '../figures.ts'
import { calledMethod } from '../load/wire.ts'
import { startProxy, type Proxy } from '../processes.ts'
import { mainShape, measure, usualRules, usualWork, warmUp, type Context } from './suite.ts'

export interface ChangeTable {
  readonly proxy: string
  readonly rows: readonly {
    /** Changes pushed. */
    readonly perSecond: number
    /** Versions that the proxy acknowledged, per second. */
    readonly accepted: number
    readonly cell: Cell
  }[]
}

type ChangeRow = ChangeTable['rows'][number]

const wire = 'dubbo'
const tableName = 'bench'
const measureMs = 2000

export async function runChanges(context: Context): Promise<readonly ChangeTable[]> {
  const tables: ChangeTable[] = []
  for (const runtime of ['bun', 'node'] as const) tables.push(await changesOn(context, runtime))
  return tables
}

async function changesOn(context: Context, runtime: Runtime): Promise<ChangeTable> {
  const provider = new StaticProvider()
  const server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: 0 } })
  const contender = connectedAeraki(runtime, `127.0.0.1:${server.address.port}`, (work) => {
    provider.set(
      ...clusters(work).map((cluster) => made(ClusterSchema, typeUrls.cluster, cluster)),
      made(ListenerSchema, typeUrls.listener, listener(work)),
      routes(0),
    )
  })
  const proxy = await startProxy(contender, usualWork(context, wire))
  try {
    await warmUp(context, { proxy, request: { wire, ...mainShape } })
    const rows: ChangeRow[] = []
    for (const perSecond of context.plan.changesPerSecond) {
      context.say(`changes: ${contender.name}, ${perSecond} per second`)
      rows.push(await whileChanging(context, proxy, provider, server, perSecond))
    }
    return { proxy: contender.name, rows }
  } finally {
    await proxy.stop()
    await server.close()
  }
}

async function whileChanging(
  context: Context,
  proxy: Proxy,
  provider: StaticProvider,
  server: AdsServer,
  perSecond: number,
): Promise<ChangeRow> {
  const acks = (): number => server.counters.byType.get(typeUrls.routes)?.acks ?? 0
  const before = acks()
  const startedAt = performance.now()
  let pushed = 0
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
    // One at a time, as changes come; those that were missed are left out.
    if (due <= pushed) return
    pushed = due
    provider.set(routes(pushed))
  }, 1)
  try {
    const request = { wire, ...mainShape, measureMs } as const
    const result = await measure(context, { proxy, request })
    const seconds = (performance.now() - startedAt) / 1000
    return { perSecond, accepted: (acks() - before) / seconds, cell: figuresOf([result]) }
  } finally {
    clearInterval(timer)
  }
}

function made(schema: DescMessage, typeUrl: string, json: object): ReturnType<typeof resource> {
  const message = fromJson(schema, json as JsonValue, { registry })
  return resource((json as { readonly name: string }).name, typeUrl, schema, message)
}

function listener({ port }: Work): object {
  const filter = {
    name: 'aeraki.meta_protocol_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
      stat_prefix: 'bench',
      protocol: { name: wire, codec: { name: `aeraki.meta_protocol.codec.${wire}` } },
      rds: { config_source: { ads: {} }, route_config_name: tableName },
      meta_protocol_filters: [{ name: 'aeraki.meta_protocol.filters.router' }],
    },
  }
  return { name: 'bench', address: address('127.0.0.1', port), filter_chains: [{ filters: [filter] }] }
}

function byMethod(method: string, route: object): object {
  return { match: { prefix: '/', headers: [{ name: 'method', string_match: { exact: method } }] }, route }
}

/** The usual rules, the first of which is another in each revision. */
function routes(revision: number): ReturnType<typeof resource> {
  const [, ...others] = otherMethods(usualRules)
  const list = [
    ...[`revision${revision}`, ...others].map((method) => byMethod(method, { cluster: clusterNames[0] })),
    byMethod(calledMethod, { weighted_clusters: weightedClusters }),
  ]
  const json = { name: tableName, virtual_hosts: [{ name: 'bench', domains: ['*'], routes: list }] }
  return made(RouteConfigurationSchema, typeUrls.routes, json)
}
