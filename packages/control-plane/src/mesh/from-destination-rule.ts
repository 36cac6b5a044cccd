/** DestinationRule -> what the model keeps of it. */
import { type ObjectOf, parseDuration, type Specs } from '@aeraki/api'
import { type Reporter, originOf, visibilityOf } from './findings.ts'
import type {
  ConnectionPool,
  DestinationPolicy,
  LoadBalancer,
  LocalitySetting,
  Outlier,
  PortTrafficPolicy,
  TrafficPolicy,
} from './model.ts'

type PolicySpec = NonNullable<Specs['DestinationRule']['trafficPolicy']>
type PortPolicySpec = NonNullable<PolicySpec['portLevelSettings']>[number]
type LoadBalancerSpec = NonNullable<PolicySpec['loadBalancer']>

/** Without `wildcardRank`, which depends on the service. Undefined: it applies to nothing of ours. */
export function policyOf(
  object: ObjectOf<'DestinationRule'>,
  reporter: Reporter,
): Omit<DestinationPolicy, 'wildcardRank'> | undefined {
  const { spec, metadata } = object
  if (spec.workloadSelector !== undefined) {
    reporter.report({
      severity: 'warning',
      code: 'MESH_UNSUPPORTED_FIELD',
      field: 'spec.workloadSelector',
      message: 'a DestinationRule for some clients only is not supported; the whole rule is left out',
      remedy: 'remove workloadSelector, or use exportTo to limit the rule to namespaces',
    })
    return undefined
  }
  return {
    origin: originOf(object),
    exportTo: visibilityOf(spec.exportTo, metadata.namespace),
    policy: trafficPolicy(spec.trafficPolicy, 'spec.trafficPolicy', reporter),
    subsets: (spec.subsets ?? []).map((subset, index) => ({
      name: subset.name,
      labels: subset.labels ?? {},
      policy: trafficPolicy(subset.trafficPolicy, `spec.subsets[${index}].trafficPolicy`, reporter),
    })),
  }
}

function trafficPolicy(spec: PolicySpec | undefined, field: string, reporter: Reporter): TrafficPolicy | undefined {
  if (spec === undefined) return undefined
  const ports = new Map<number, PortTrafficPolicy>()
  for (const [index, setting] of (spec.portLevelSettings ?? []).entries()) {
    if (setting.port === undefined) continue
    ports.set(setting.port.number, portPolicy(setting, `${field}.portLevelSettings[${index}]`, reporter))
  }
  return { ...portPolicy(spec, field, reporter), ports }
}

function portPolicy(spec: PortPolicySpec | PolicySpec, field: string, reporter: Reporter): PortTrafficPolicy {
  return {
    loadBalancer: spec.loadBalancer === undefined ? undefined : loadBalancer(spec.loadBalancer, field, reporter),
    connectionPool: spec.connectionPool === undefined ? undefined : connectionPool(spec.connectionPool),
    outlier: spec.outlierDetection === undefined ? undefined : outlier(spec.outlierDetection),
    tls: spec.tls,
  }
}

function loadBalancer(spec: LoadBalancerSpec, field: string, reporter: Reporter): LoadBalancer {
  const { simple, consistentHash: hash, localityLbSetting } = spec
  const locality = localityLbSetting === undefined ? undefined : localitySetting(localityLbSetting)
  const base = { hashAttribute: undefined, minimumRingSize: undefined, maglevTableSize: undefined, locality }
  if (hash !== undefined) {
    if (hash.httpHeaderName === undefined) {
      reporter.report({
        severity: 'warning',
        code: 'MESH_UNSUPPORTED_FIELD',
        field: `${field}.loadBalancer.consistentHash`,
        message:
          'only httpHeaderName, the name of an attribute, can choose the endpoint; requests are spread at random',
        remedy: 'write consistentHash.httpHeaderName: <attribute>',
      })
    }
    return {
      ...base,
      policy: hash.maglev === undefined ? 'ring-hash' : 'maglev',
      hashAttribute: hash.httpHeaderName,
      minimumRingSize: hash.ringHash?.minimumRingSize ?? hash.minimumRingSize,
      maglevTableSize: hash.maglev?.tableSize,
    }
  }
  switch (simple) {
    case 'ROUND_ROBIN':
      return { ...base, policy: 'round-robin' }
    case 'RANDOM':
      return { ...base, policy: 'random' }
    default:
      return { ...base, policy: 'least-request' }
  }
}

function localitySetting(spec: NonNullable<LoadBalancerSpec['localityLbSetting']>): LocalitySetting {
  return {
    enabled: spec.enabled ?? true,
    distribute: (spec.distribute ?? []).map(({ from, to }) => ({
      from: from ?? '*',
      to: new Map(Object.entries(to ?? {})),
    })),
    failover: (spec.failover ?? []).map(({ from, to }) => ({ from: from ?? '', to: to ?? '' })),
    failoverPriority: spec.failoverPriority ?? [],
  }
}

function connectionPool({ tcp, http }: NonNullable<PolicySpec['connectionPool']>): ConnectionPool {
  return {
    maxConnections: positive(tcp?.maxConnections),
    connectTimeoutMs: positive(milliseconds(tcp?.connectTimeout)),
    idleTimeoutMs: milliseconds(tcp?.idleTimeout),
    maxPendingRequests: positive(http?.http1MaxPendingRequests),
    maxRequests: positive(http?.http2MaxRequests),
    maxRetries: positive(http?.maxRetries),
  }
}

function outlier(spec: NonNullable<PolicySpec['outlierDetection']>): Outlier {
  return {
    consecutive5xx: spec.consecutive5xxErrors ?? spec.consecutiveErrors,
    consecutiveGatewayFailure: spec.consecutiveGatewayErrors,
    consecutiveLocalOriginFailure: spec.consecutiveLocalOriginFailures,
    splitLocalOriginErrors: spec.splitExternalLocalOriginErrors ?? false,
    intervalMs: positive(milliseconds(spec.interval)),
    baseEjectionMs: positive(milliseconds(spec.baseEjectionTime)),
    maxEjectionPercent: positive(spec.maxEjectionPercent),
    minHealthPercent: positive(spec.minHealthPercent),
  }
}

/** Istio reads 0 (and less) as nothing said. */
function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined
}

function milliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text)
}
