/** The connections to one endpoint in one protocol. */
import type { Frame, Protocol } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { Core } from '../core.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { BoundPool } from './bound.ts'
import { ExclusivePool } from './exclusive.ts'
import { MultiplexedPool } from './multiplexed.ts'

export interface UpstreamPool {
  readonly protocol: Protocol
  /**
   * Sends the request, or keeps it until a connection is there. If that can't be, the exchange fails or goes to another
   * endpoint.
   * @param frame undefined: the request is in `exchange.kept`
   * Throws `ProtocolError` when the frame turns out malformed.
   */
  send(exchange: Exchange, frame: Frame | undefined): void
  /** The endpoint has left the cluster: no new requests come; connections close as they become idle. */
  retire(): void
  /** Closes everything at once; requests in flight fail. */
  destroy(): void
}

export function createPool(core: Core, cluster: Cluster, endpoint: Endpoint, protocol: Protocol): UpstreamPool {
  switch (protocol.connection) {
    case 'multiplexed':
      return new MultiplexedPool(core, cluster, endpoint, protocol)
    case 'exclusive':
      return new ExclusivePool(core, cluster, endpoint, protocol)
    default:
      return new BoundPool(core, cluster, endpoint, protocol)
  }
}
