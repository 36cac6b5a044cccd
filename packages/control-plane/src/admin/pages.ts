/** What the admin server shows of the control plane. */
import { create, createRegistry, type DescMessage, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf'
import { type Diagnostic, formatDiagnostics, formatLocality } from '@aeraki/api'
import type { AdsServer, NodeView } from '@aeraki/xds'
import { MetaProtocolProxySchema } from '@aeraki/xds/gen/aeraki/meta_protocol_proxy_pb.ts'
import { RouterSchema } from '@aeraki/xds/gen/aeraki/router_pb.ts'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { type Node, NodeSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import type { Service } from '../mesh/model.ts'
import { typeUrls } from '@aeraki/xds'
import type { Pipeline } from '../pipeline.ts'
import type { Page } from './server.ts'
import { collectMetrics, formatPrometheus, formatText, type MetricSources } from './stats.ts'

export interface PageSources extends MetricSources {
  readonly pipeline: Pipeline
  readonly server: AdsServer
}

export function createPages(sources: PageSources): readonly Page[] {
  const { pipeline, server } = sources
  return [
    {
      path: '/ready',
      about: 'whether the configuration has been read and is served',
      // Listening begins when the folder has been read.
      answer: () => ({ kind: 'text', body: 'LIVE\n' }),
    },
    {
      path: '/services',
      about: 'services with addresses, ports, endpoints and the rules that apply',
      answer: () => ({ kind: 'json', body: [...pipeline.mesh.services()].toSorted(byKey).map(serviceJson) }),
    },
    {
      path: '/config_dump',
      about: '?node=ID: what this node gets',
      answer(query) {
        const id = query.get('node')
        if (id === null || id === '') {
          return {
            kind: 'text',
            status: 400,
            body: 'say which node: /config_dump?node=ID; /clients lists those connected\n',
          }
        }
        const node = server.clients().find(({ nodeId }) => nodeId === id)?.node ?? create(NodeSchema, { id })
        return { kind: 'json', body: configDump(pipeline, node) }
      },
    },
    {
      path: '/clients',
      about: 'proxies that are connected, what they have acknowledged and refused',
      answer: () => ({ kind: 'json', body: server.clients().map((client) => ({ ...client, node: undefined })) }),
    },
    {
      path: '/diagnostics',
      about: 'what is wrong with the configuration now; ?format=text',
      answer(query) {
        const diagnostics: readonly Diagnostic[] = pipeline.diagnostics()
        return query.get('format') === 'text'
          ? { kind: 'text', body: `${formatDiagnostics(diagnostics, 'text')}\n` }
          : { kind: 'json', body: diagnostics }
      },
    },
    {
      path: '/stats',
      about: 'counters, one a line',
      answer: () => ({ kind: 'text', body: formatText(collectMetrics(sources)) }),
    },
    {
      path: '/stats/prometheus',
      about: 'counters for Prometheus',
      answer: () => ({ kind: 'text', body: formatPrometheus(collectMetrics(sources)) }),
    },
  ]
}

function byKey(a: Service, b: Service): number {
  return a.key < b.key ? -1 : 1
}

function serviceJson(service: Service): JsonValue {
  const { exportTo, rules } = service
  return {
    host: service.host,
    namespace: service.namespace,
    exportTo: exportTo.kind === 'everyone' ? ['*'] : [...exportTo.namespaces],
    resolution: service.resolution,
    addresses: service.addresses.map(({ address, substitute }) => ({ address, substitute: substitute ?? null })),
    ports: service.ports.map(({ number, name, protocol }) => ({ number, name, protocol: protocol?.name ?? null })),
    endpoints: service.endpoints.map(({ address, ports, labels, locality, weight }) => ({
      address,
      ports: Object.fromEntries(ports),
      labels: { ...labels },
      locality: formatLocality(locality),
      weight,
    })),
    rules: [
      ...rules.routing.map(({ origin }) => origin.id),
      ...(rules.destinations.get(service.host) ?? []).map(({ origin }) => origin.id),
    ],
  }
}

const registry = createRegistry(MetaProtocolProxySchema, RouterSchema)

const dumped: readonly (readonly [key: string, typeUrl: string, schema: DescMessage])[] = [
  ['listeners', typeUrls.listener, ListenerSchema],
  ['clusters', typeUrls.cluster, ClusterSchema],
  ['endpoints', typeUrls.endpoints, ClusterLoadAssignmentSchema],
  ['routes', typeUrls.routes, RouteConfigurationSchema],
]

function configDump(pipeline: Pipeline, node: Node): JsonValue {
  const view = pipeline.output.connect(node)
  try {
    return {
      node: toJson(NodeSchema, node),
      ...Object.fromEntries(dumped.map(([key, typeUrl, schema]) => [key, dumpType(view, typeUrl, schema)])),
    }
  } finally {
    view.close()
  }
}

function dumpType(view: NodeView, typeUrl: string, schema: DescMessage): JsonValue {
  return view.names(typeUrl).flatMap((name) => {
    const resource = view.get(typeUrl, name)
    if (resource === undefined) return []
    return [
      {
        name,
        version: resource.version,
        resource: toJson(schema, fromBinary(schema, resource.any.value), { registry }),
      },
    ]
  })
}
