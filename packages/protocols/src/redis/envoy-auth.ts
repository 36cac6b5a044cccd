/**
 * Passwords, from a Secret of the service's namespace or in plain. They stand in the filter's configuration as they are,
 * trimmed: Secrets are often made with a newline at the end. No finding ever says one.
 */
import type { ObjectOf, RedisAuth } from '@aeraki/api'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { DataSourceSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import type {
  RedisProtocolOptionsSchema,
  RedisProxySchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/redis_proxy/v3/redis_proxy_pb.ts'
import type { EnvoyPort, ObjectRef } from '../envoy/contract.ts'
import { refOf } from './envoy-policy.ts'

interface Credentials {
  readonly password: string
  /** Undefined: that of the default user. */
  readonly username: string | undefined
}

type DataSource = MessageInitShape<typeof DataSourceSchema>
type Init<S> = Exclude<S, { $typeName: string }>
type DownstreamAuth = Pick<
  Init<MessageInitShape<typeof RedisProxySchema>>,
  'downstreamAuthPasswords' | 'downstreamAuthUsername'
>

/** What clients must present. `missing`: it is asked for and can't be had, which has been reported. */
export function downstreamAuth(port: EnvoyPort, service: ObjectOf<'RedisService'>): DownstreamAuth | 'missing' {
  const auth = service.spec.settings?.auth
  if (auth === undefined) return {}
  const found = credentials(port, auth, refOf(service), 'spec.settings.auth', 'every command of a client is refused')
  if (found === undefined) return 'missing'
  return {
    downstreamAuthPasswords: [inline(found.password)],
    ...(found.username === undefined ? {} : { downstreamAuthUsername: inline(found.username) }),
  }
}

/** What Envoy presents to servers. Undefined: nothing. */
export function upstreamAuth(
  port: EnvoyPort,
  destination: ObjectOf<'RedisDestination'>,
): Init<MessageInitShape<typeof RedisProtocolOptionsSchema>> | undefined {
  const auth = destination.spec.trafficPolicy?.connectionPool?.redis?.auth
  if (auth === undefined) return undefined
  const field = 'spec.trafficPolicy.connectionPool.redis.auth'
  const found = credentials(port, auth, refOf(destination), field, 'servers are called without a password')
  if (found === undefined) return undefined
  return {
    authPassword: inline(found.password),
    ...(found.username === undefined ? {} : { authUsername: inline(found.username) }),
  }
}

function credentials(
  port: EnvoyPort,
  { secret, plain }: RedisAuth,
  about: ObjectRef,
  field: string,
  consequence: string,
): Credentials | undefined {
  if (plain !== undefined) return trimmed(plain.password, plain.username)
  if (secret === undefined) return undefined
  const report = (at: string, value: string, message: string, remedy: string, then = consequence): void =>
    port.report(about, {
      severity: 'error',
      code: 'ENVOY_MISSING_SECRET',
      field: `${field}.secret.${at}`,
      value,
      message: `${message}: ${then}`,
      remedy,
    })
  const known = port.secret(secret.name)
  if (known === undefined || known.isGone) {
    const then = known === undefined ? consequence : 'what it said last stays in force'
    report(
      'name',
      secret.name,
      `namespace ${port.namespace} has no such Secret`,
      'create it, or correct the name',
      then,
    )
  }
  if (known === undefined) return undefined
  const { entries } = known
  const { passwordField, usernameField } = secret
  const password = passwordField === undefined ? (entries['password'] ?? entries['token']) : entries[passwordField]
  const found = trimmed(password, entries[usernameField ?? 'username'])
  const has = `Secret ${secret.name} has `
  if (found === undefined) {
    const wanted = passwordField ?? 'password, nor token'
    report('passwordField', wanted, `${has}no entry ${wanted} with a password in it`, 'add it, or name another entry')
    return undefined
  }
  if (usernameField !== undefined && found.username === undefined) {
    report(
      'usernameField',
      usernameField,
      `${has}no entry ${usernameField} with a name in it`,
      'add it, or leave it out',
    )
    return undefined
  }
  return found
}

function trimmed(password: string | undefined, username: string | undefined): Credentials | undefined {
  const word = password?.trim() ?? ''
  if (word === '') return undefined
  const name = username?.trim() ?? ''
  return { password: word, username: name === '' ? undefined : name }
}

function inline(text: string): DataSource {
  return { specifier: { case: 'inlineString', value: text } }
}
