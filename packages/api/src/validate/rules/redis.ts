/** Rules of RedisService, RedisDestination and the Secret that they refer to. */
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import type { RedisAuth, RedisDestination, RedisFault, RedisService } from '../../schema/redis.ts'
import type { Secret } from '../../schema/secret.ts'
import { checkPool } from './destination-rule.ts'
import {
  badValue,
  checkHost,
  checkPercentage,
  checkPositiveDuration,
  doubtful,
  exactlyOne,
  missing,
  noTwice,
} from './shared.ts'

export function checkRedisService(spec: RedisService, path: FieldPath, report: Report): void {
  for (const [i, host] of spec.host.entries()) checkHost(report, [...path, 'host', i], host)
  noTwice(report, [...path, 'host'], spec.host, (host) => host.toLowerCase())
  checkAuth(spec.settings?.auth, [...path, 'settings', 'auth'], report)
  checkPositiveDuration(report, [...path, 'settings', 'opTimeout'], spec.settings?.opTimeout)
  const routes = spec.redis ?? []
  // One without prefix is for every key that no other takes.
  noTwice(report, [...path, 'redis'], routes, ({ match }) => match?.key?.prefix ?? '')
  for (const [i, route] of routes.entries()) {
    const at = [...path, 'redis', i]
    checkHost(report, [...at, 'route', 'host'], route.route.host)
    checkPrefix(route.match?.key?.prefix ?? '', [...at, 'match', 'key', 'prefix'], report)
    for (const [j, mirror] of (route.mirror ?? []).entries()) {
      checkHost(report, [...at, 'mirror', j, 'route', 'host'], mirror.route.host)
      checkPercentage(report, [...at, 'mirror', j, 'percentage'], mirror.percentage)
    }
  }
  for (const [i, fault] of (spec.faults ?? []).entries()) checkFault(fault, [...path, 'faults', i], report)
}

/** Envoy takes no longer one. */
const longestPrefix = 1000

function checkPrefix(prefix: string, path: FieldPath, report: Report): void {
  const bytes = Buffer.byteLength(prefix)
  if (bytes <= longestPrefix) return
  badValue(report, path, prefix, `has ${bytes} bytes, and ${longestPrefix} are the most`, 'Shorten it.')
}

function checkFault(fault: RedisFault, path: FieldPath, report: Report): void {
  const { type = 'DELAY', delay } = fault
  checkPercentage(report, [...path, 'percentage'], fault.percentage)
  checkPositiveDuration(report, [...path, 'delay'], delay)
  if (type === 'DELAY' && delay === undefined) {
    missing(report, [...path, 'delay'], 'a fault of type DELAY needs a delay', 'Add delay, such as 100ms.')
  }
}

export function checkRedisDestination(spec: RedisDestination, path: FieldPath, report: Report): void {
  checkHost(report, [...path, 'host'], spec.host)
  const pool = spec.trafficPolicy?.connectionPool
  if (pool === undefined) return
  const at = [...path, 'trafficPolicy', 'connectionPool']
  if (pool.tcp !== undefined) checkPool({ tcp: pool.tcp }, at, report)
  const { redis } = pool
  checkAuth(redis?.auth, [...at, 'redis', 'auth'], report)
  for (const [i, endpoint] of (redis?.discoveryEndpoints ?? []).entries()) {
    checkEndpoint(endpoint, [...at, 'redis', 'discoveryEndpoints', i], report)
  }
  if (redis?.discoveryEndpoints !== undefined && redis.mode !== 'CLUSTER') {
    const remedy = 'Set mode: CLUSTER, or remove discoveryEndpoints.'
    doubtful(report, [...at, 'redis', 'discoveryEndpoints'], redis.mode, 'is for mode CLUSTER only', remedy)
  }
}

function checkAuth(auth: RedisAuth | undefined, path: FieldPath, report: Report): void {
  if (auth === undefined) return
  exactlyOne(report, path, auth, ['secret', 'plain'])
  if (auth.plain !== undefined && (auth.plain.password ?? '') === '') {
    missing(report, [...path, 'plain', 'password'], 'password is needed', 'Add password.')
  }
}

function checkEndpoint(endpoint: string, path: FieldPath, report: Report): void {
  const [, host = '', port] = /^(\[[^\]]+\]|[^:]*)(?::(.*))?$/.exec(endpoint) ?? []
  const portGood = port === undefined || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)
  if (host !== '' && portGood) return
  badValue(report, path, endpoint, 'not an address of a server', 'Write host or host:port.')
}

const base64 = /^[A-Za-z0-9+/]*={0,2}$/

export function checkSecret(spec: Secret, path: FieldPath, report: Report): void {
  for (const [key, text] of Object.entries(spec.data ?? {})) {
    const packed = text.replaceAll(/\s/g, '')
    if (base64.test(packed) && packed.length % 4 === 0) continue
    // The value is not shown: it is a secret.
    const remedy = 'Encode it in base64, or put it under stringData as it is.'
    badValue(report, [...path, 'data', key], undefined, 'not base64', remedy)
  }
}
