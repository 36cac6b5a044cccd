/** `type: eureka` in the configuration. */
import { closed, duration } from '@aeraki/api/schema'
import { type Static, Type } from 'typebox'
import { tlsSettings } from '../tls.ts'

export const eurekaSettings = closed({
  servers: Type.Array(Type.String({ pattern: '^https?://' }), {
    minItems: 1,
    description:
      "base URLs, http://[USER:PASSWORD@]HOST:PORT/eureka for Spring's, .../eureka/v2 for Netflix'; one is asked at a time",
  }),
  username: Type.Optional(Type.String({ description: 'for basic authentication, with all servers' })),
  password: Type.Optional(Type.String()),
  refresh: Type.Optional(duration({ description: 'time between questions for what changed; default 10s' })),
  domain: Type.Optional(
    Type.String({ minLength: 1, description: 'put behind the name of an application to make its host' }),
  ),
  tls: Type.Optional(tlsSettings),
})
export type EurekaSettings = Static<typeof eurekaSettings>
