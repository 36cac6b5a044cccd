/**
 * `/config_dump`, in the shape of `envoy.admin.v3.ConfigDump` so that tools for Envoy read it: bootstrap, clusters,
 * endpoints, listeners, route tables; each with version and time, and the last refused update with its reason.
 */
import { fromBinary, toBinary, toJson, type JsonValue } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { AerakiError } from '@aeraki/api/errors'
import { BootstrapSchema as FullBootstrapSchema } from '@aeraki/xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { BootstrapSchema } from '@aeraki/xds/gen-lean/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { fullRegistry as registry } from '../config/full-registry.ts'
import type { RefusedResource, ResourceKind, ResourceRecord } from '../config/resource-log.ts'
import { jsonPage, type AdminContext, type Page } from './context.ts'

type Dump = Readonly<Record<string, unknown>>

const type = 'type.googleapis.com/envoy.admin.v3.'

/** `?name_regex=` keeps the resources whose names match, `?resource=dynamic_listeners` one list. */
export function configDumpPage(context: AdminContext, query: URLSearchParams): Page {
  const pattern = nameFilter(query.get('name_regex'))
  const records = (kind: ResourceKind): readonly ResourceRecord[] =>
    context.resources.all(kind).filter(({ name }) => pattern.test(name))
  const configs: readonly Dump[] = [
    bootstrapDump(context),
    clustersDump(context, records('cluster')),
    endpointsDump(records('endpoints')),
    listenersDump(context, records('listener')),
    routesDump(context, records('routes')),
  ]
  const wanted = query.get('resource')
  if (wanted === null) return jsonPage({ configs })
  const lists = configs.filter((each) => wanted in each)
  if (lists.length === 0) {
    const names = configs.flatMap((each) =>
      Object.keys(each).filter((key) => /^(static|dynamic)_|^bootstrap$/.test(key)),
    )
    throw new AerakiError('PROXY_ADMIN_QUERY_INVALID', `resource=${wanted}: give ${names.join(', ')}`)
  }
  return jsonPage({ configs: lists.flatMap((each) => each[wanted]) })
}

function nameFilter(pattern: string | null): { test(name: string): boolean } {
  if (pattern === null) return { test: () => true }
  try {
    return new RegExp(pattern)
  } catch (cause) {
    throw new AerakiError('PROXY_ADMIN_QUERY_INVALID', `name_regex=${pattern} is not a regular expression`, { cause })
  }
}

function bootstrapDump(context: AdminContext): Dump {
  const full = fromBinary(FullBootstrapSchema, toBinary(BootstrapSchema, context.bootstrap.message))
  return {
    '@type': `${type}BootstrapConfigDump`,
    bootstrap: toJson(FullBootstrapSchema, full, { registry, useProtoFieldName: true }),
    last_updated: context.startedAt.toISOString(),
  }
}

function clustersDump(context: AdminContext, records: readonly ResourceRecord[]): Dump {
  const inForce = new Set(context.runtime.snapshot().clusters.map(({ config }) => config.name))
  const dynamic = records.filter((record) => record.accepted?.source !== 'static')
  return {
    '@type': `${type}ClustersConfigDump`,
    version_info: context.resources.versions.cluster,
    static_clusters: statics(records, 'cluster'),
    dynamic_active_clusters: dynamic
      .filter(({ name }) => inForce.has(name))
      .map((record) => dynamicEntry(record, 'cluster')),
    dynamic_warming_clusters: dynamic
      .filter(({ name }) => !inForce.has(name))
      .map((record) => dynamicEntry(record, 'cluster')),
  }
}

function endpointsDump(records: readonly ResourceRecord[]): Dump {
  return {
    '@type': `${type}EndpointsConfigDump`,
    static_endpoint_configs: statics(records, 'endpoint_config'),
    dynamic_endpoint_configs: records
      .filter((record) => record.accepted?.source !== 'static')
      .map((record) => dynamicEntry(record, 'endpoint_config')),
  }
}

/** Envoy gives a listener an active and a warming state; here the accepted one is in the state that it is in. */
function listenersDump(context: AdminContext, records: readonly ResourceRecord[]): Dump {
  const warming = context.warming()
  return {
    '@type': `${type}ListenersConfigDump`,
    version_info: context.resources.versions.listener,
    static_listeners: statics(records, 'listener'),
    dynamic_listeners: records
      .filter((record) => record.accepted?.source !== 'static')
      .map((record) => {
        const { accepted, refused } = record
        const state = accepted && {
          version_info: accepted.version,
          listener: message(record),
          last_updated: accepted.at.toISOString(),
        }
        const waitsFor = warming.get(record.name)
        return {
          name: record.name,
          ...(state === undefined ? {} : waitsFor === undefined ? { active_state: state } : { warming_state: state }),
          ...(waitsFor === undefined ? {} : { waits_for: waitsFor }),
          ...errorState(refused),
          client_status: refused === undefined ? 'ACKED' : 'NACKED',
        }
      }),
  }
}

function routesDump(context: AdminContext, records: readonly ResourceRecord[]): Dump {
  const inline = context.runtime
    .snapshot()
    .listeners.flatMap(({ config }) =>
      config.filter.routes.kind === 'static'
        ? [{ route_config: config.filter.routes.table, listener: config.name }]
        : [],
    )
  return {
    '@type': `${type}RoutesConfigDump`,
    version_info: context.resources.versions.routes,
    static_route_configs: inline,
    dynamic_route_configs: records.map((record) => dynamicEntry(record, 'route_config')),
  }
}

function statics(records: readonly ResourceRecord[], field: string): readonly unknown[] {
  return records
    .filter(({ accepted }) => accepted?.source === 'static')
    .map((record) => ({ [field]: message(record), last_updated: record.accepted?.at.toISOString() }))
}

function dynamicEntry(record: ResourceRecord, field: string): unknown {
  const { accepted, refused } = record
  return {
    ...(accepted === undefined
      ? { name: record.name }
      : { version_info: accepted.version, [field]: message(record), last_updated: accepted.at.toISOString() }),
    ...errorState(refused),
    client_status: refused === undefined ? 'ACKED' : 'NACKED',
  }
}

function errorState(refused: RefusedResource | undefined): Dump {
  if (refused === undefined) return {}
  return {
    error_state: {
      failed_configuration: print(refused.any),
      last_update_attempt: refused.at.toISOString(),
      details: refused.details,
      version_info: refused.version,
    },
  }
}

function message(record: ResourceRecord): JsonValue {
  return record.accepted === undefined ? null : print(record.accepted.any)
}

/** What can't be printed (an Any of a type that nobody here knows) is shown as its type and its bytes. */
function print(any: NonNullable<ResourceRecord['accepted']>['any']): JsonValue {
  try {
    return toJson(AnySchema, any, { registry, useProtoFieldName: true })
  } catch {
    return { '@type': any.typeUrl, value: Buffer.from(any.value).toString('base64') }
  }
}
