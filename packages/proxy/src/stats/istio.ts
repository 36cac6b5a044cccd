/**
 * Istio's standard metrics (https://istio.io/latest/docs/reference/config/metrics/) for the requests that one cluster
 * got through one filter, so that dashboards made for Istio show them.
 */
import type { LocalErrorType, ResponseStatus } from '@aeraki/protocols'
import type { Counter, Histogram } from './metric.ts'
import type { Labels, Scope, StatsRegistry } from './registry.ts'

export interface ClusterTelemetry {
  readonly ok: Counter
  readonly exception: Counter
  readonly error: Counter
  readonly duration: Histogram
  readonly scope: Scope
  /** A request that the proxy answered itself. */
  local(type: LocalErrorType): Counter
}

/** Envoy's response flags. */
const flags: Readonly<Record<LocalErrorType, string>> = {
  'route-not-found': 'NR',
  'cluster-not-found': 'NC',
  'no-healthy-upstream': 'UH',
  'connection-failure': 'UF',
  'upstream-reset': 'UC',
  'bad-response': 'UPE',
  timeout: 'UT',
  'over-limit': 'RL',
  overflow: 'UO',
  denied: 'UAEX',
  fault: 'FI',
  unspecified: '-',
}

export function clusterTelemetry(
  stats: StatsRegistry,
  reporter: 'source' | 'destination',
  protocol: string,
  cluster: string,
): ClusterTelemetry {
  const scope = stats.scope(`istiocustom.${reporter}.${protocol}.${cluster}.`, '', {
    reporter,
    request_protocol: protocol,
    ...destination(cluster),
  })
  return new Telemetry(scope)
}

class Telemetry implements ClusterTelemetry {
  readonly ok: Counter
  readonly exception: Counter
  readonly error: Counter
  readonly duration: Histogram
  readonly scope: Scope
  readonly #local = new Map<LocalErrorType, Counter>()

  constructor(scope: Scope) {
    this.scope = scope
    this.ok = requests(scope, 'ok', '-')
    this.exception = requests(scope, 'exception', '-')
    this.error = requests(scope, 'error', '-')
    this.duration = scope.histogram('istio_request_duration_milliseconds')
  }

  local(type: LocalErrorType): Counter {
    let counter = this.#local.get(type)
    if (counter === undefined) {
      counter = requests(this.scope, 'error', flags[type])
      this.#local.set(type, counter)
    }
    return counter
  }
}

/** Response code as the incumbent has it: 0 for a good response (an application's exception is one), 1 for an error. */
function requests(scope: Scope, status: ResponseStatus, flag: string): Counter {
  return scope.counter('istio_requests_total', {
    response_code: status === 'error' ? '1' : '0',
    response_status: status,
    response_flags: flag,
  })
}

/** From `outbound|port|subset|host`; a name of another form stands for the service. */
function destination(cluster: string): Labels {
  const [direction, port, subset, host] = cluster.split('|')
  if (direction === undefined || port === undefined || subset === undefined || host === undefined || host === '') {
    return { destination_service: cluster, destination_service_name: cluster, destination_service_namespace: 'unknown' }
  }
  const [name = host, namespace, kind] = host.split('.')
  const known = kind === 'svc' && namespace !== undefined
  return {
    destination_service: host,
    destination_service_name: known ? name : host,
    destination_service_namespace: known ? namespace : 'unknown',
    destination_port: port,
    destination_subset: subset,
  }
}
