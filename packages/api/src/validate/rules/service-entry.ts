/** Rules of ServiceEntry and WorkloadEntry, as Istio checks them. */
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import { isDnsLabel, isFqdn } from '../../names/dns.ts'
import { lacksProtocol } from '../../names/protocol.ts'
import type { ObjectMeta } from '../../object.ts'
import type { ServiceEntry, ServicePort, WorkloadEntry } from '../../schema/service-entry.ts'
import {
  badValue,
  checkExportTo,
  checkHost,
  checkLabels,
  doubtful,
  isAddress,
  missing,
  noTwice,
  oneAtMost,
} from './shared.ts'

export function checkServiceEntry(spec: ServiceEntry, metadata: ObjectMeta, path: FieldPath, report: Report): void {
  checkHosts(spec, path, report)
  checkAddresses(spec, path, report)
  checkPorts(spec, [...path, 'ports'], report)
  oneAtMost(report, path, { ...spec, endpoints: spec.endpoints?.length === 0 ? undefined : spec.endpoints }, [
    'endpoints',
    'workloadSelector',
  ])
  if (spec.workloadSelector !== undefined && Object.keys(spec.workloadSelector.labels ?? {}).length === 0) {
    const remedy = 'Add labels of the workloads, or remove workloadSelector.'
    doubtful(report, [...path, 'workloadSelector'], spec.workloadSelector, 'selects nothing without labels', remedy)
  }
  checkEndpoints(spec, path, report)
  checkExportTo(report, [...path, 'exportTo'], spec.exportTo, metadata.namespace)
}

function checkHosts({ hosts, resolution, endpoints }: ServiceEntry, path: FieldPath, report: Report): void {
  const byName = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN'
  for (const [i, host] of hosts.entries()) {
    const at = [...path, 'hosts', i]
    checkHost(report, at, host, 'wildcard')
    if (host === '*') {
      badValue(report, at, host, 'a service cannot have every host', 'Write the host, or *.domain.')
    } else if (byName && host.startsWith('*') && (endpoints ?? []).length === 0) {
      const remedy = 'Write the full host, or add endpoints.'
      badValue(report, at, host, `resolution ${resolution} cannot look up a wildcard`, remedy)
    }
  }
  noTwice(report, [...path, 'hosts'], hosts, (host) => host.toLowerCase())
}

function checkAddresses({ addresses, resolution }: ServiceEntry, path: FieldPath, report: Report): void {
  for (const [i, address] of (addresses ?? []).entries()) {
    const at = [...path, 'addresses', i]
    if (!isAddress(address, 'range')) {
      badValue(report, at, address, 'not an IP address or range', 'Write such as 10.1.2.3 or 10.1.0.0/16.')
    } else if (address.includes('/') && byNameOf(resolution)) {
      const remedy = 'Use resolution NONE or STATIC, or a single address.'
      badValue(report, at, address, `a range cannot go with resolution ${resolution}`, remedy)
    }
  }
}

function byNameOf(resolution: ServiceEntry['resolution']): boolean {
  return resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN' || resolution === 'DYNAMIC_DNS'
}

const layerProtocols = [
  'HTTP',
  'HTTPS',
  'HTTP2',
  'HTTP_PROXY',
  'GRPC',
  'GRPC-WEB',
  'GRPC-WEB-TLS',
  'TCP',
  'TLS',
  'UDP',
  'MONGO',
  'REDIS',
  'MYSQL',
  'HBONE',
  'DOUBLE-HBONE',
]

export function checkPortProtocol(report: Report, path: FieldPath, protocol: string | undefined): void {
  if (protocol === undefined || protocol === '' || layerProtocols.includes(protocol.toUpperCase())) return
  const aeraki = 'a layer-7 protocol of Aeraki goes into the name, such as tcp-metaprotocol-dubbo.'
  badValue(report, path, protocol, 'not a protocol of Istio', `Use one of ${layerProtocols.join(', ')}; ${aeraki}`)
}

function checkPorts({ ports = [], resolution }: ServiceEntry, path: FieldPath, report: Report): void {
  noTwice(report, path, ports, ({ number }) => number, 'number')
  noTwice(report, path, ports, ({ name }) => name, 'name')
  for (const [i, port] of ports.entries()) {
    const at = [...path, i]
    checkPortProtocol(report, [...at, 'protocol'], port.protocol)
    checkPortName(port, at, report)
    if (port.targetPort !== undefined && (resolution ?? 'NONE') === 'NONE') {
      const remedy = 'Remove targetPort, or use another resolution.'
      badValue(report, [...at, 'targetPort'], port.targetPort, 'has no meaning with resolution NONE', remedy)
    }
  }
  if (ports.length === 0) {
    doubtful(report, path, undefined, 'the service has no port, so nothing can reach it', 'Add ports.')
  }
}

function checkPortName(port: ServicePort, path: FieldPath, report: Report): void {
  if (!isDnsLabel(port.name.toLowerCase())) {
    const remedy = 'Use at most 63 letters, digits and -, such as tcp-metaprotocol-dubbo.'
    badValue(report, [...path, 'name'], port.name, 'not a valid name of a port', remedy)
  }
  if (!lacksProtocol(port)) return
  report.warn({
    code: 'API_PORT_WITHOUT_PROTOCOL',
    path: [...path, port.appProtocol === 'aeraki.io/' ? 'appProtocol' : 'name'],
    value: port.appProtocol === 'aeraki.io/' ? port.appProtocol : port.name,
    message: 'does not say which protocol; the port is served as plain TCP',
    remedy: 'Write tcp-metaprotocol-<protocol>, such as tcp-metaprotocol-dubbo, or appProtocol: aeraki.io/<protocol>.',
  })
}

function checkEndpoints(spec: ServiceEntry, path: FieldPath, report: Report): void {
  const { endpoints = [], resolution = 'NONE' } = spec
  if (resolution === 'NONE' && endpoints.length > 0) {
    const remedy = 'Use resolution STATIC (addresses) or DNS (names).'
    badValue(report, [...path, 'endpoints'], endpoints.length, 'has no meaning with resolution NONE', remedy)
    return
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    const remedy = 'Keep one endpoint, or use resolution DNS.'
    badValue(report, [...path, 'endpoints'], endpoints.length, 'DNS_ROUND_ROBIN takes one endpoint', remedy)
  }
  const portNames = new Set((spec.ports ?? []).map(({ name }) => name))
  for (const [i, endpoint] of endpoints.entries()) {
    const at = [...path, 'endpoints', i]
    checkWorkloadEntry(endpoint, at, report)
    for (const [name, port] of Object.entries(endpoint.ports ?? {})) {
      if (portNames.has(name)) continue
      const known = [...portNames].join(', ')
      badValue(report, [...at, 'ports', name], port, `the service has no port "${name}"`, `Use one of ${known}.`)
    }
    const { address } = endpoint
    if (resolution === 'STATIC' && address !== undefined && !isAddress(address) && !address.startsWith('unix:')) {
      const remedy = 'Write an IP address, or use resolution DNS.'
      badValue(report, [...at, 'address'], address, 'resolution STATIC needs an IP address', remedy)
    }
    if (byNameOf(resolution) && address?.startsWith('unix:') === true) {
      const remedy = 'Use resolution STATIC for it.'
      badValue(report, [...at, 'address'], address, `a socket file cannot go with resolution ${resolution}`, remedy)
    }
  }
}

/** A WorkloadEntry, or an endpoint of a ServiceEntry. */
export function checkWorkloadEntry(entry: WorkloadEntry, path: FieldPath, report: Report): void {
  checkWorkloadAddress(entry, path, report)
  for (const name of Object.keys(entry.ports ?? {})) {
    if (isDnsLabel(name.toLowerCase())) continue
    const remedy = 'Use the name of a port of the service.'
    badValue(report, [...path, 'ports', name], name, 'not a valid name of a port', remedy)
  }
  checkLabels(report, [...path, 'labels'], entry.labels)
  if (entry.locality !== undefined && !/^[^/\s]+(\/[^/\s]+){0,2}$/.test(entry.locality)) {
    const remedy = 'Write region, region/zone or region/zone/sub-zone.'
    badValue(report, [...path, 'locality'], entry.locality, 'not a locality', remedy)
  }
}

function checkWorkloadAddress(
  { address = '', network = '', ports }: WorkloadEntry,
  path: FieldPath,
  report: Report,
): void {
  const at = [...path, 'address']
  if (address === '') {
    if (network === '') missing(report, at, 'address is needed', 'Add the IP address or host name of the workload.')
    return
  }
  if (address.startsWith('unix://')) {
    if (!/^unix:\/\/[/@]/.test(address)) {
      badValue(report, at, address, 'not the path of a socket file', 'Write unix:///path or unix://@name.')
    }
    if (ports !== undefined) {
      badValue(report, [...path, 'ports'], ports, 'a socket file has no ports', 'Remove ports.')
    }
    return
  }
  if (isAddress(address) || (isFqdn(address) && !/^[\d.]+$/.test(address))) return
  badValue(report, at, address, 'neither an IP address nor a host name', 'Write such as 10.1.2.3 or db.example.com.')
}
