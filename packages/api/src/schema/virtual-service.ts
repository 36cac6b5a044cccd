/** Istio VirtualService (networking.istio.io v1, v1beta1, v1alpha3). */
import { type Static, Type } from 'typebox'
import {
  closed,
  Destination,
  duration,
  int32,
  mapOf,
  oneOf,
  Percent,
  portNumber,
  StringMatch,
  strings,
  uint32,
} from './builders.ts'

const HeaderOperations = closed({
  set: Type.Optional(mapOf(Type.String())),
  add: Type.Optional(mapOf(Type.String())),
  remove: Type.Optional(strings()),
})

export const Headers = closed({
  request: Type.Optional(HeaderOperations),
  response: Type.Optional(HeaderOperations),
})
export type Headers = Static<typeof Headers>

export const HttpMatchRequest = closed({
  name: Type.Optional(Type.String()),
  uri: Type.Optional(StringMatch),
  scheme: Type.Optional(StringMatch),
  method: Type.Optional(StringMatch),
  authority: Type.Optional(StringMatch),
  headers: Type.Optional(mapOf(StringMatch)),
  withoutHeaders: Type.Optional(mapOf(StringMatch)),
  queryParams: Type.Optional(mapOf(StringMatch)),
  ignoreUriCase: Type.Optional(Type.Boolean()),
  port: Type.Optional(portNumber()),
  sourceLabels: Type.Optional(mapOf(Type.String())),
  sourceNamespace: Type.Optional(Type.String()),
  gateways: Type.Optional(strings()),
  statPrefix: Type.Optional(Type.String()),
})
export type HttpMatchRequest = Static<typeof HttpMatchRequest>

export const HttpRouteDestination = closed({
  destination: Destination,
  weight: Type.Optional(int32()),
  headers: Type.Optional(Headers),
})
export type HttpRouteDestination = Static<typeof HttpRouteDestination>

export const HttpRetry = closed({
  attempts: Type.Optional(int32()),
  perTryTimeout: Type.Optional(duration()),
  retryOn: Type.Optional(Type.String()),
  retryRemoteLocalities: Type.Optional(Type.Boolean()),
  retryIgnorePreviousHosts: Type.Optional(Type.Boolean()),
  backoff: Type.Optional(duration()),
})
export type HttpRetry = Static<typeof HttpRetry>

export const HttpFaultInjection = closed({
  delay: Type.Optional(
    closed({
      percent: Type.Optional(int32({ minimum: 0, maximum: 100 })),
      percentage: Type.Optional(Percent),
      fixedDelay: Type.Optional(duration()),
      exponentialDelay: Type.Optional(duration()),
    }),
  ),
  abort: Type.Optional(
    closed({
      percentage: Type.Optional(Percent),
      percent: Type.Optional(int32({ minimum: 0, maximum: 100 })),
      httpStatus: Type.Optional(int32()),
      grpcStatus: Type.Optional(Type.String()),
      http2Error: Type.Optional(Type.String()),
    }),
  ),
})
export type HttpFaultInjection = Static<typeof HttpFaultInjection>

const CorsPolicy = closed({
  allowOrigin: Type.Optional(strings()),
  allowOrigins: Type.Optional(Type.Array(StringMatch)),
  allowMethods: Type.Optional(strings()),
  allowHeaders: Type.Optional(strings()),
  exposeHeaders: Type.Optional(strings()),
  maxAge: Type.Optional(duration()),
  allowCredentials: Type.Optional(Type.Boolean()),
  unmatchedPreflights: Type.Optional(oneOf(['UNSPECIFIED', 'FORWARD', 'IGNORE'])),
})

const Redirect = closed({
  uri: Type.Optional(Type.String()),
  authority: Type.Optional(Type.String()),
  port: Type.Optional(portNumber()),
  derivePort: Type.Optional(oneOf(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'])),
  scheme: Type.Optional(Type.String()),
  redirectCode: Type.Optional(uint32()),
})

const Rewrite = closed({
  uri: Type.Optional(Type.String()),
  authority: Type.Optional(Type.String()),
  uriRegexRewrite: Type.Optional(
    closed({ match: Type.Optional(Type.String()), rewrite: Type.Optional(Type.String()) }),
  ),
})

const DirectResponse = closed({
  status: uint32(),
  body: Type.Optional(closed({ string: Type.Optional(Type.String()), bytes: Type.Optional(Type.String()) })),
})

export const HttpRoute = closed({
  name: Type.Optional(Type.String()),
  match: Type.Optional(Type.Array(HttpMatchRequest)),
  route: Type.Optional(Type.Array(HttpRouteDestination)),
  redirect: Type.Optional(Redirect),
  directResponse: Type.Optional(DirectResponse),
  delegate: Type.Optional(closed({ name: Type.Optional(Type.String()), namespace: Type.Optional(Type.String()) })),
  rewrite: Type.Optional(Rewrite),
  timeout: Type.Optional(duration()),
  retries: Type.Optional(HttpRetry),
  fault: Type.Optional(HttpFaultInjection),
  mirror: Type.Optional(Destination),
  mirrors: Type.Optional(Type.Array(closed({ destination: Destination, percentage: Type.Optional(Percent) }))),
  mirrorPercent: Type.Optional(uint32({ maximum: 100 })),
  mirrorPercentage: Type.Optional(Percent),
  corsPolicy: Type.Optional(CorsPolicy),
  headers: Type.Optional(Headers),
})
export type HttpRoute = Static<typeof HttpRoute>

export const RouteDestination = closed({ destination: Destination, weight: Type.Optional(int32()) })
export type RouteDestination = Static<typeof RouteDestination>

export const TlsRoute = closed({
  match: Type.Array(
    closed({
      sniHosts: strings(),
      destinationSubnets: Type.Optional(strings()),
      port: Type.Optional(portNumber()),
      sourceLabels: Type.Optional(mapOf(Type.String())),
      sourceNamespace: Type.Optional(Type.String()),
      gateways: Type.Optional(strings()),
    }),
  ),
  route: Type.Optional(Type.Array(RouteDestination)),
})
export type TlsRoute = Static<typeof TlsRoute>

export const TcpRoute = closed({
  match: Type.Optional(
    Type.Array(
      closed({
        destinationSubnets: Type.Optional(strings()),
        port: Type.Optional(portNumber()),
        sourceSubnet: Type.Optional(Type.String()),
        sourceLabels: Type.Optional(mapOf(Type.String())),
        sourceNamespace: Type.Optional(Type.String()),
        gateways: Type.Optional(strings()),
      }),
    ),
  ),
  route: Type.Optional(Type.Array(RouteDestination)),
})
export type TcpRoute = Static<typeof TcpRoute>

export const VirtualService = closed({
  hosts: Type.Optional(strings()),
  gateways: Type.Optional(strings()),
  http: Type.Optional(Type.Array(HttpRoute)),
  tls: Type.Optional(Type.Array(TlsRoute)),
  tcp: Type.Optional(Type.Array(TcpRoute)),
  exportTo: Type.Optional(strings()),
})
export type VirtualService = Static<typeof VirtualService>
