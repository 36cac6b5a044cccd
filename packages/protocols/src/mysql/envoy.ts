/**
 * MySQL on a stock Envoy: `mysql_proxy` reads along before `tcp_proxy`, counts logins and queries, and says which tables
 * they touch. In the images istio-proxy and envoy-contrib, not in Envoy's own standard one.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/mysql_proxy_filter
 */
import { readAnnotations } from '../envoy/annotations.ts'
import type { EnvoyProtocol } from '../envoy/contract.ts'
import { observer } from '../envoy/observer.ts'

export const mysqlEnvoy: EnvoyProtocol = observer(
  'mysql',
  'envoy.filters.network.mysql_proxy',
  'envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy',
  (port) => {
    readAnnotations(port, 'mysql', {})
    return { statPrefix: port.cluster }
  },
)
