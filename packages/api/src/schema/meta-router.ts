/** Aeraki MetaRouter and ApplicationProtocol (metaprotocol.aeraki.io/v1alpha1). Field names are the wire contract. */
import { type Static, Type } from 'typebox'
import { closed, Destination, duration, mapOf, Percent, StringMatch, strings, uint32 } from './builders.ts'

export const MetaRouteMatch = closed({
  attributes: Type.Optional(
    mapOf(StringMatch, {
      description:
        'Attribute name (any case) to condition. All have to hold. {regex: "*"}, or no value, asks that the attribute is there.',
    }),
  ),
})
export type MetaRouteMatch = Static<typeof MetaRouteMatch>

export const MetaRouteDestination = closed({
  destination: Destination,
  weight: Type.Optional(
    uint32({ maximum: 100, description: 'Percent of the requests; all weights of a route sum to 100.' }),
  ),
})
export type MetaRouteDestination = Static<typeof MetaRouteDestination>

export const KeyValue = closed({ key: Type.String({ minLength: 1 }), value: Type.String({ minLength: 1 }) })
export type KeyValue = Static<typeof KeyValue>

export const MetaRoute = closed({
  name: Type.Optional(Type.String({ description: 'For people, logs and metrics.' })),
  match: Type.Optional(MetaRouteMatch),
  route: Type.Array(MetaRouteDestination, { minItems: 1 }),
  mirror: Type.Optional(Destination),
  mirrorPercentage: Type.Optional(Percent),
  requestMutation: Type.Optional(Type.Array(KeyValue)),
  responseMutation: Type.Optional(Type.Array(KeyValue)),
  timeout: Type.Optional(
    duration({ description: 'How long to wait for the response of a request; 15s when absent, 0s waits for ever.' }),
  ),
})
export type MetaRoute = Static<typeof MetaRoute>

export const TokenBucket = closed({
  maxTokens: uint32({ minimum: 1, description: 'Size of the bucket, which starts full.' }),
  tokensPerFill: Type.Optional(uint32({ minimum: 1, description: 'Tokens added at each fill; 1 when absent.' })),
  fillInterval: duration(),
})
export type TokenBucket = Static<typeof TokenBucket>

export const LocalRateLimit = closed({
  tokenBucket: Type.Optional(TokenBucket),
  conditions: Type.Optional(Type.Array(closed({ match: Type.Optional(MetaRouteMatch), tokenBucket: TokenBucket }))),
})
export type LocalRateLimit = Static<typeof LocalRateLimit>

export const GlobalRateLimit = closed({
  match: Type.Optional(MetaRouteMatch),
  domain: Type.String({ minLength: 1 }),
  requestTimeout: Type.Optional(duration({ description: 'For the rate limit service; 20ms when absent.' })),
  denyOnFail: Type.Optional(Type.Boolean()),
  rateLimitService: Type.String({
    minLength: 1,
    description: 'Cluster name, such as outbound|8081||rate-limit.ns.svc.cluster.local',
  }),
  descriptors: Type.Array(
    closed({ property: Type.String({ minLength: 1 }), descriptorKey: Type.String({ minLength: 1 }) }),
    { minItems: 1 },
  ),
})
export type GlobalRateLimit = Static<typeof GlobalRateLimit>

export const MetaRouter = closed({
  hosts: strings({ description: 'Exactly one: the host of the service as in its ServiceEntry.' }),
  gateways: Type.Optional(strings({ description: 'namespace/name, or name, of Gateways that expose the service.' })),
  routes: Type.Optional(Type.Array(MetaRoute, { description: 'The first that matches wins.' })),
  localRateLimit: Type.Optional(LocalRateLimit),
  globalRateLimit: Type.Optional(GlobalRateLimit),
  exportTo: Type.Optional(strings({ description: 'Namespaces of the clients that get the routes.' })),
})
export type MetaRouter = Static<typeof MetaRouter>

export const ApplicationProtocol = closed({
  protocol: Type.String({
    minLength: 1,
    description: 'Name of the protocol, as in the port name tcp-metaprotocol-<protocol>.',
  }),
  codec: Type.String({ minLength: 1, description: 'Name of the codec in the proxy.' }),
})
export type ApplicationProtocol = Static<typeof ApplicationProtocol>
