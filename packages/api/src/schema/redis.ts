/** Aeraki RedisService and RedisDestination (redis.aeraki.io/v1alpha1). Field names are the wire contract. */
import { type Static, Type } from 'typebox'
import { closed, duration, oneOf, Percent, portNumber, strings, uint32 } from './builders.ts'
import { TcpSettings } from './destination-rule.ts'

/** One of the two. */
export const RedisAuth = closed({
  secret: Type.Optional(
    closed({
      name: Type.String({ minLength: 1, description: 'A Secret of the same namespace.' }),
      passwordField: Type.Optional(Type.String({ description: 'Default: `password`, else `token`.' })),
      usernameField: Type.Optional(Type.String({ description: 'Default: `username`, where the Secret has it.' })),
    }),
  ),
  plain: Type.Optional(closed({ password: Type.Optional(Type.String()), username: Type.Optional(Type.String()) })),
})
export type RedisAuth = Static<typeof RedisAuth>

export const RedisSettings = closed({
  auth: Type.Optional(RedisAuth),
  caseInsensitive: Type.Optional(Type.Boolean()),
  opTimeout: Type.Optional(duration({ description: 'Of one command; 60s when absent.' })),
  enableCommandStats: Type.Optional(Type.Boolean()),
  maxBufferSizeBeforeFlush: Type.Optional(uint32()),
  bufferFlushTimeout: Type.Optional(duration()),
  maxUpstreamUnknownConnections: Type.Optional(uint32()),
  enableHashtagging: Type.Optional(Type.Boolean()),
  enableRedirection: Type.Optional(Type.Boolean()),
  readPolicy: Type.Optional(oneOf(['MASTER', 'PREFER_MASTER', 'REPLICA', 'PREFER_REPLICA', 'ANY'])),
})
export type RedisSettings = Static<typeof RedisSettings>

export const RedisRouteDestination = closed({ host: Type.String(), port: Type.Optional(portNumber()) })
export type RedisRouteDestination = Static<typeof RedisRouteDestination>

export const RedisRoute = closed({
  match: Type.Optional(
    closed({
      key: Type.Optional(closed({ prefix: Type.Optional(Type.String()), removePrefix: Type.Optional(Type.Boolean()) })),
    }),
  ),
  route: RedisRouteDestination,
  mirror: Type.Optional(
    Type.Array(
      closed({
        route: RedisRouteDestination,
        percentage: Type.Optional(Percent),
        excludeReadCommands: Type.Optional(Type.Boolean()),
      }),
    ),
  ),
})
export type RedisRoute = Static<typeof RedisRoute>

export const RedisFault = closed({
  type: Type.Optional(oneOf(['DELAY', 'ERROR'])),
  percentage: Type.Optional(Percent),
  delay: Type.Optional(duration()),
  commands: Type.Optional(strings()),
})
export type RedisFault = Static<typeof RedisFault>

export const RedisService = closed({
  host: strings({ minItems: 1, description: 'Hosts of the services of the same namespace that this applies to.' }),
  settings: Type.Optional(RedisSettings),
  redis: Type.Optional(
    Type.Array(RedisRoute, { description: 'The longest prefix wins; one without match is for the rest.' }),
  ),
  faults: Type.Optional(Type.Array(RedisFault)),
})
export type RedisService = Static<typeof RedisService>

export const RedisDestination = closed({
  host: Type.String({ minLength: 1 }),
  trafficPolicy: Type.Optional(
    closed({
      connectionPool: Type.Optional(
        closed({
          tcp: Type.Optional(TcpSettings),
          redis: Type.Optional(
            closed({
              mode: Type.Optional(oneOf(['PROXY', 'CLUSTER'])),
              auth: Type.Optional(RedisAuth),
              discoveryEndpoints: Type.Optional(strings({ description: 'host or host:port seeds, for mode CLUSTER.' })),
            }),
          ),
        }),
      ),
    }),
  ),
})
export type RedisDestination = Static<typeof RedisDestination>
