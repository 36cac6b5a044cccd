/** `type: nacos` in the configuration. */
import { closed, duration } from '@aeraki/api/schema'
import { type Static, Type } from 'typebox'
import { tlsSettings } from '../tls.ts'

export const nacosSettings = closed({
  servers: Type.Array(Type.String({ pattern: '^https?://' }), {
    minItems: 1,
    description: 'base URLs, http://HOST:8848/nacos; the path may be left out. One is asked at a time',
  }),
  namespaces: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: 'ids, `public` for the one without; default: all, for which the user must be an administrator',
    }),
  ),
  groups: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description: 'default: all' })),
  username: Type.Optional(Type.String()),
  password: Type.Optional(Type.String()),
  refresh: Type.Optional(
    duration({
      description: 'time between looks for new services, and where the server does not push for changes; default 10s',
    }),
  ),
  tls: Type.Optional(tlsSettings),
})
export type NacosSettings = Static<typeof nacosSettings>

/** With the usual path where there is none. */
export function serverUrl(server: string): string {
  const url = new URL(server)
  if (url.pathname === '/') url.pathname = '/nacos'
  return url.href.replace(/\/$/, '')
}
