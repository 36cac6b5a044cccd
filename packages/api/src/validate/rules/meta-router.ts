/** Rules of MetaRouter and ApplicationProtocol: those of the incumbent's admission webhook, and what it forgot. */
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import type { ObjectMeta } from '../../object.ts'
import type {
  ApplicationProtocol,
  GlobalRateLimit,
  LocalRateLimit,
  MetaRoute,
  MetaRouteMatch,
  MetaRouter,
  TokenBucket,
} from '../../schema/meta-router.ts'
import {
  badValue,
  checkDestination,
  checkExportTo,
  checkGatewayNames,
  checkHost,
  checkPercentage,
  checkPositiveDuration,
  checkStringMatches,
  checkWeightsSumTo100,
  doubtful,
  missing,
  noTwice,
  warnUnreachable,
} from './shared.ts'

export function checkMetaRouter(spec: MetaRouter, metadata: ObjectMeta, path: FieldPath, report: Report): void {
  if (spec.hosts.length !== 1) {
    const remedy = 'Name exactly one host; write a MetaRouter for each service.'
    badValue(report, [...path, 'hosts'], spec.hosts, `a MetaRouter has one host, not ${spec.hosts.length}`, remedy)
  }
  for (const [i, host] of spec.hosts.entries()) checkHost(report, [...path, 'hosts', i], host)
  const routes = spec.routes ?? []
  for (const [i, route] of routes.entries()) checkRoute(route, [...path, 'routes', i], report)
  warnUnreachable(
    report,
    [...path, 'routes'],
    routes.map(({ match }) => Object.keys(match?.attributes ?? {}).length === 0),
  )
  if (spec.localRateLimit !== undefined) checkLocalLimit(spec.localRateLimit, [...path, 'localRateLimit'], report)
  if (spec.globalRateLimit !== undefined) checkGlobalLimit(spec.globalRateLimit, [...path, 'globalRateLimit'], report)
  checkGatewayNames(report, [...path, 'gateways'], spec.gateways)
  checkExportTo(report, [...path, 'exportTo'], spec.exportTo, metadata.namespace)
}

function checkRoute(route: MetaRoute, path: FieldPath, report: Report): void {
  checkMatch(route.match, [...path, 'match'], report)
  for (const [i, { destination }] of route.route.entries()) {
    checkDestination(report, [...path, 'route', i, 'destination'], destination)
  }
  checkWeightsSumTo100(report, [...path, 'route'], route.route)
  if (route.mirror !== undefined) checkDestination(report, [...path, 'mirror'], route.mirror)
  checkPercentage(report, [...path, 'mirrorPercentage'], route.mirrorPercentage)
  if (route.mirrorPercentage !== undefined && route.mirror === undefined) {
    missing(report, [...path, 'mirror'], 'mirrorPercentage needs a mirror', 'Add mirror, or remove mirrorPercentage.')
  }
  noTwice(report, [...path, 'requestMutation'], route.requestMutation, ({ key }) => key, 'key')
  noTwice(report, [...path, 'responseMutation'], route.responseMutation, ({ key }) => key, 'key')
}

function checkMatch(match: MetaRouteMatch | undefined, path: FieldPath, report: Report): void {
  const attributes = match?.attributes ?? {}
  const at = [...path, 'attributes']
  checkStringMatches(report, at, attributes)
  const seen = new Map<string, string>()
  for (const [name, condition] of Object.entries(attributes)) {
    const earlier = seen.get(name.toLowerCase())
    if (earlier !== undefined) {
      const message = `the same attribute as ${earlier}: case does not count in names`
      badValue(report, [...at, name], condition, message, 'Keep one of the two.')
    }
    seen.set(name.toLowerCase(), name)
    if (name === '') badValue(report, [...at, name], condition, 'an attribute needs a name', 'Name the attribute.')
    if (Object.keys(condition).length === 0) {
      const remedy = 'Write {regex: "*"} to ask that the attribute is there, or remove it.'
      doubtful(report, [...at, name], condition, 'an empty condition asks for nothing', remedy)
    }
  }
}

function checkBucket(bucket: TokenBucket, path: FieldPath, report: Report): void {
  checkPositiveDuration(report, [...path, 'fillInterval'], bucket.fillInterval)
}

function checkLocalLimit(limit: LocalRateLimit, path: FieldPath, report: Report): void {
  const conditions = limit.conditions ?? []
  if (limit.tokenBucket === undefined && conditions.length === 0) {
    const message = 'a rate limit needs a tokenBucket or conditions'
    missing(report, path, message, 'Add tokenBucket: {maxTokens, tokensPerFill, fillInterval}.')
  }
  if (limit.tokenBucket !== undefined) checkBucket(limit.tokenBucket, [...path, 'tokenBucket'], report)
  for (const [i, condition] of conditions.entries()) {
    const at = [...path, 'conditions', i]
    checkMatch(condition.match, [...at, 'match'], report)
    checkBucket(condition.tokenBucket, [...at, 'tokenBucket'], report)
  }
}

function checkGlobalLimit(limit: GlobalRateLimit, path: FieldPath, report: Report): void {
  checkMatch(limit.match, [...path, 'match'], report)
  checkPositiveDuration(report, [...path, 'requestTimeout'], limit.requestTimeout)
  if (!/^outbound\|\d+\|[^|]*\|[^|]+$/.test(limit.rateLimitService)) {
    const remedy = 'Write outbound|<port>||<host>, unless the proxy has a cluster of that name.'
    doubtful(
      report,
      [...path, 'rateLimitService'],
      limit.rateLimitService,
      'not the name of a cluster of the mesh',
      remedy,
    )
  }
}

export function checkApplicationProtocol(spec: ApplicationProtocol, path: FieldPath, report: Report): void {
  if (/^[A-Za-z0-9_.]+$/.test(spec.protocol)) return
  const message = 'cannot be a part of a port name'
  badValue(report, [...path, 'protocol'], spec.protocol, message, 'Use letters and digits, and no -.')
}
