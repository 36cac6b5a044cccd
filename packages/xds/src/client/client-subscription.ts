/**
 * One resource type, from the client's side: what is wanted, what the server has been told of it on the present stream,
 * what has been accepted. Outlives streams. The two variants implement it as state machines without I/O; `Client` asks
 * for the requests that are due and runs the handler.
 *
 *     want() --> request due --next()--> told
 *     received() --> handler runs --> answered() --> ACK or NACK due --next()--> told
 *
 * Responses are handled one by one: no second `received` before the answer to the first was taken or the stream ended.
 */
import { create } from '@bufbuild/protobuf'
import { Code } from '@connectrpc/connect'
import type { Update } from '../client-contract.ts'
import type { Node } from '../gen-lean/envoy/config/core/v3/base_pb.ts'
import { type Status, StatusSchema } from '../gen-lean/google/rpc/status_pb.ts'
import { wildcard } from '../type-urls.ts'

export interface ClientSubscription<Request, Response> {
  readonly typeUrl: string
  /** Replaces what is wanted. */
  want(names: readonly string[] | '*'): void
  /** A new stream: the server knows nothing, what was accepted stays. */
  restart(): void
  readonly due: { readonly subscription: boolean; readonly answer: boolean }
  /** The request that is due. `node` when it is the stream's first. */
  next(node: Node | undefined): Request | undefined
  /** What the handler has to be told; undefined when that would be nothing new. Throws on malformed resources. */
  received(response: Response): Update | undefined
  /** The handler has ended, or `received` has thrown. `isCurrent`: the stream that the response came on still lives. */
  answered(response: Response, error: string | undefined, isCurrent: boolean): void
}

/** The answer to a response, until the request with it is taken. */
export interface Answer {
  readonly nonce: string
  readonly error: string | undefined
}

/** The field of a request that makes it a NACK, if the answer is one. */
export function errorDetail(answer: Answer | undefined): { errorDetail?: Status } {
  if (answer?.error === undefined) return {}
  return { errorDetail: create(StatusSchema, { code: Code.InvalidArgument, message: answer.error }) }
}

/** What is wanted, with the memory that the protocol needs of names that were dropped and wanted again. */
export class Wanted {
  /** May have the wildcard. */
  names: ReadonlySet<string> = new Set()
  /** Dropped and wanted again before the server was told: it has to send them, though it never saw them go. */
  readonly again = new Set<string>()
  readonly #dropped = new Set<string>()

  get isWildcard(): boolean {
    return this.names.has(wildcard)
  }

  has(name: string): boolean {
    return this.isWildcard || this.names.has(name)
  }

  replace(names: readonly string[] | '*'): void {
    const before = this.names
    this.names = new Set(names)
    for (const name of before) {
      if (this.names.has(name)) continue
      this.#dropped.add(name)
      this.again.delete(name)
    }
    for (const name of this.names) if (this.#dropped.delete(name)) this.again.add(name)
  }

  /** The server has been told all of it. */
  settled(): void {
    this.again.clear()
    this.#dropped.clear()
  }
}

/** Takes out of a set or map what isn't wanted any more; whether there was any. */
export function dropUnwanted(from: Set<string> | Map<string, unknown>, wanted: Wanted): boolean {
  const size = from.size
  for (const name of from.keys()) if (!wanted.has(name)) from.delete(name)
  return from.size < size
}
