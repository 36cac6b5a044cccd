/** `type: etcd` in the configuration. */
import { closed, oneOf } from '@aeraki/api/schema'
import { type Static, Type } from 'typebox'
import { tlsSettings } from '../tls.ts'

export const etcdSettings = closed({
  servers: Type.Array(Type.String({ pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[^:/\\s]+)(:\\d{1,5})?$' }), {
    minItems: 1,
    description: 'host:port of each member of the cluster; default port 2379',
  }),
  root: Type.Optional(
    Type.String({ pattern: '^/.*[^/]$', description: 'Dubbo\'s prefix, its "group"; default /dubbo' }),
  ),
  servicesRoot: Type.Optional(
    Type.String({ pattern: '^/.*[^/]$', description: 'prefix of service discovery; default /services' }),
  ),
  read: Type.Optional(
    Type.Array(oneOf(['interfaces', 'applications']), {
      minItems: 1,
      description: "Dubbo's interface-level registrations, and its applications; default both",
    }),
  ),
  username: Type.Optional(Type.String({ description: 'its role needs to read both prefixes' })),
  password: Type.Optional(Type.String()),
  tls: Type.Optional(tlsSettings),
})
export type EtcdSettings = Static<typeof etcdSettings>

/** With the port. */
export function memberAddress(server: string): string {
  return /\]$|^[^:]*$/.test(server) ? `${server}:2379` : server
}
