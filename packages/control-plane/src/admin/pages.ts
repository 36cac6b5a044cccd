/** What the admin server shows of the control plane. */
import { create, type JsonValue, toJson } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type Diagnostic, formatDiagnostics, formatLocality } from '@aeraki/api'
import type { AdsServer, NodeView } from '@aeraki/xds'
import { type Node, NodeSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import type { Service } from '../mesh/model.ts'
import { typeUrls } from '@aeraki/xds'
import type { Pipeline } from '../pipeline.ts'
import { redact } from './redact.ts'
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
      async answer(query) {
        const id = query.get('node')
        if (id === null || id === '') {
          return {
            kind: 'text',
            status: 400,
            body: 'say which node: /config_dump?node=ID; /clients lists those connected\n',
          }
        }
        const node = server.clients().find(({ nodeId }) => nodeId === id)?.node ?? create(NodeSchema, { id })
        // Every message type there is: loaded when somebody looks.
        const { anyToJson } = await import('@aeraki/xds/registry')
        return { kind: 'json', body: configDump(pipeline, node, anyToJson) }
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
      ...(rules.destinations.get(service.host)?.policies ?? []).map(({ origin }) => origin.id),
    ],
  }
}

const dumped = Object.entries(typeUrls)

type Print = (any: Any) => JsonValue

function configDump(pipeline: Pipeline, node: Node, print: Print): JsonValue {
  const view = pipeline.output.connect(node)
  try {
    return {
      node: toJson(NodeSchema, node),
      ...Object.fromEntries(dumped.map(([kind, typeUrl]) => [kind, dumpType(view, typeUrl, print)])),
    }
  } finally {
    view.close()
  }
}

/** Of one kind: `listener`, `cluster`, `endpoints`, `routes`. */
function dumpType(view: NodeView, typeUrl: string, print: Print): JsonValue {
  return view.names(typeUrl).flatMap((name) => {
    const resource = view.get(typeUrl, name)
    return resource === undefined ? [] : [{ name, version: resource.version, resource: redact(print(resource.any)) }]
  })
}
