/** ServiceEntry and WorkloadEntry -> ports and endpoints. */
import {
  type ObjectOf,
  parseLocality,
  type PortProtocol as NamedProtocol,
  protocolOfPort,
  selects,
  type Specs,
} from '@aeraki/api'
import { envoyProtocolByName } from '@aeraki/protocols/envoy'
import { portProtocol } from './codecs.ts'
import type { Reporter } from './findings.ts'
import type { Endpoint, PortProtocol, ServicePort } from './model.ts'

type EntryPort = NonNullable<Specs['ServiceEntry']['ports']>[number]
type Workload = Specs['WorkloadEntry']

/** Where endpoints of an entry come from. */
export interface EndpointSources {
  readonly entry: ObjectOf<'ServiceEntry'>
  /** Those that the entry's selector selects, in a stable order. */
  readonly workloads: readonly ObjectOf<'WorkloadEntry'>[]
}

export function selectorOf({ spec }: ObjectOf<'ServiceEntry'>): Readonly<Record<string, string>> | undefined {
  const labels = spec.workloadSelector?.labels
  return labels !== undefined && Object.keys(labels).length > 0 ? labels : undefined
}

/** What selects its workloads; where the entry has no selector, its annotation `workloadSelector: [label:]value` may say. */
export function workloadLabelsOf(entry: ObjectOf<'ServiceEntry'>): Readonly<Record<string, string>> | undefined {
  const selector = selectorOf(entry)
  if (selector !== undefined) return selector
  const [label = '', value] = (entry.metadata.annotations['workloadSelector'] ?? '').replaceAll(' ', '').split(':')
  if (label === '') return undefined
  return value === undefined ? { app: label } : { [label]: value }
}

export function isSelected(entry: ObjectOf<'ServiceEntry'>, workload: ObjectOf<'WorkloadEntry'>): boolean {
  const selector = selectorOf(entry)
  return (
    selector !== undefined &&
    entry.metadata.namespace === workload.metadata.namespace &&
    selects(selector, labelsOf(workload))
  )
}

/** A WorkloadEntry is selected by the labels of its spec, and by those of its metadata where the spec has none. */
export function labelsOf({ spec, metadata }: ObjectOf<'WorkloadEntry'>): Readonly<Record<string, string>> {
  return { ...metadata.labels, ...spec.labels }
}

export function portsOf(
  entry: ObjectOf<'ServiceEntry'>,
  codecOf: (protocol: string) => string | undefined,
  reporter: Reporter,
): ServicePort[] {
  return (entry.spec.ports ?? []).map((port, index) => {
    const named = protocolOfPort(port)
    const protocol = named === undefined ? undefined : portProtocol(named.protocol, codecOf(named.protocol))
    const envoy = named === undefined ? undefined : envoySide(named, protocol)
    if (named !== undefined && protocol === undefined && envoy === undefined) {
      reporter.report({
        severity: 'warning',
        code: 'MESH_UNKNOWN_PROTOCOL',
        field: `spec.ports[${index}].name`,
        value: port.name,
        message: `nothing here speaks the protocol ${named.protocol}; the port is left out`,
        remedy: 'correct the name of the port, or declare the protocol with an ApplicationProtocol',
      })
    }
    return { number: port.number, name: port.name, targetPort: port.targetPort ?? port.number, protocol, envoy }
  })
}

/** To Envoy all codecs are one protocol: that of the filter that has codecs. */
function envoySide({ form, protocol }: NamedProtocol, codec: PortProtocol | undefined): string | undefined {
  if (form === 'native') return envoyProtocolByName(protocol)?.name
  return codec === undefined ? undefined : envoyProtocolByName(form)?.name
}

/** As they are written: an address may be a name, a socket file or missing. */
export function endpointsOf({ entry, workloads }: EndpointSources, host: string): Endpoint[] {
  const ports = entry.spec.ports ?? []
  const inline = (entry.spec.endpoints ?? []).map((endpoint) => toEndpoint(endpoint, endpoint.labels ?? {}, ports))
  const selected = workloads.map((workload) => toEndpoint(workload.spec, labelsOf(workload), ports))
  const found = [...inline, ...selected]
  // A name to resolve and nothing else said: the host is its own endpoint.
  if (found.length === 0 && isDns(entry) && selectorOf(entry) === undefined && !host.startsWith('*')) {
    return [toEndpoint({ address: host }, {}, ports)]
  }
  return found
}

export function isDns({ spec }: ObjectOf<'ServiceEntry'>): boolean {
  return spec.resolution === 'DNS' || spec.resolution === 'DNS_ROUND_ROBIN'
}

function toEndpoint(
  workload: Workload,
  labels: Readonly<Record<string, string>>,
  ports: readonly EntryPort[],
): Endpoint {
  return {
    address: workload.address ?? '',
    ports: new Map(
      ports.map((port) => [port.number, workload.ports?.[port.name] ?? port.targetPort ?? port.number] as const),
    ),
    labels,
    locality: parseLocality(workload.locality),
    weight: Math.max(1, workload.weight ?? 1),
  }
}
