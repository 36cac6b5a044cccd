/** `type: zookeeper` in the configuration. */
import { closed, duration, oneOf } from '@aeraki/api/schema'
import { type Static, Type } from 'typebox'
import { tlsSettings } from '../tls.ts'
import type { ServerAddress } from './connection.ts'

export const zookeeperSettings = closed({
  servers: Type.Array(Type.String({ pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[^:/\\s]+)(:\\d{1,5})?$' }), {
    minItems: 1,
    description: 'host:port of each server of the ensemble; default port 2181',
  }),
  root: Type.Optional(Type.String({ pattern: '^/.*[^/]$', description: 'Dubbo\'s node, its "group"; default /dubbo' })),
  servicesRoot: Type.Optional(
    Type.String({ pattern: '^/.*[^/]$', description: 'node of service discovery; default /services' }),
  ),
  read: Type.Optional(
    Type.Array(oneOf(['interfaces', 'applications']), {
      minItems: 1,
      description: "Dubbo's interface-level registrations, and applications of Dubbo 3 and Spring; default both",
    }),
  ),
  username: Type.Optional(Type.String({ description: 'for digest authentication' })),
  password: Type.Optional(Type.String()),
  sessionTimeout: Type.Optional(
    duration({ description: 'a server that says nothing for so long is given up; default 15s' }),
  ),
  tls: Type.Optional(tlsSettings),
})
export type ZookeeperSettings = Static<typeof zookeeperSettings>

export function serverAddress(text: string): ServerAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  return { host: bracketed ?? plain ?? text, port: Number(port ?? 2181) }
}
