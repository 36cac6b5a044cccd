/**
 * MongoDB on a stock Envoy: `mongo_proxy` reads along before `tcp_proxy` and counts queries and commands. It knows the
 * opcodes up to MongoDB 3.4: what newer clients send (OP_MSG) is passed on and counted as a decoding error.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/mongo_proxy_filter
 */
import { MongoProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy_pb.ts'
import { filePath, flag, listOf, percentage, positiveDuration, readAnnotations, word } from '../envoy/annotations.ts'
import type { EnvoyProtocol } from '../envoy/contract.ts'
import { durationOf, fraction, json } from '../envoy/message.ts'
import { observer } from '../envoy/observer.ts'

const options = {
  /** Counted by name; delete, insert and update when absent. */
  commands: listOf(word),
  /** Where the proxy writes a line for each query. */
  'access-log': filePath,
  /** `db.collection` and its operations, for RBAC and access logs. */
  'dynamic-metadata': flag,
  /** Fault: queries wait so long. */
  delay: positiveDuration,
  /** Of the queries; 100 when absent. */
  'delay-percentage': percentage,
}

export const mongoEnvoy: EnvoyProtocol = observer(
  'mongo',
  'envoy.filters.network.mongo_proxy',
  MongoProxySchema.typeName,
  (port) => {
    const given = readAnnotations(port, 'mongo', options)
    return json(MongoProxySchema, {
      statPrefix: port.cluster,
      accessLog: given['access-log'] ?? '',
      ...(given.delay === undefined
        ? {}
        : {
            delay: {
              faultDelaySecifier: { case: 'fixedDelay', value: durationOf(given.delay) },
              percentage: fraction(given['delay-percentage'] ?? 100),
            },
          }),
      emitDynamicMetadata: given['dynamic-metadata'] ?? false,
      commands: [...(given.commands ?? [])],
    })
  },
)
