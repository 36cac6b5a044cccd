/**
 * The conformance kit: what every protocol has to prove, whoever wrote it.
 *
 *   describeConformance({ protocol: dubbo, samples: [...], readError })
 *
 * in a node:test file registers the tests. The kit knows only the contract (../contract.ts) and the samples: whole
 * frames as a real peer sends them, with what they mean. The more samples of different kinds, the more it proves.
 */
import type { FrameKind, Protocol, ReplyTo, ResponseStatus, Side } from '../contract.ts'

/** One whole frame and what it means. */
export interface Sample {
  /** For the tests' names: 'a two-way call with attachments'. */
  readonly name: string
  /** Who sends it: requests come from clients, responses from servers. */
  readonly side: Side
  readonly bytes: Uint8Array
  readonly kind: FrameKind
  /** Default `ok`. */
  readonly status?: ResponseStatus
  /** The id's halves; `[high, low]`. Not checked when absent. */
  readonly id?: readonly [high: number, low: number]
  /** Attributes that must have these values (names in lower case); undefined: must not be there. */
  readonly attributes?: Readonly<Record<string, string | undefined>>
  readonly operation?: string
  /**
   * Whether a mutation can add a key to this frame and `attribute` reads it back. Default false: then `write` must
   * ignore mutations.
   */
  readonly mutable?: boolean
}

/** What a client of the protocol understood of an error reply. */
export interface ReadError {
  readonly idHigh: number
  readonly idLow: number
  /** The text that the client's developer sees; it must contain the LocalError's message. */
  readonly message: string
}

export interface ConformanceSubject {
  readonly protocol: Protocol
  /** At least one request and one response. */
  readonly samples: readonly Sample[]
  /**
   * Bytes at the front of a frame from which its length is known: a decoder must refuse a frame that is too large when
   * it has seen these. Undefined where the protocol can only tell at the end.
   */
  readonly headerBytes?: number
  /** False where frames carry no id of their own (`exclusive`, `bound`); default true. */
  readonly ids?: boolean
  /**
   * Reads an error reply as a client does, with a third-party library where there is one. `to` is what the proxy
   * remembered of the request. Throws when a client could not read it.
   */
  readonly readError: (reply: Buffer, to: ReplyTo) => ReadError
}

export { describeConformance } from './tests.ts'
