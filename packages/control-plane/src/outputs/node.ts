/** What of a proxy's node matters to its configuration. */
import { isIP } from 'node:net'
import type { JsonObject } from '@bufbuild/protobuf'
import type { Node } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import type { AppAddress } from '../translate/cluster.ts'
import type { Client } from '../translate/locality.ts'

export interface NodeIdentity extends Client {
  readonly id: string
  readonly dataPlane: DataPlane
  readonly role: 'sidecar' | 'gateway'
  /** Where the workload behind it is reached. Empty for a gateway, for a proxy of clients alone, and if the node does not say. */
  readonly ip: string
  readonly namespace: string
  /** Where the app behind the inbound listeners listens; no port: the same as the listener's. */
  readonly app: { readonly host: string; readonly port: number | undefined }
  /** Connections are redirected to the proxy, which then binds no address of a service. */
  readonly intercepted: boolean
  /** The types of the network filters that it has; undefined where it lists none, as Envoys before 1.21. */
  readonly filterTypes: ReadonlySet<string> | undefined
  /** The texts of its metadata. */
  readonly metadata: Readonly<Record<string, string>>
}

/** `envoy`: a stock one. */
export type DataPlane = 'metaprotocol' | 'envoy'

const defaultNamespace = 'default'
const metaProtocolFilter = 'envoy.filters.network.meta_protocol_proxy'
const defaultApp = '127.0.0.1'
/** There is no app that the proxy stands in front of. */
const noApp = 'off'

/** Node ids are Istio's: `sidecar~<ip>~<name>.<namespace>~<namespace>.svc.cluster.local`. Metadata wins over the id. */
export function identify(node: Node): NodeIdentity {
  const metadata: JsonObject = node.metadata ?? {}
  const [type, ip = '', workload = '', domain = ''] = node.id.split('~')
  const role = type === 'router' ? 'gateway' : 'sidecar'
  const app = text(object(metadata['AERAKI'])?.['APP_ADDRESS']) ?? defaultApp
  const fromId = workload.includes('.') ? workload.slice(workload.lastIndexOf('.') + 1) : domain.split('.')[0]
  return {
    id: node.id,
    dataPlane: dataPlaneOf(node),
    role,
    ip: role === 'gateway' || app === noApp || isIP(ip) === 0 ? '' : ip,
    namespace: text(metadata['NAMESPACE']) ?? (fromId === undefined || fromId === '' ? defaultNamespace : fromId),
    locality: {
      region: node.locality?.region ?? '',
      zone: node.locality?.zone ?? '',
      subZone: node.locality?.subZone ?? '',
    },
    labels: strings(metadata['LABELS']),
    app: appAddress(app),
    intercepted: interceptionModes.includes(metadata['INTERCEPTION_MODE']),
    filterTypes: filterTypesOf(node),
    metadata: strings(metadata),
  }
}

/** Istio's. There is no default: a proxy without it binds what it serves. */
const interceptionModes: readonly unknown[] = ['REDIRECT', 'TPROXY']

/** Envoy lists its extensions; one with the MetaProtocol filter is not a stock one. */
function dataPlaneOf({ userAgentName, extensions }: Node): DataPlane {
  if (userAgentName !== 'envoy') return 'metaprotocol'
  return extensions.some(({ name }) => name === metaProtocolFilter) ? 'metaprotocol' : 'envoy'
}

function filterTypesOf({ extensions }: Node): ReadonlySet<string> | undefined {
  const filters = extensions.filter(({ category }) => category === 'envoy.filters.network')
  const types = filters.flatMap(({ typeUrls }) => typeUrls.map((each) => each.slice(each.lastIndexOf('/') + 1)))
  return types.length === 0 ? undefined : new Set(types)
}

/** `host`, `host:port`, `[ipv6]:port` or an IPv6 address. */
function appAddress(value: string): NodeIdentity['app'] {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d{1,5}))?$/.exec(value)
  if (match?.groups === undefined) return { host: value, port: undefined }
  const { v6, host, port } = match.groups
  return { host: v6 ?? host ?? defaultApp, port: port === undefined ? undefined : Number(port) }
}

export function appFor({ app }: NodeIdentity, port: number): AppAddress {
  return { host: app.host, port: app.port ?? port }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function object(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
}

function strings(value: unknown): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [key, entry] of Object.entries(object(value) ?? {})) if (typeof entry === 'string') result[key] = entry
  return result
}
