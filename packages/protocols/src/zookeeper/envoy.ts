/**
 * ZooKeeper on a stock Envoy: `zookeeper_proxy` reads along before `tcp_proxy` and counts requests, responses and their
 * latencies by opcode. It changes nothing and routes nothing.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/zookeeper_proxy_filter
 */
import { ZooKeeperProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/zookeeper_proxy/v3/zookeeper_proxy_pb.ts'
import { flag, positiveDuration, readAnnotations, wholeNumber } from '../envoy/annotations.ts'
import type { EnvoyProtocol } from '../envoy/contract.ts'
import { durationOf, json } from '../envoy/message.ts'
import { observer } from '../envoy/observer.ts'

const options = {
  /** Larger messages are passed on uncounted. As `jute.maxbuffer` of the servers; 1 MiB when absent. */
  'max-packet-bytes': wholeNumber(1, 4_294_967_295),
  /** Responses are counted as fast or slow by it; not at all when absent. */
  'latency-threshold': positiveDuration,
  /** Bytes and decoding errors by opcode. */
  'opcode-metrics': flag,
}

export const zookeeperEnvoy: EnvoyProtocol = observer(
  'zookeeper',
  'envoy.filters.network.zookeeper_proxy',
  ZooKeeperProxySchema.typeName,
  (port) => {
    const given = readAnnotations(port, 'zookeeper', options)
    const perOpcode = given['opcode-metrics'] ?? false
    const threshold = given['latency-threshold']
    return json(ZooKeeperProxySchema, {
      statPrefix: port.cluster,
      ...(given['max-packet-bytes'] === undefined ? {} : { maxPacketBytes: given['max-packet-bytes'] }),
      ...(threshold === undefined
        ? {}
        : { enableLatencyThresholdMetrics: true, defaultLatencyThreshold: durationOf(threshold) }),
      enablePerOpcodeRequestBytesMetrics: perOpcode,
      enablePerOpcodeResponseBytesMetrics: perOpcode,
      enablePerOpcodeDecoderErrorMetrics: perOpcode,
    })
  },
)
