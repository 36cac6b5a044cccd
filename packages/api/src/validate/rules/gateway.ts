/** Rules of Gateway, as Istio checks them. */
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import { isDnsLabel } from '../../names/dns.ts'
import type { Gateway, GatewayServer } from '../../schema/gateway.ts'
import { checkPortProtocol } from './service-entry.ts'
import { badValue, checkHost, checkLabels, isAddress, missing, noTwice } from './shared.ts'

export function checkGateway(spec: Gateway, path: FieldPath, report: Report): void {
  const servers = spec.servers ?? []
  if (servers.length === 0) missing(report, [...path, 'servers'], 'there is no server', 'Add servers.')
  for (const [i, server] of servers.entries()) checkServer(server, [...path, 'servers', i], report)
  noTwice(report, [...path, 'servers'], servers, ({ port }) => port.name, 'port')
  checkLabels(report, [...path, 'selector'], spec.selector)
}

function checkServer(server: GatewayServer, path: FieldPath, report: Report): void {
  checkPortProtocol(report, [...path, 'port', 'protocol'], server.port.protocol)
  for (const [i, host] of server.hosts.entries()) checkServerHost(host, [...path, 'hosts', i], report)
  if (server.bind !== undefined && !isAddress(server.bind) && !server.bind.startsWith('unix:')) {
    badValue(report, [...path, 'bind'], server.bind, 'not an IP address', 'Write an address, or unix:///path.')
  }
  checkTls(server, path, report)
}

function checkServerHost(host: string, path: FieldPath, report: Report): void {
  const slash = host.indexOf('/')
  const namespace = slash < 0 ? undefined : host.slice(0, slash)
  checkHost(report, path, host.slice(slash + 1), 'wildcard')
  if (namespace === undefined || namespace === '*' || namespace === '.' || isDnsLabel(namespace)) return
  badValue(report, path, host, `"${namespace}" is not a namespace`, 'Write namespace/host, ./host or */host.')
}

function checkTls({ port, tls }: GatewayServer, path: FieldPath, report: Report): void {
  const secure = ['HTTPS', 'TLS'].includes(port.protocol.toUpperCase())
  const at = [...path, 'tls']
  if (tls === undefined) {
    if (secure) missing(report, at, `protocol ${port.protocol} needs tls`, 'Add tls: {mode, credentialName}.')
    return
  }
  if (tls.httpsRedirect === true && secure) {
    const remedy = 'Remove it here and set it at the HTTP server.'
    badValue(report, [...at, 'httpsRedirect'], true, 'only plain HTTP can redirect to HTTPS', remedy)
  }
  const { mode = 'PASSTHROUGH' } = tls
  const named = tls.credentialName ?? tls.credentialNames ?? tls.tlsCertificates
  if (!['SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'].includes(mode) || named !== undefined) return
  for (const field of ['serverCertificate', 'privateKey'] as const) {
    if (tls[field] === undefined) {
      missing(report, [...at, field], `mode ${mode} needs ${field}`, `Add ${field}, or credentialName.`)
    }
  }
  if (mode === 'MUTUAL' && tls.caCertificates === undefined) {
    missing(report, [...at, 'caCertificates'], 'mode MUTUAL needs caCertificates', 'Add it, or credentialName.')
  }
}
