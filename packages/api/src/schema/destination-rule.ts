/** Istio DestinationRule (networking.istio.io v1, v1beta1, v1alpha3). */
import { type Static, Type } from 'typebox'
import { closed, duration, int32, mapOf, oneOf, portNumber, strings, uint32 } from './builders.ts'

const TcpKeepalive = closed({
  probes: Type.Optional(uint32()),
  time: Type.Optional(duration()),
  interval: Type.Optional(duration()),
})

/** Shared with RedisDestination. */
export const TcpSettings = closed({
  maxConnections: Type.Optional(int32()),
  connectTimeout: Type.Optional(duration()),
  tcpKeepalive: Type.Optional(TcpKeepalive),
  maxConnectionDuration: Type.Optional(duration()),
  idleTimeout: Type.Optional(duration()),
})
export type TcpSettings = Static<typeof TcpSettings>

export const ConnectionPool = closed({
  tcp: Type.Optional(TcpSettings),
  http: Type.Optional(
    closed({
      http1MaxPendingRequests: Type.Optional(int32()),
      http2MaxRequests: Type.Optional(int32()),
      maxRequestsPerConnection: Type.Optional(int32()),
      maxRetries: Type.Optional(int32()),
      idleTimeout: Type.Optional(duration()),
      h2UpgradePolicy: Type.Optional(oneOf(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'])),
      useClientProtocol: Type.Optional(Type.Boolean()),
      maxConcurrentStreams: Type.Optional(int32()),
    }),
  ),
})
export type ConnectionPool = Static<typeof ConnectionPool>

export const LocalityLbSetting = closed({
  enabled: Type.Optional(Type.Boolean()),
  distribute: Type.Optional(
    Type.Array(closed({ from: Type.Optional(Type.String()), to: Type.Optional(mapOf(uint32({ maximum: 100 }))) })),
  ),
  failover: Type.Optional(Type.Array(closed({ from: Type.Optional(Type.String()), to: Type.Optional(Type.String()) }))),
  failoverPriority: Type.Optional(strings()),
})
export type LocalityLbSetting = Static<typeof LocalityLbSetting>

export const ConsistentHash = closed({
  httpHeaderName: Type.Optional(Type.String()),
  httpCookie: Type.Optional(
    closed({
      name: Type.String(),
      path: Type.Optional(Type.String()),
      ttl: Type.Optional(duration()),
      attributes: Type.Optional(
        Type.Array(closed({ name: Type.Optional(Type.String()), value: Type.Optional(Type.String()) })),
      ),
    }),
  ),
  useSourceIp: Type.Optional(Type.Boolean()),
  httpQueryParameterName: Type.Optional(Type.String()),
  ringHash: Type.Optional(closed({ minimumRingSize: Type.Optional(uint32()) })),
  maglev: Type.Optional(closed({ tableSize: Type.Optional(uint32()) })),
  minimumRingSize: Type.Optional(uint32()),
})
export type ConsistentHash = Static<typeof ConsistentHash>

export const LoadBalancer = closed({
  simple: Type.Optional(oneOf(['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'])),
  consistentHash: Type.Optional(ConsistentHash),
  localityLbSetting: Type.Optional(LocalityLbSetting),
  warmupDurationSecs: Type.Optional(duration()),
  warmup: Type.Optional(
    closed({
      duration: duration(),
      minimumPercent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
      aggression: Type.Optional(Type.Number({ minimum: 1 })),
    }),
  ),
})
export type LoadBalancer = Static<typeof LoadBalancer>

export const OutlierDetection = closed({
  splitExternalLocalOriginErrors: Type.Optional(Type.Boolean()),
  consecutiveLocalOriginFailures: Type.Optional(uint32()),
  consecutiveGatewayErrors: Type.Optional(uint32()),
  consecutive5xxErrors: Type.Optional(uint32()),
  consecutiveErrors: Type.Optional(int32()),
  interval: Type.Optional(duration()),
  baseEjectionTime: Type.Optional(duration()),
  maxEjectionPercent: Type.Optional(int32({ minimum: 0, maximum: 100 })),
  minHealthPercent: Type.Optional(int32({ minimum: 0, maximum: 100 })),
})
export type OutlierDetection = Static<typeof OutlierDetection>

export const ClientTls = closed({
  mode: Type.Optional(oneOf(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'])),
  clientCertificate: Type.Optional(Type.String()),
  privateKey: Type.Optional(Type.String()),
  caCertificates: Type.Optional(Type.String()),
  credentialName: Type.Optional(Type.String()),
  subjectAltNames: Type.Optional(strings()),
  sni: Type.Optional(Type.String()),
  insecureSkipVerify: Type.Optional(Type.Boolean()),
  caCrl: Type.Optional(Type.String()),
})
export type ClientTls = Static<typeof ClientTls>

const policyFields = {
  loadBalancer: Type.Optional(LoadBalancer),
  connectionPool: Type.Optional(ConnectionPool),
  outlierDetection: Type.Optional(OutlierDetection),
  tls: Type.Optional(ClientTls),
}

export const PortTrafficPolicy = closed({ port: Type.Optional(closed({ number: portNumber() })), ...policyFields })
export type PortTrafficPolicy = Static<typeof PortTrafficPolicy>

export const TrafficPolicy = closed({
  ...policyFields,
  portLevelSettings: Type.Optional(Type.Array(PortTrafficPolicy)),
  tunnel: Type.Optional(
    closed({ protocol: Type.Optional(Type.String()), targetHost: Type.String(), targetPort: portNumber() }),
  ),
  proxyProtocol: Type.Optional(closed({ version: Type.Optional(oneOf(['V1', 'V2'])) })),
  retryBudget: Type.Optional(
    closed({
      percent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
      minRetryConcurrency: Type.Optional(uint32()),
    }),
  ),
})
export type TrafficPolicy = Static<typeof TrafficPolicy>

export const Subset = closed({
  name: Type.String(),
  labels: Type.Optional(mapOf(Type.String())),
  trafficPolicy: Type.Optional(TrafficPolicy),
})
export type Subset = Static<typeof Subset>

export const DestinationRule = closed({
  host: Type.String(),
  trafficPolicy: Type.Optional(TrafficPolicy),
  subsets: Type.Optional(Type.Array(Subset)),
  exportTo: Type.Optional(strings()),
  workloadSelector: Type.Optional(closed({ matchLabels: Type.Optional(mapOf(Type.String())) })),
})
export type DestinationRule = Static<typeof DestinationRule>
