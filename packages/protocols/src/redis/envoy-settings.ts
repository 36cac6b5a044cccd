/** `settings` of a RedisService as redis_proxy's connection pool has them. */
import { type ObjectOf, parseDuration, type RedisSettings } from '@aeraki/api'
import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  RedisProxy_ConnPoolSettings_ReadPolicy as ReadPolicy,
  type RedisProxy_ConnPoolSettingsSchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/redis_proxy/v3/redis_proxy_pb.ts'
import type { EnvoyPort } from '../envoy/contract.ts'
import { durationOf } from '../envoy/message.ts'
import { refOf } from './envoy-policy.ts'

type Settings = MessageInitShape<typeof RedisProxy_ConnPoolSettingsSchema>

/** Of one command; Envoy has no default. */
const opTimeoutMs = 60_000

const readPolicies: Record<NonNullable<RedisSettings['readPolicy']>, ReadPolicy> = {
  MASTER: ReadPolicy.MASTER,
  PREFER_MASTER: ReadPolicy.PREFER_MASTER,
  REPLICA: ReadPolicy.REPLICA,
  PREFER_REPLICA: ReadPolicy.PREFER_REPLICA,
  ANY: ReadPolicy.ANY,
}

export function settings(port: EnvoyPort, service: ObjectOf<'RedisService'> | undefined): Settings {
  const given = service?.spec.settings ?? {}
  const { maxBufferSizeBeforeFlush: bufferSize = 0, bufferFlushTimeout, maxUpstreamUnknownConnections } = given
  if (service !== undefined && bufferFlushTimeout !== undefined && bufferSize === 0) {
    port.report(refOf(service), {
      severity: 'warning',
      code: 'ENVOY_UNSUPPORTED',
      field: 'spec.settings.bufferFlushTimeout',
      value: bufferFlushTimeout,
      message: 'has no effect: without maxBufferSizeBeforeFlush every command is sent at once',
      remedy: 'add maxBufferSizeBeforeFlush, or remove bufferFlushTimeout',
    })
  }
  const { readPolicy = 'MASTER' } = given
  if (service !== undefined && readPolicy !== 'MASTER' && !leadsToCluster(port, service)) {
    port.report(refOf(service), {
      severity: 'warning',
      code: 'ENVOY_UNSUPPORTED',
      field: 'spec.settings.readPolicy',
      value: readPolicy,
      message:
        'has no effect: Envoy knows replicas of a Redis Cluster alone, and no rule leads to a host with a RedisDestination of mode CLUSTER',
      remedy: 'add a RedisDestination with mode CLUSTER, or remove readPolicy',
    })
  }
  return {
    opTimeout: durationOf(given.opTimeout === undefined ? opTimeoutMs : parseDuration(given.opTimeout)),
    enableHashtagging: given.enableHashtagging ?? false,
    enableRedirection: given.enableRedirection ?? false,
    maxBufferSizeBeforeFlush: bufferSize,
    ...(bufferFlushTimeout === undefined ? {} : { bufferFlushTimeout: durationOf(parseDuration(bufferFlushTimeout)) }),
    ...(maxUpstreamUnknownConnections === undefined ? {} : { maxUpstreamUnknownConnections }),
    readPolicy: readPolicies[readPolicy],
    enableCommandStats: given.enableCommandStats ?? false,
  }
}

function leadsToCluster(port: EnvoyPort, { spec }: ObjectOf<'RedisService'>): boolean {
  const hosts = [port.host, ...(spec.redis ?? []).map(({ route }) => route.host)]
  return hosts.some((host) => port.policies('RedisDestination', host).some(isCluster))
}

function isCluster({ spec }: ObjectOf<'RedisDestination'>): boolean {
  return spec.trafficPolicy?.connectionPool?.redis?.mode === 'CLUSTER'
}
