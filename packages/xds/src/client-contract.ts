/** What the ADS client offers; `createAdsClient` in client.ts makes one. */
import type { Any } from '@bufbuild/protobuf/wkt'
import type { Node } from './gen-lean/envoy/config/core/v3/base_pb.ts'

export interface AdsClientOptions {
  /** `host:port` of the control plane. */
  readonly target: string
  /** Undefined: plaintext HTTP/2. */
  readonly tls?: ClientTls
  readonly node: Node
  /** `delta` unless the server can't. */
  readonly variant: 'delta' | 'state-of-the-world'
  readonly handler: AdsHandler
  /** First and longest pause between attempts to reconnect, full jitter. Default 500 ms and 30 s. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number }
  /** HTTP/2 pings that find a peer that has gone without a word. Default: every 10 s, 5 s for the answer. */
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number }
}

export interface ClientTls {
  /** PEM, whom the server's certificate has to come from. Default: the system's authorities. */
  readonly ca?: string
  /** PEM, who the client is. */
  readonly cert?: string
  readonly key?: string
  /** The name that the server's certificate has to be of. Default: the host of `target`. */
  readonly serverName?: string
}

export interface AdsHandler {
  /**
   * One response of the server. The promise that resolves is an ACK, the one that rejects a NACK with the error's
   * message; responses of one type are handed over one after the other. For state-of-the-world the client has already
   * worked out what was removed (of the types that are complete in each response: LDS and CDS).
   * After a reconnect only what differs comes again.
   */
  onUpdate(typeUrl: string, update: Update): Promise<void>
  onState(state: ClientState): void
}

export interface Update {
  readonly changed: readonly { readonly name: string; readonly version: string; readonly any: Any }[]
  readonly removed: readonly string[]
}

export type ClientState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'connected' }
  /** `status`: the gRPC status that ended the stream, such as `permission_denied`; undefined if none did. */
  | { readonly kind: 'waiting'; readonly retryInMs: number; readonly reason: string; readonly status?: string }
  | { readonly kind: 'closed' }

export interface AdsClient {
  /** Replaces what is subscribed of this type. `'*'` is everything there is. */
  subscribe(typeUrl: string, names: readonly string[] | '*'): void
  readonly state: ClientState
  close(): Promise<void>
}
