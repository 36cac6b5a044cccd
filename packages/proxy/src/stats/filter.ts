import type { LocalErrorType } from '@aeraki/protocols'
import type { Counter, Gauge, Histogram } from './metric.ts'
import type { Scope, StatsRegistry } from './registry.ts'

/** `meta_protocol.<protocol>.<stat_prefix>.*`: the incumbent's names first, then ours. */
export interface FilterStats {
  readonly scope: Scope
  readonly request: Counter
  readonly requestTwoway: Counter
  readonly requestOneway: Counter
  readonly requestEvent: Counter
  readonly requestStream: Counter
  readonly requestDecodingSuccess: Counter
  readonly requestDecodingError: Counter
  readonly response: Counter
  readonly responseSuccess: Counter
  readonly responseError: Counter
  readonly responseBusinessException: Counter
  readonly responseDecodingSuccess: Counter
  readonly responseDecodingError: Counter
  readonly responseErrorCausedConnectionClose: Counter
  readonly localResponseSuccess: Counter
  readonly localResponseError: Counter
  readonly localResponseBusinessException: Counter
  readonly destroyedLocalWithRequests: Counter
  readonly destroyedRemoteWithRequests: Counter
  readonly idleTimeout: Counter
  readonly requestActive: Gauge
  readonly requestTime: Histogram
  /** Exactly one of these for each request that ends. */
  readonly outcomeResponse: Counter
  readonly outcomeLocalReply: Counter
  readonly outcomeOneway: Counter
  readonly outcomeReset: Counter
  readonly outcomeMirror: Counter
  readonly localReply: Readonly<Record<LocalErrorType, Counter>>
  readonly connections: Counter
  readonly connectionsActive: Gauge
  readonly connectionsDestroyed: Counter
  readonly connectionsOverflow: Counter
  readonly bytesReceived: Counter
  readonly bytesSent: Counter
  readonly incompleteFrameTimeout: Counter
  readonly outputOverflow: Counter
  readonly pausedReading: Counter
  readonly resumedReading: Counter
}

const localErrorTypes: readonly LocalErrorType[] = [
  'route-not-found',
  'cluster-not-found',
  'no-healthy-upstream',
  'connection-failure',
  'upstream-reset',
  'bad-response',
  'timeout',
  'over-limit',
  'overflow',
  'denied',
  'fault',
  'unspecified',
]

export function filterStats(stats: StatsRegistry, protocol: string, statPrefix: string): FilterStats {
  const labels = { application_protocol: protocol, stat_prefix: statPrefix }
  const scope = stats.scope(`meta_protocol.${protocol}.${statPrefix}.`, 'envoy_meta_protocol_', labels)
  const localReply = Object.fromEntries(
    localErrorTypes.map((type) => [type, scope.counter(`local_reply.${type.replaceAll('-', '_')}`)]),
  ) as Record<LocalErrorType, Counter>
  return {
    scope,
    localReply,
    request: scope.counter('request'),
    requestTwoway: scope.counter('request_twoway'),
    requestOneway: scope.counter('request_oneway'),
    requestEvent: scope.counter('request_event'),
    requestStream: scope.counter('request_stream'),
    requestDecodingSuccess: scope.counter('request_decoding_success'),
    requestDecodingError: scope.counter('request_decoding_error'),
    response: scope.counter('response'),
    responseSuccess: scope.counter('response_success'),
    responseError: scope.counter('response_error'),
    responseBusinessException: scope.counter('response_business_exception'),
    responseDecodingSuccess: scope.counter('response_decoding_success'),
    responseDecodingError: scope.counter('response_decoding_error'),
    responseErrorCausedConnectionClose: scope.counter('response_error_caused_connection_close'),
    localResponseSuccess: scope.counter('local_response_success'),
    localResponseError: scope.counter('local_response_error'),
    localResponseBusinessException: scope.counter('local_response_business_exception'),
    destroyedLocalWithRequests: scope.counter('cx_destroy_local_with_active_rq'),
    destroyedRemoteWithRequests: scope.counter('cx_destroy_remote_with_active_rq'),
    idleTimeout: scope.counter('idle_timeout'),
    requestActive: scope.gauge('request_active'),
    requestTime: scope.histogram('request_time_ms'),
    outcomeResponse: scope.counter('outcome.response'),
    outcomeLocalReply: scope.counter('outcome.local_reply'),
    outcomeOneway: scope.counter('outcome.oneway'),
    outcomeReset: scope.counter('outcome.reset'),
    outcomeMirror: scope.counter('outcome.mirror'),
    connections: scope.counter('downstream_cx_total'),
    connectionsActive: scope.gauge('downstream_cx_active'),
    connectionsDestroyed: scope.counter('downstream_cx_destroy'),
    connectionsOverflow: scope.counter('downstream_cx_overflow'),
    bytesReceived: scope.counter('downstream_cx_rx_bytes_total'),
    bytesSent: scope.counter('downstream_cx_tx_bytes_total'),
    incompleteFrameTimeout: scope.counter('downstream_cx_incomplete_frame_timeout'),
    outputOverflow: scope.counter('downstream_cx_output_overflow'),
    pausedReading: scope.counter('downstream_flow_control_paused_reading_total'),
    resumedReading: scope.counter('downstream_flow_control_resumed_reading_total'),
  }
}
