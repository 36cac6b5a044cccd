/**
 * Where the ADS server gets its resources from. The server knows subscriptions, versions and nonces; what exists and
 * who may see it is the provider's business (the control plane implements it).
 */
import type { Any } from '@bufbuild/protobuf/wkt'
import type { Node } from './gen/envoy/config/core/v3/base_pb.ts'

/** Serialised once, shared by every client. Immutable: other bytes are another object with another version. */
export interface Resource {
  readonly name: string
  /** Hash of the bytes. */
  readonly version: string
  readonly any: Any
}

export interface ResourceProvider {
  /**
   * Called once a stream has said which node it is, and again when several streams share a node id. The server calls
   * `close` of the view when the stream ends.
   */
  connect(node: Node): NodeView
  /**
   * Calls back after a change that is complete in itself: every view already gives the new state. The server asks the
   * views for the named resources and sends those whose version is new to the client. Returns how to unsubscribe.
   */
  onChange(listener: (change: Change) => void): () => void
}

/** One client's view: only what it may see, as it should see it (endpoints by its locality). */
export interface NodeView {
  /** Names for a wildcard subscription (LDS, CDS), in stable order: all those of the type that `get` gives. */
  names(typeUrl: string): readonly string[]
  /** Undefined: there is none by this name, or this node may not see it. */
  get(typeUrl: string, name: string): Resource | undefined
  close(): void
}

/** Names of resources that were added, changed or removed, by type URL. May name too many, never too few. */
export type Change = ReadonlyMap<string, ReadonlySet<string>>
