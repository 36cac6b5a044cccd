/** Faults of a RedisService. Envoy draws one number for each command: the percentages of faults for it add up. */
import { parseDuration, type RedisFault } from '@aeraki/api'
import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  RedisProxy_RedisFault_RedisFaultType as FaultType,
  type RedisProxy_RedisFaultSchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/redis_proxy/v3/redis_proxy_pb.ts'
import { durationOf, fraction } from '../envoy/message.ts'

export function faults(given: readonly RedisFault[]): MessageInitShape<typeof RedisProxy_RedisFaultSchema>[] {
  return given.map(({ type = 'DELAY', percentage, delay, commands = [] }) => ({
    faultType: type === 'DELAY' ? FaultType.DELAY : FaultType.ERROR,
    faultEnabled: { defaultValue: fraction(percentage?.value ?? 100) },
    // An error may come late, too.
    ...(delay === undefined ? {} : { delay: durationOf(parseDuration(delay)) }),
    commands: [...commands],
  }))
}
