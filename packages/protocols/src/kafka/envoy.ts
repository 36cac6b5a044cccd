/**
 * Kafka on an Envoy with the filter: `kafka_broker` reads along before `tcp_proxy`, counts requests and responses by type,
 * and can refuse requests by their API keys. Neither istio-proxy nor Envoy's standard image has it, and either refuses the
 * whole listener for it. So it is written for those alone who say that their image has it.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/kafka_broker_filter
 */
import { flag, listOf, readAnnotations, wholeNumber } from '../envoy/annotations.ts'
import type { EnvoyProtocol } from '../envoy/contract.ts'
import { observer } from '../envoy/observer.ts'

/** https://kafka.apache.org/protocol#protocol_api_keys */
const apiKey = wholeNumber(0, 32_767)

const options = {
  /** The image of every proxy that the filter reaches is one with kafka_broker, such as envoy-contrib. */
  'image-has-filter': flag,
  'api-keys-allowed': listOf(apiKey),
  'api-keys-denied': listOf(apiKey),
}

export const kafkaEnvoy: EnvoyProtocol = observer(
  'kafka',
  'envoy.filters.network.kafka_broker',
  'envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker',
  (port) => {
    const given = readAnnotations(port, 'kafka', options)
    if (given['image-has-filter'] !== true) {
      port.report(port.entry, {
        severity: 'warning',
        code: 'ENVOY_MISSING_FILTER',
        field: 'metadata.annotations',
        message: `istio-proxy has no kafka_broker filter and would refuse the listener: ${port.host} stays plain TCP`,
        remedy: 'where all proxies run an image with it (envoy-contrib), add kafka.aeraki.io/image-has-filter: "true"',
      })
      return undefined
    }
    const { 'api-keys-allowed': allowed = [], 'api-keys-denied': denied = [] } = given
    return {
      statPrefix: port.cluster,
      ...(allowed.length === 0 ? {} : { apiKeysAllowed: [...allowed] }),
      ...(denied.length === 0 ? {} : { apiKeysDenied: [...denied] }),
    }
  },
)
