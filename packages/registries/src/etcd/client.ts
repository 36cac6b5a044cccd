/**
 * What is needed of etcd's v3 interface, over one connection to one member: reading ranges in pages, and watching. A user's
 * token is asked for at the start, and again when the member does not know it any more.
 */
import { create } from '@bufbuild/protobuf'
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect'
import type { TlsOptions } from '../tls.ts'
import { type GrpcConnection, grpcReason, openGrpc } from '../util/grpc.ts'
import {
  Auth,
  KV,
  type KeyValue,
  RangeRequestSchema,
  type RangeResponse,
  Watch,
  type WatchRequest,
  type WatchResponse,
} from './gen/etcd_pb.ts'

export interface Credentials {
  readonly username: string
  readonly password: string
}

export interface Page {
  readonly revision: bigint
  readonly entries: readonly KeyValue[]
}

export interface PageOptions {
  readonly keysOnly?: boolean
  /** As of this one; undefined: the newest, which all pages then have. */
  readonly revision?: bigint | undefined
}

const pageSize = 2000n
/** Milliseconds for one answer. */
const timeoutMs = 30_000
const text = new TextEncoder()

export class EtcdClient {
  readonly #connection: GrpcConnection
  readonly #credentials: Credentials | undefined
  readonly #kv: Client<typeof KV>
  readonly #signal: AbortSignal
  #token: string | undefined
  #login: Promise<void> | undefined

  private constructor(connection: GrpcConnection, credentials: Credentials | undefined, signal: AbortSignal) {
    this.#connection = connection
    this.#credentials = credentials
    this.#signal = signal
    this.#kv = createClient(KV, connection.transport)
  }

  /** Connects, and logs in where there are credentials. Rejects with an Error for people. */
  static async open(
    address: string,
    tls: TlsOptions | undefined,
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<EtcdClient> {
    const client = new EtcdClient(await openGrpc(address, tls, signal), credentials, signal)
    try {
      await client.#authenticate()
      return client
    } catch (error) {
      client.close()
      throw grpcReason(error)
    }
  }

  /** Everything below a prefix, in the order of the keys, all of it as of one revision. */
  async *pages(prefix: string, { keysOnly = false, revision }: PageOptions = {}): AsyncGenerator<Page> {
    let [key, asOf] = [text.encode(prefix), revision ?? 0n]
    for (;;) {
      const request = { key, rangeEnd: rangeEndOf(prefix), limit: pageSize, revision: asOf, keysOnly }
      const answer = await this.#range(request)
      if (asOf === 0n) asOf = answer.header?.revision ?? 0n
      yield { revision: asOf, entries: answer.kvs }
      const last = answer.kvs.at(-1)
      if (!answer.more || last === undefined) return
      key = Uint8Array.from([...last.key, 0])
    }
  }

  /** All pages at once, for what is not many. */
  async entries(prefix: string, options?: PageOptions): Promise<KeyValue[]> {
    const all: KeyValue[] = []
    for await (const { entries } of this.pages(prefix, options)) all.push(...entries)
    return all
  }

  async value(key: string): Promise<Uint8Array | undefined> {
    const answer = await this.#range({ key: text.encode(key) })
    return answer.kvs[0]?.value
  }

  /** Ends with the signal or the connection. A member that has lost its cluster ends it, too. */
  watch(requests: AsyncIterable<WatchRequest>, signal: AbortSignal): AsyncIterable<WatchResponse> {
    const headers = { ...this.#headers(), hasleader: 'true' }
    return createClient(Watch, this.#connection.transport).watch(requests, { headers, signal })
  }

  close(): void {
    this.#connection.close()
  }

  async #range(fields: Parameters<typeof create<typeof RangeRequestSchema>>[1]): Promise<RangeResponse> {
    const request = create(RangeRequestSchema, fields)
    const options = () => ({ headers: this.#headers(), timeoutMs, signal: this.#signal })
    try {
      return await this.#kv.range(request, options())
    } catch (error) {
      if (!isTokenError(error) || this.#credentials === undefined) throw grpcReason(error)
      await this.#authenticate().catch((problem: unknown) => Promise.reject(grpcReason(problem)))
      return await this.#kv.range(request, options()).catch((problem: unknown) => Promise.reject(grpcReason(problem)))
    }
  }

  /** Requests that fail at the same time ask for one token together. */
  async #authenticate(): Promise<void> {
    const credentials = this.#credentials
    if (credentials === undefined) return
    this.#login ??= createClient(Auth, this.#connection.transport)
      .authenticate({ name: credentials.username, password: credentials.password }, { timeoutMs, signal: this.#signal })
      .then(({ token }) => {
        this.#token = token
      })
      .finally(() => {
        this.#login = undefined
      })
    await this.#login
  }

  #headers(): Record<string, string> {
    return this.#token === undefined ? {} : { token: this.#token }
  }
}

/** The end, left out, of the range of all keys with this prefix. */
export function rangeEndOf(prefix: string): Uint8Array<ArrayBuffer> {
  const end = text.encode(prefix)
  // No prefix ends in byte 255, which is not UTF-8.
  const last = end.length - 1
  end[last] = (end[last] ?? 0) + 1
  return end
}

/** The token is old, or permissions have changed since. */
function isTokenError(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated
}
