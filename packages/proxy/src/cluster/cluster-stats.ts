import type { Counter, Gauge } from '../stats/metric.ts'
import type { Scope, StatsRegistry } from '../stats/registry.ts'

/** Envoy's `cluster.<name>.upstream_*`. */
export interface ClusterStats {
  readonly scope: Scope
  readonly requests: Counter
  readonly requestsActive: Gauge
  readonly requestsCompleted: Counter
  readonly requestsTimedOut: Counter
  readonly requestsReset: Counter
  readonly requestsRetried: Counter
  readonly pendingActive: Gauge
  readonly pendingTotal: Counter
  readonly pendingOverflow: Counter
  readonly requestsOverflow: Counter
  readonly connections: Counter
  readonly connectionsActive: Gauge
  readonly connectionsFailed: Counter
  readonly connectionsTimedOut: Counter
  readonly connectionsOverflow: Counter
  readonly connectionsRetired: Counter
  readonly connectionsIdleTimeout: Counter
  readonly heartbeats: Counter
  readonly heartbeatTimeouts: Counter
  readonly destroyed: Counter
  readonly destroyedWithRequests: Counter
  readonly bytesReceived: Counter
  readonly bytesSent: Counter
  readonly decodingErrors: Counter
  readonly unexpectedResponses: Counter
  readonly lateResponses: Counter
  readonly backedUp: Counter
  readonly drained: Counter
  readonly mirrorOverflow: Counter
  readonly noHealthyUpstream: Counter
  readonly membershipTotal: Gauge
  readonly membershipHealthy: Gauge
  readonly ejections: Counter
  readonly ejectionsActive: Gauge
}

export function clusterStats(stats: StatsRegistry, name: string): ClusterStats {
  const scope = stats.scope(`cluster.${name}.`, 'envoy_cluster_', { envoy_cluster_name: name })
  return {
    scope,
    requests: scope.counter('upstream_rq_total'),
    requestsActive: scope.gauge('upstream_rq_active'),
    requestsCompleted: scope.counter('upstream_rq_completed'),
    requestsTimedOut: scope.counter('upstream_rq_timeout'),
    requestsReset: scope.counter('upstream_rq_rx_reset'),
    requestsRetried: scope.counter('upstream_rq_retry'),
    pendingActive: scope.gauge('upstream_rq_pending_active'),
    pendingTotal: scope.counter('upstream_rq_pending_total'),
    pendingOverflow: scope.counter('upstream_rq_pending_overflow'),
    requestsOverflow: scope.counter('upstream_rq_active_overflow'),
    connections: scope.counter('upstream_cx_total'),
    connectionsActive: scope.gauge('upstream_cx_active'),
    connectionsFailed: scope.counter('upstream_cx_connect_fail'),
    connectionsTimedOut: scope.counter('upstream_cx_connect_timeout'),
    connectionsOverflow: scope.counter('upstream_cx_overflow'),
    connectionsRetired: scope.counter('upstream_cx_retired'),
    connectionsIdleTimeout: scope.counter('upstream_cx_idle_timeout'),
    heartbeats: scope.counter('upstream_cx_heartbeat'),
    heartbeatTimeouts: scope.counter('upstream_cx_heartbeat_timeout'),
    destroyed: scope.counter('upstream_cx_destroy'),
    destroyedWithRequests: scope.counter('upstream_cx_destroy_with_active_rq'),
    bytesReceived: scope.counter('upstream_cx_rx_bytes_total'),
    bytesSent: scope.counter('upstream_cx_tx_bytes_total'),
    decodingErrors: scope.counter('upstream_cx_protocol_error'),
    unexpectedResponses: scope.counter('upstream_rq_unexpected_response'),
    lateResponses: scope.counter('upstream_rq_late_response'),
    backedUp: scope.counter('upstream_flow_control_backed_up_total'),
    drained: scope.counter('upstream_flow_control_drained_total'),
    mirrorOverflow: scope.counter('mirror_overflow'),
    noHealthyUpstream: scope.counter('upstream_cx_none_healthy'),
    membershipTotal: scope.gauge('membership_total', undefined, 'max'),
    membershipHealthy: scope.gauge('membership_healthy', undefined, 'max'),
    ejections: scope.counter('outlier_detection.ejections_enforced_total'),
    ejectionsActive: scope.gauge('outlier_detection.ejections_active', undefined, 'max'),
  }
}
