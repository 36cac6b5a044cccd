/** Rules of VirtualService, as Istio checks them. */
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import { hostCovers } from '../../names/host.ts'
import type { ObjectMeta } from '../../object.ts'
import type {
  Headers,
  HttpMatchRequest,
  HttpRoute,
  TcpRoute,
  TlsRoute,
  VirtualService,
} from '../../schema/virtual-service.ts'
import {
  badValue,
  checkDestination,
  checkExportTo,
  checkGatewayNames,
  checkHost,
  checkLabels,
  checkPercentage,
  checkPositiveDuration,
  checkProportions,
  checkRegex,
  checkStringMatch,
  checkStringMatches,
  checkSubnet,
  checkSubnets,
  exactlyOne,
  isAddress,
  missing,
  noTwice,
  oneAtMost,
  warnUnreachable,
} from './shared.ts'

export function checkVirtualService(spec: VirtualService, metadata: ObjectMeta, path: FieldPath, report: Report): void {
  checkHosts(spec, path, report)
  checkGatewayNames(report, [...path, 'gateways'], spec.gateways)
  if (spec.http === undefined && spec.tls === undefined && spec.tcp === undefined) {
    missing(report, [...path, 'http'], 'there are no routes', 'Add http, tcp or tls.')
  }
  const http = spec.http ?? []
  for (const [i, route] of http.entries()) checkHttpRoute(route, [...path, 'http', i], report)
  warnUnreachable(
    report,
    [...path, 'http'],
    http.map(({ match }) => match === undefined || match.length === 0 || match.some(matchesAll)),
  )
  for (const [i, route] of (spec.tls ?? []).entries())
    checkTlsRoute(route, spec.hosts ?? [], [...path, 'tls', i], report)
  for (const [i, route] of (spec.tcp ?? []).entries()) checkTcpRoute(route, [...path, 'tcp', i], report)
  checkExportTo(report, [...path, 'exportTo'], spec.exportTo, metadata.namespace)
}

function matchesAll(match: HttpMatchRequest): boolean {
  return Object.keys(match).every((key) => ['name', 'ignoreUriCase', 'statPrefix'].includes(key))
}

function checkHosts(spec: VirtualService, path: FieldPath, report: Report): void {
  const hosts = spec.hosts ?? []
  const at = [...path, 'hosts']
  // Only a VirtualService that others delegate to may be without; it is known by having no gateways and tls or tcp.
  if (hosts.length === 0 && (spec.gateways !== undefined || spec.tls !== undefined || spec.tcp !== undefined)) {
    missing(report, at, 'there are no hosts', 'Add the hosts that the routes are for.')
  }
  const inMesh = spec.gateways === undefined || spec.gateways.includes('mesh')
  for (const [i, host] of hosts.entries()) {
    if (isAddress(host)) continue
    checkHost(report, [...at, i], host, 'wildcard')
    if (host === '*' && inMesh) {
      const remedy = 'Write a host or *.domain, or name the gateways it is for.'
      badValue(report, [...at, i], host, 'every host can only be taken at a gateway', remedy)
    }
  }
  noTwice(report, at, hosts, (host) => host.toLowerCase())
}

function checkHttpRoute(route: HttpRoute, path: FieldPath, report: Report): void {
  for (const [i, match] of (route.match ?? []).entries()) checkHttpMatch(match, [...path, 'match', i], report)
  exactlyOne(report, path, route, ['route', 'redirect', 'directResponse', 'delegate'])
  checkHttpDestinations(route, path, report)
  checkMirrors(route, path, report)
  checkFault(route, path, report)
  checkRetries(route, path, report)
  checkRewrites(route, path, report)
  checkHeaders(route.headers, [...path, 'headers'], report)
  for (const [i, origin] of (route.corsPolicy?.allowOrigins ?? []).entries()) {
    checkStringMatch(report, [...path, 'corsPolicy', 'allowOrigins', i], origin)
  }
}

function checkHttpDestinations({ route }: HttpRoute, path: FieldPath, report: Report): void {
  if (route === undefined) return
  const at = [...path, 'route']
  if (route.length === 0) missing(report, at, 'there is no destination', 'Add a destination.')
  for (const [i, each] of route.entries()) {
    checkDestination(report, [...at, i, 'destination'], each.destination)
    checkHeaders(each.headers, [...at, i, 'headers'], report)
  }
  checkProportions(report, at, route)
}

function checkHttpMatch(match: HttpMatchRequest, path: FieldPath, report: Report): void {
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) {
    const condition = match[field]
    if (condition !== undefined) checkStringMatch(report, [...path, field], condition)
  }
  for (const field of ['headers', 'withoutHeaders', 'queryParams'] as const) {
    checkStringMatches(report, [...path, field], match[field])
  }
  checkLabels(report, [...path, 'sourceLabels'], match.sourceLabels)
  checkGatewayNames(report, [...path, 'gateways'], match.gateways)
}

function checkMirrors(route: HttpRoute, path: FieldPath, report: Report): void {
  oneAtMost(report, path, route, ['mirror', 'mirrors'])
  if (route.mirror !== undefined) checkDestination(report, [...path, 'mirror'], route.mirror)
  for (const [i, mirror] of (route.mirrors ?? []).entries()) {
    checkDestination(report, [...path, 'mirrors', i, 'destination'], mirror.destination)
  }
  if ((route.mirrorPercentage !== undefined || route.mirrorPercent !== undefined) && route.mirror === undefined) {
    missing(report, [...path, 'mirror'], 'a mirror percentage needs a mirror', 'Add mirror.')
  }
}

function checkFault({ fault }: HttpRoute, path: FieldPath, report: Report): void {
  if (fault === undefined) return
  const at = [...path, 'fault']
  if (fault.delay !== undefined) {
    exactlyOne(report, [...at, 'delay'], fault.delay, ['fixedDelay', 'exponentialDelay'])
    checkPositiveDuration(report, [...at, 'delay', 'fixedDelay'], fault.delay.fixedDelay)
    checkPercentage(report, [...at, 'delay', 'percentage'], fault.delay.percentage)
  }
  if (fault.abort === undefined) return
  exactlyOne(report, [...at, 'abort'], fault.abort, ['httpStatus', 'grpcStatus', 'http2Error'])
  checkPercentage(report, [...at, 'abort', 'percentage'], fault.abort.percentage)
  const { httpStatus } = fault.abort
  if (httpStatus !== undefined && (httpStatus < 200 || httpStatus > 600)) {
    badValue(report, [...at, 'abort', 'httpStatus'], httpStatus, 'not an HTTP status', 'Use a value from 200 to 599.')
  }
}

function checkRetries({ retries }: HttpRoute, path: FieldPath, report: Report): void {
  if (retries === undefined) return
  const at = [...path, 'retries']
  const { attempts = 0, perTryTimeout, backoff } = retries
  if (attempts < 0) badValue(report, [...at, 'attempts'], attempts, 'must not be negative', 'Use 0 or more.')
  if (attempts === 0 && (perTryTimeout !== undefined || retries.retryOn !== undefined)) {
    const remedy = 'Set attempts to how often to try again, or remove the other fields.'
    badValue(report, [...at, 'attempts'], attempts, 'retries with no attempts cannot have other fields', remedy)
  }
  checkPositiveDuration(report, [...at, 'perTryTimeout'], perTryTimeout)
  checkPositiveDuration(report, [...at, 'backoff'], backoff)
}

function checkRewrites({ rewrite, redirect, directResponse }: HttpRoute, path: FieldPath, report: Report): void {
  if (rewrite !== undefined) {
    oneAtMost(report, [...path, 'rewrite'], rewrite, ['uri', 'uriRegexRewrite'])
    const regex = rewrite.uriRegexRewrite?.match
    if (regex !== undefined) checkRegex(report, [...path, 'rewrite', 'uriRegexRewrite', 'match'], regex)
    if (redirect !== undefined) oneAtMost(report, path, { rewrite, redirect }, ['redirect', 'rewrite'])
  }
  const status = directResponse?.status
  if (status !== undefined && (status < 100 || status > 599)) {
    badValue(
      report,
      [...path, 'directResponse', 'status'],
      status,
      'not an HTTP status',
      'Use a value from 100 to 599.',
    )
  }
}

const headerName = /^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

function checkHeaders(headers: Headers | undefined, path: FieldPath, report: Report): void {
  for (const side of ['request', 'response'] as const) {
    const operations = headers?.[side]
    for (const operation of ['set', 'add'] as const) {
      for (const name of Object.keys(operations?.[operation] ?? {})) {
        checkHeaderName(name, [...path, side, operation, name], report)
      }
    }
    for (const [i, name] of (operations?.remove ?? []).entries()) {
      checkHeaderName(name, [...path, side, 'remove', i], report)
    }
  }
}

function checkHeaderName(name: string, path: FieldPath, report: Report): void {
  if (!headerName.test(name)) badValue(report, path, name, 'not a valid name of a header', 'Use letters, digits and -.')
}

function checkTlsRoute(route: TlsRoute, hosts: readonly string[], path: FieldPath, report: Report): void {
  if (route.match.length === 0) missing(report, [...path, 'match'], 'there is no match', 'Add match: [{sniHosts}].')
  for (const [i, match] of route.match.entries()) {
    const at = [...path, 'match', i]
    if (match.sniHosts.length === 0) missing(report, [...at, 'sniHosts'], 'there is no host', 'Add sniHosts.')
    for (const [j, sni] of match.sniHosts.entries()) {
      checkHost(report, [...at, 'sniHosts', j], sni, 'wildcard')
      if (hosts.some((host) => hostCovers(host, sni))) continue
      const remedy = `Use a host that one of hosts covers: ${hosts.join(', ')}.`
      badValue(report, [...at, 'sniHosts', j], sni, 'not among the hosts of the VirtualService', remedy)
    }
    checkSubnets(report, [...at, 'destinationSubnets'], match.destinationSubnets)
    checkLabels(report, [...at, 'sourceLabels'], match.sourceLabels)
    checkGatewayNames(report, [...at, 'gateways'], match.gateways)
  }
  checkDestinations(route, path, report)
}

function checkTcpRoute(route: TcpRoute, path: FieldPath, report: Report): void {
  for (const [i, match] of (route.match ?? []).entries()) {
    const at = [...path, 'match', i]
    checkSubnets(report, [...at, 'destinationSubnets'], match.destinationSubnets)
    if (match.sourceSubnet !== undefined) checkSubnet(report, [...at, 'sourceSubnet'], match.sourceSubnet)
    checkLabels(report, [...at, 'sourceLabels'], match.sourceLabels)
    checkGatewayNames(report, [...at, 'gateways'], match.gateways)
  }
  checkDestinations(route, path, report)
}

function checkDestinations({ route = [] }: TcpRoute, path: FieldPath, report: Report): void {
  const at = [...path, 'route']
  if (route.length === 0) missing(report, at, 'there is no destination', 'Add a destination.')
  for (const [i, { destination }] of route.entries()) checkDestination(report, [...at, i, 'destination'], destination)
  checkProportions(report, at, route)
}
