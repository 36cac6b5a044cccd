/** Rules of DestinationRule, as Istio checks them. */
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import type { ObjectMeta } from '../../object.ts'
import type {
  ClientTls,
  ConnectionPool,
  DestinationRule,
  LoadBalancer,
  LocalityLbSetting,
  OutlierDetection,
  PortTrafficPolicy,
  TcpSettings,
  TrafficPolicy,
} from '../../schema/destination-rule.ts'
import {
  badValue,
  checkExportTo,
  checkHost,
  checkLabels,
  checkPositiveDuration,
  checkSubsetName,
  doubtful,
  exactlyOne,
  missing,
  noTwice,
  oneAtMost,
} from './shared.ts'

export function checkDestinationRule(
  spec: DestinationRule,
  metadata: ObjectMeta,
  path: FieldPath,
  report: Report,
): void {
  checkHost(report, [...path, 'host'], spec.host, 'wildcard')
  checkTrafficPolicy(spec.trafficPolicy, [...path, 'trafficPolicy'], report)
  noTwice(report, [...path, 'subsets'], spec.subsets, ({ name }) => name, 'name')
  for (const [i, subset] of (spec.subsets ?? []).entries()) {
    const at = [...path, 'subsets', i]
    checkSubsetName(report, [...at, 'name'], subset.name)
    checkLabels(report, [...at, 'labels'], subset.labels)
    checkTrafficPolicy(subset.trafficPolicy, [...at, 'trafficPolicy'], report)
  }
  checkExportTo(report, [...path, 'exportTo'], spec.exportTo, metadata.namespace)
}

function checkTrafficPolicy(policy: TrafficPolicy | undefined, path: FieldPath, report: Report): void {
  if (policy === undefined) return
  checkPolicy(policy, path, report)
  const ports = policy.portLevelSettings
  noTwice(report, [...path, 'portLevelSettings'], ports, ({ port }) => port?.number, 'port')
  for (const [i, each] of (ports ?? []).entries()) {
    const at = [...path, 'portLevelSettings', i]
    if (each.port === undefined) missing(report, [...at, 'port'], 'port is needed', 'Add port: {number}.')
    checkPolicy(each, at, report)
  }
}

function checkPolicy(policy: Omit<PortTrafficPolicy, 'port'>, path: FieldPath, report: Report): void {
  if (policy.loadBalancer !== undefined) checkLoadBalancer(policy.loadBalancer, [...path, 'loadBalancer'], report)
  if (policy.connectionPool !== undefined) checkPool(policy.connectionPool, [...path, 'connectionPool'], report)
  if (policy.outlierDetection !== undefined)
    checkOutlier(policy.outlierDetection, [...path, 'outlierDetection'], report)
  if (policy.tls !== undefined) checkClientTls(policy.tls, [...path, 'tls'], report)
  const locality = policy.loadBalancer?.localityLbSetting
  if (locality !== undefined && locality.enabled !== false && policy.outlierDetection === undefined) {
    doubtful(
      report,
      [...path, 'loadBalancer', 'localityLbSetting'],
      undefined,
      'without outlierDetection nothing tells that the near instances fail',
      'Add outlierDetection beside loadBalancer.',
    )
  }
}

function checkLoadBalancer(balancer: LoadBalancer, path: FieldPath, report: Report): void {
  oneAtMost(report, path, balancer, ['simple', 'consistentHash'])
  oneAtMost(report, path, balancer, ['warmup', 'warmupDurationSecs'])
  checkPositiveDuration(report, [...path, 'warmup', 'duration'], balancer.warmup?.duration)
  checkPositiveDuration(report, [...path, 'warmupDurationSecs'], balancer.warmupDurationSecs)
  const hash = balancer.consistentHash
  if (hash !== undefined) {
    const at = [...path, 'consistentHash']
    exactlyOne(report, at, hash, ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'])
    oneAtMost(report, at, hash, ['ringHash', 'maglev', 'minimumRingSize'])
  }
  if (balancer.localityLbSetting !== undefined) {
    checkLocality(balancer.localityLbSetting, [...path, 'localityLbSetting'], report)
  }
}

function checkLocality(setting: LocalityLbSetting, path: FieldPath, report: Report): void {
  oneAtMost(report, path, setting, ['distribute', 'failover'])
  oneAtMost(report, path, setting, ['distribute', 'failoverPriority'])
  for (const [i, { from, to = {} }] of (setting.distribute ?? []).entries()) {
    const at = [...path, 'distribute', i]
    if (from === undefined) missing(report, [...at, 'from'], 'from is needed', 'Add a locality, such as region/zone/*.')
    const sum = Object.values(to).reduce((total, weight) => total + weight, 0)
    if (sum !== 100) {
      const remedy = 'Change the weights so that they sum to 100.'
      const message = `the weights sum to ${sum}, not to 100`
      report.error({ code: 'API_BAD_WEIGHTS', path: [...at, 'to'], value: to, message, remedy })
    }
  }
  for (const [i, { from, to }] of (setting.failover ?? []).entries()) {
    const at = [...path, 'failover', i]
    if (from !== undefined && from === to) badValue(report, [...at, 'to'], to, 'the same region', 'Name another.')
    for (const [field, region] of Object.entries({ from, to })) {
      if (region?.includes('/') === true || region?.includes('*') === true) {
        badValue(report, [...at, field], region, 'failover goes from region to region', 'Name a region alone.')
      }
    }
  }
}

function checkTcp(settings: TcpSettings, path: FieldPath, report: Report): void {
  checkPositiveDuration(report, [...path, 'connectTimeout'], settings.connectTimeout)
  checkPositiveDuration(report, [...path, 'maxConnectionDuration'], settings.maxConnectionDuration)
  notNegative(settings, path, report)
}

export function checkPool(pool: ConnectionPool, path: FieldPath, report: Report): void {
  if (pool.tcp !== undefined) checkTcp(pool.tcp, [...path, 'tcp'], report)
  if (pool.http !== undefined) notNegative(pool.http, [...path, 'http'], report)
}

function notNegative(settings: object, path: FieldPath, report: Report): void {
  for (const [field, value] of Object.entries(settings)) {
    if (typeof value === 'number' && value < 0) {
      const remedy = 'Use a value from 0.'
      report.error({ code: 'API_OUT_OF_RANGE', path: [...path, field], value, message: 'must not be negative', remedy })
    }
  }
}

function checkOutlier(outlier: OutlierDetection, path: FieldPath, report: Report): void {
  checkPositiveDuration(report, [...path, 'interval'], outlier.interval)
  checkPositiveDuration(report, [...path, 'baseEjectionTime'], outlier.baseEjectionTime)
  if (outlier.consecutiveErrors !== undefined) {
    const remedy = 'Write consecutive5xxErrors (or consecutiveGatewayErrors).'
    doubtful(report, [...path, 'consecutiveErrors'], outlier.consecutiveErrors, 'Istio no longer reads it', remedy)
  }
}

function checkClientTls(tls: ClientTls, path: FieldPath, report: Report): void {
  const { mode = 'DISABLE', credentialName, clientCertificate, privateKey, caCertificates } = tls
  if (mode === 'MUTUAL' && credentialName === undefined) {
    if (clientCertificate === undefined || privateKey === undefined) {
      const field = clientCertificate === undefined ? 'clientCertificate' : 'privateKey'
      missing(report, [...path, field], `mode MUTUAL needs ${field}`, `Add ${field}, or credentialName.`)
    }
  }
  if (mode === 'ISTIO_MUTUAL' && (clientCertificate ?? privateKey ?? caCertificates ?? credentialName) !== undefined) {
    const remedy = 'Remove the certificates, or use mode MUTUAL.'
    badValue(report, [...path, 'mode'], mode, 'the mesh brings the certificates of ISTIO_MUTUAL', remedy)
  }
  if (credentialName !== undefined && (clientCertificate ?? privateKey ?? caCertificates) !== undefined) {
    const remedy = 'Keep the one or the others.'
    badValue(report, [...path, 'credentialName'], credentialName, 'excludes certificates by file', remedy)
  }
}
