/**
 * Every limit of the data path in one place. What Envoy has too bears Envoy's name in the comment; what is counted when
 * a limit is hit stands behind it.
 */
export interface ProxyLimits {
  /** Bytes. A longer frame closes its connection: `request_decoding_error`, `response_decoding_error`. */
  readonly maxFrameBytes: number
  /** Attributes parsed per frame at most. */
  readonly maxAttributes: number
  /**
   * Connections per listener; more are closed at once. Envoy: the connection_limit filter. `downstream_cx_overflow`.
   */
  readonly maxConnectionsPerListener: number
  /**
   * Requests in flight per client connection; then it is not read from until some have ended. Envoy:
   * max_concurrent_streams. `downstream_flow_control_paused_reading_total`.
   */
  readonly maxInFlightPerConnection: number
  /**
   * Bytes waiting for a slow client, above which its requests are not read any more; half of it ends the pause. Envoy:
   * per_connection_buffer_limit_bytes. `downstream_flow_control_paused_reading_total`.
   */
  readonly downstreamHighWatermark: number
  /** Bytes waiting for a slow client, above which it is closed. `downstream_cx_output_overflow`. */
  readonly downstreamHardLimit: number
  /**
   * Bytes waiting for a slow server, above which clients that write to it are not read any more; half of it ends the
   * pause. Mirrored requests are dropped meanwhile (`mirror_overflow`). Envoy: the cluster's
   * per_connection_buffer_limit_bytes. `upstream_flow_control_backed_up_total`.
   */
  readonly upstreamHighWatermark: number
  /** Milliseconds a client may take over one frame (slow loris). `downstream_cx_incomplete_frame_timeout`. */
  readonly incompleteFrameTimeoutMs: number
  /** Milliseconds until a response has come, where the route says nothing. Envoy: route timeout. `upstream_rq_timeout`. */
  readonly requestTimeoutMs: number
  /**
   * Endpoints tried for a request whose connection could not be made. Envoy: retry on connect-failure.
   * `upstream_cx_connect_fail`.
   */
  readonly maxConnectAttempts: number
  /** Milliseconds for which an endpoint that refused a connection is avoided if there are others. */
  readonly connectBackoffMs: number
  /** Connections per endpoint that requests of a multiplexed protocol share. */
  readonly multiplexedConnections: number
  /**
   * Requests given up (timeout, client gone) whose response may still come, per multiplexed connection. Then a new
   * connection takes over. `upstream_cx_retired`.
   */
  readonly maxTombstones: number
  /**
   * Idle connections kept per endpoint for exclusive protocols. Envoy keeps them all, and the cluster's max_connections
   * is what bounds them: where fewer are kept than are needed at once, requests connect anew, which takes most of the CPU.
   */
  readonly maxIdleConnections: number
  /** Milliseconds after which an idle connection to a server is closed. Envoy: idle_timeout. `upstream_cx_idle_timeout`. */
  readonly upstreamIdleTimeoutMs: number
  /**
   * Milliseconds without a byte from a server, after which it gets a heartbeat where the protocol has one; when three
   * have brought nothing the connection is closed: `upstream_cx_heartbeat_timeout`. 0: no heartbeats.
   */
  readonly heartbeatIntervalMs: number
  /** Mirrored requests in flight per cluster; more are not mirrored. `mirror_overflow`. */
  readonly maxMirrorsInFlight: number
  /**
   * Milliseconds for which connections of a removed listener are served on even when idle: clients learn that it is
   * gone no sooner than the proxy does.
   */
  readonly lingerMs: number
  /**
   * Milliseconds that a peer, client or server, may take to end its side of a connection after the proxy has ended its
   * own; then it is closed. Envoy: delayed_close_timeout.
   */
  readonly halfClosedTimeoutMs: number
  /** Milliseconds that connections of removed listeners may go on. Envoy: --drain-time-s. */
  readonly drainMs: number
}

export const defaultProxyLimits: ProxyLimits = {
  maxFrameBytes: 16 * 1024 * 1024,
  maxAttributes: 1000,
  maxConnectionsPerListener: 50_000,
  maxInFlightPerConnection: 10_000,
  downstreamHighWatermark: 1024 * 1024,
  downstreamHardLimit: 48 * 1024 * 1024,
  upstreamHighWatermark: 1024 * 1024,
  incompleteFrameTimeoutMs: 60_000,
  requestTimeoutMs: 15_000,
  maxConnectAttempts: 4,
  connectBackoffMs: 500,
  multiplexedConnections: 1,
  maxTombstones: 1024,
  maxIdleConnections: 16_384,
  upstreamIdleTimeoutMs: 3_600_000,
  heartbeatIntervalMs: 60_000,
  maxMirrorsInFlight: 1000,
  lingerMs: 1000,
  halfClosedTimeoutMs: 5000,
  drainMs: 30_000,
}
