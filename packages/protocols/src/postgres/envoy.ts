/**
 * PostgreSQL on a stock Envoy: `postgres_proxy` reads along before `tcp_proxy` and counts sessions, statements,
 * transactions and errors. In the images istio-proxy and envoy-contrib, not in Envoy's own standard one.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/postgres_proxy_filter
 */
import { flag, readAnnotations } from '../envoy/annotations.ts'
import type { EnvoyProtocol } from '../envoy/contract.ts'
import { observer } from '../envoy/observer.ts'

const options = {
  /** Which tables statements touch, for metadata and metrics. On when absent; it costs a parse of each statement. */
  'sql-parsing': flag,
}

export const postgresEnvoy: EnvoyProtocol = observer(
  'postgres',
  'envoy.filters.network.postgres_proxy',
  'envoy.extensions.filters.network.postgres_proxy.v3alpha.PostgresProxy',
  (port) => {
    const parsing = readAnnotations(port, 'postgres', options)['sql-parsing']
    return { statPrefix: port.cluster, ...(parsing === undefined ? {} : { enableSqlParsing: parsing }) }
  },
)
