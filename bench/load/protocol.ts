/** What the harness and the load process say to each other: one JSON object per line. */
import type { WireName } from './wire.ts'

/** The first line of the load process. */
export interface Ready {
  /** Two ports for each protocol, both of which its one backend serves. */
  readonly backends: Readonly<Record<WireName, readonly [number, number]>>
}

/** One run of load against one port. */
export interface LoadRequest {
  readonly wire: WireName
  readonly port: number
  readonly method: string
  readonly payload: number
  readonly connections: number
  /** Requests in flight on each connection. */
  readonly depth: number
  readonly warmUpMs: number
  /** The warm-up lasts until so many requests have been answered, too, but not longer than 20 seconds. */
  readonly warmUpRequests: number
  readonly measureMs: number
  /**
   * Requests per second (open loop: each has its time, whatever became of those before it, and its latency counts from
   * then); 0: as many as are answered (closed loop).
   */
  readonly rate: number
  /** The proxy's processes, whose CPU time is read at the beginning and the end of the measurement. */
  readonly pids: readonly number[]
}

export interface LoadResult {
  /** Answered within the measurement. */
  readonly requests: number
  readonly seconds: number
  /** CPU time of the proxy's processes and of the load process within the measurement. */
  readonly proxyCpuSeconds: number
  readonly loadCpuSeconds: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  /** Resident memory of the proxy's processes at the end of the measurement. */
  readonly proxyMemoryMb: number
}

export type Answer = { readonly result: LoadResult } | { readonly error: string }
