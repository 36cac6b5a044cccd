/** `type: consul` in the configuration. */
import { closed } from '@aeraki/api/schema'
import { type Static, Type } from 'typebox'
import { tlsSettings } from '../tls.ts'

export const consulSettings = closed({
  address: Type.Optional(
    Type.String({
      pattern: '^https?://',
      description: 'URL of an agent, best the local one; default http://127.0.0.1:8500',
    }),
  ),
  token: Type.Optional(Type.String({ description: 'ACL token; it needs node:read and service:read' })),
  datacenter: Type.Optional(
    Type.String({
      minLength: 1,
      description: "default: the agent's own. For several, list the registry several times",
    }),
  ),
  filter: Type.Optional(
    Type.String({ minLength: 1, description: 'expression on instances, such as `"public" in Service.Tags`' }),
  ),
  domain: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'put behind the name of a service to make its host, such as service.consul',
    }),
  ),
  protocol: Type.Optional(
    Type.String({ minLength: 1, description: 'of services whose meta has no `protocol`; default tcp' }),
  ),
  tls: Type.Optional(tlsSettings),
})
export type ConsulSettings = Static<typeof consulSettings>

export const defaultAddress = 'http://127.0.0.1:8500'
