/**
 * One resource type on one stream, from the server's side: what the client asked for, what it has been told, what it is
 * still owed. The two variants of the protocol implement it as state machines without I/O or clock; `AdsStream` asks
 * them what to send and when.
 *
 *            request                       next()                         request (nonce)
 *   idle ---------------> something owed ----------> one in flight ------------------------> idle, or owed again
 *        provider change                                              ACK, NACK
 *
 * At most one response of a type is in flight; what changes meanwhile is coalesced into the following one.
 *
 * https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
 */
import type { NodeView, Resource } from '../provider.ts'

export interface Subscription<Request, Response> {
  readonly typeUrl: string
  /** A request of the client, whose type URL is this one. */
  receive(request: Request, view: NodeView): Verdict
  /** The provider says that these may have changed. */
  changed(names: ReadonlySet<string>, view: NodeView): void
  /** Sends these again, if the client subscribes to them, though it has been told. */
  resend(names: Iterable<string>, view: NodeView): void
  /** What `next` would have to say by now. Removals are told apart so that they can wait for what stops using them. */
  readonly owed: { readonly changes: boolean; readonly removals: boolean }
  readonly inFlight: boolean
  /**
   * Makes a response, which is in flight from then on. Undefined when, on looking closer, there is nothing to say.
   * With `part` 'changes' whatever was removed is still shown as it was.
   */
  next(part: 'changes' | 'everything', view: NodeView, nonce: string): Outgoing<Response> | undefined
  /** What is subscribed by name. */
  readonly names: ReadonlySet<string>
  readonly isWildcard: boolean
}

/** What a request turned out to be. Any of them may change the subscription as well. */
export type Verdict =
  | { readonly kind: 'subscription' }
  | { readonly kind: 'ack'; readonly version: string }
  | {
      readonly kind: 'nack'
      readonly version: string
      readonly reason: string
      readonly code: number
      readonly resources: readonly string[]
    }
  /** Says nothing new: a client that wants what it has once more. */
  | { readonly kind: 'repeat' }
  /** Answers an older response than the last one: ignored. */
  | { readonly kind: 'stale' }

export interface Outgoing<Response> {
  readonly response: Response
  readonly version: string
  /** Those that replaced another version of theirs on this stream. */
  readonly replaced: readonly Resource[]
  readonly resources: number
  readonly removed: number
}

/** The response that waits for its ACK or NACK. */
export interface InFlight {
  readonly nonce: string
  readonly version: string
  /** Names of what was new in it. */
  readonly fresh: ReadonlySet<string>
}
