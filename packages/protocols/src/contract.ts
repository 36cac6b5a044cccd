/**
 * What a protocol is to the proxy. A protocol is one stateless object; whatever a connection has to remember lives in
 * its decoders. Nothing here knows about sockets, routes or clusters.
 *
 * The hot path is designed around three rules:
 *  - a decoder finds frame boundaries and no more; attributes are parsed when somebody asks;
 *  - a frame is one reused object that points into the chunk it came in: it is valid until `onFrame` returns;
 *  - a frame is forwarded by copying its bytes once, into the output buffer, and patching the id there.
 */

/** Attribute names are lower case everywhere in the proxy; a codec compares them without case (ASCII). */
export type AttributeName = string

export interface AttributeDoc {
  /** `interface`, or a pattern such as `<attachment>` where the names are the user's own. */
  readonly name: string
  readonly description: string
  readonly example: string
}

/**
 * How requests share upstream connections:
 *  - `multiplexed`: frames carry ids; any number in flight on one connection; ids are rewritten;
 *  - `exclusive`: one request in flight per upstream connection, which goes back to the pool with the response;
 *  - `bound`: an upstream connection belongs to one downstream connection for its whole life (stateful protocols,
 *    protocols where the server speaks first).
 */
export type ConnectionModel = 'multiplexed' | 'exclusive' | 'bound'

export interface Protocol {
  /** As in the port name `tcp-metaprotocol-<name>-...`: lower case, no dash. */
  readonly name: string
  readonly connection: ConnectionModel
  /** `request`: clients rely on responses in the order of their requests, the proxy restores it where it was lost. */
  readonly responseOrder: 'any' | 'request'
  readonly attributes: readonly AttributeDoc[]
  /** Istio's VirtualService routes it too: its `method` and `headers` conditions read the attributes of those names. */
  readonly virtualService?: true
  /** Throws nothing. `limits` are enforced by the decoder. */
  decoder(side: Side, limits: Limits): Decoder
  /** Writes the protocol's own error, as a real client of the protocol raises it. Throws nothing. */
  writeError(out: ByteSink, to: ReplyTo, error: LocalError): void
  /** Answers a heartbeat of the client in the server's place. Only called for protocols that decode `heartbeat`. */
  writeHeartbeatReply(out: ByteSink, to: ReplyTo): void
  /** Writes a heartbeat request to keep an idle upstream connection alive; undefined where the protocol has none. */
  readonly writeHeartbeat?: (out: ByteSink, id: number) => void
}

/** Which half of a conversation a decoder reads: requests come from clients, responses from servers. */
export type Side = 'request' | 'response'

export interface Limits {
  /** A frame, header included, that is longer (or says it is) is a `PROTOCOL_FRAME_TOO_LARGE` error. Bytes. */
  readonly maxFrameBytes: number
  /** How many attributes (attachments, headers) of a frame are parsed at most. */
  readonly maxAttributes: number
}

export const defaultLimits: Limits = { maxFrameBytes: 16 * 1024 * 1024, maxAttributes: 1000 }

/**
 * Cuts a byte stream into frames. Any chunking of the same bytes gives the same frames.
 *
 * `push` may be called again only after it returned. It reads `chunk` during the call and keeps no reference to it
 * (bytes of an incomplete frame are copied). When `onFrame` returns false, `push` returns at once: nothing more is
 * decoded until `resume`, and the unread rest of the chunk is copied and kept.
 * Throws `ProtocolError` on bytes that are not the protocol; the decoder must not be used afterwards.
 */
export interface Decoder {
  push(chunk: Uint8Array, receiver: FrameReceiver): void
  /** Goes on after `onFrame` returned false, with the bytes that were kept. */
  resume(receiver: FrameReceiver): void
  /** Bytes kept for a later call: an incomplete frame, or the rest after a pause. */
  readonly buffered: number
}

export interface FrameReceiver {
  /** Returns false to stop decoding: paused, or the connection is gone. */
  onFrame(frame: Frame): boolean
}

/**
 *  - `request` expects a response, `oneway` does not;
 *  - `heartbeat` asks for an answer, `heartbeat-reply` is one: both end at the proxy;
 *  - `stream` belongs to a conversation that an earlier frame opened (same id);
 *  - `goaway`: the peer takes no new requests on this connection.
 */
export type FrameKind = 'request' | 'oneway' | 'response' | 'heartbeat' | 'heartbeat-reply' | 'stream' | 'goaway'

/**
 * What the server said of a response: `exception` is the application's own exception inside a good response (Dubbo's
 * exception value, Thrift's declared exceptions where visible), `error` is the protocol's failure status.
 */
export type ResponseStatus = 'ok' | 'exception' | 'error'

/**
 * What has to be remembered of a request to answer it when its frame is long gone. The proxy copies these four fields
 * into its own record of the request.
 */
export interface ReplyTo {
  /** The id as two unsigned or signed 32-bit halves (no BigInt on the hot path). Narrow ids use `idLow` alone. */
  readonly idHigh: number
  readonly idLow: number
  /** The codec's own note: Dubbo's serialization, Thrift's transport and protocol. Opaque to the proxy. */
  readonly tag: number
  /** Name of the operation where the reply must repeat it (Thrift), else as for telemetry; `''` if unknown. */
  readonly operation: string
}

/** One frame. A single object per decoder, filled anew for each frame: read it during `onFrame`, keep nothing. */
export interface Frame {
  readonly kind: FrameKind
  readonly idHigh: number
  readonly idLow: number
  readonly tag: number
  /** `ok` unless this is a response that says otherwise. May parse. */
  readonly status: ResponseStatus
  /** Length of the whole frame in bytes. */
  readonly length: number
  /**
   * Value of an attribute, parsed on first use; undefined when the frame has none by this name, or when it can't be
   * parsed (an unknown serialization): a frame whose attributes are opaque still routes by what it has.
   * Throws `ProtocolError` on a malformed frame.
   * @param name lower case
   */
  attribute(name: AttributeName): string | undefined
  /** `interface/method` or the like, for telemetry and `ReplyTo`; parsed on first use, interned; `''` if unknown. */
  operation(): string
  /** All attributes, for access logs, `tap` and tests. Not for the hot path. */
  allAttributes(): ReadonlyMap<string, string>
  /**
   * Appends the frame with this id and these mutations. Without mutations: a copy with the id patched. With them only
   * the part that changes is written anew. A protocol (or serialization) that can't carry key/values ignores them.
   * Throws `ProtocolError` on a malformed frame, and then has appended nothing.
   */
  write(out: ByteSink, idHigh: number, idLow: number, mutation: Mutation | undefined): void
}

/** Key/values to set in a frame; a key that is there already is replaced. Keys keep their case. Immutable. */
export interface Mutation {
  readonly set: readonly KeyValue[]
}

export interface KeyValue {
  readonly key: string
  readonly value: string
}

/**
 * A growing output buffer. Usage: `const at = out.reserve(n)`, write at most n bytes to `out.bytes` from `at`, then
 * `out.commit(at + written)`. `out.bytes` may be another object after each `reserve`.
 */
export interface ByteSink {
  readonly bytes: Buffer
  /** Makes room for n more bytes; returns the offset at which they start. */
  reserve(n: number): number
  /** Says where the written bytes end. */
  commit(end: number): void
}

export type LocalErrorType =
  | 'route-not-found'
  | 'cluster-not-found'
  | 'no-healthy-upstream'
  | 'connection-failure'
  | 'upstream-reset'
  | 'bad-response'
  | 'timeout'
  | 'over-limit'
  | 'overflow'
  | 'denied'
  | 'fault'
  | 'unspecified'

/** Why the proxy answers in the server's place. `message` is shown to the client's developer. */
export interface LocalError {
  readonly type: LocalErrorType
  readonly message: string
}
