/** What a cell of a table is made of: medians of the rounds. */
import type { LoadResult } from './load/protocol.ts'

export interface Figures {
  readonly perSecond: number
  /** CPU time of the proxy per request, microseconds. NaN where there is no proxy. */
  readonly cpuUs: number
  /** Shares of a core, 0 to 1. */
  readonly proxyBusy: number
  readonly loadBusy: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly memoryMb: number
}

/** Figures, or why there are none: a proxy that failed its work has no speed. */
export type Cell = Figures | { readonly failed: string }

export function isFailed(cell: Cell): cell is { readonly failed: string } {
  return 'failed' in cell
}

export function figuresOf(rounds: readonly LoadResult[]): Figures {
  const of = (figure: (result: LoadResult) => number): number => median(rounds.map(figure))
  return {
    perSecond: of(({ requests, seconds }) => requests / seconds),
    cpuUs: of(({ requests, proxyCpuSeconds }) => (proxyCpuSeconds * 1e6) / requests),
    proxyBusy: of(({ proxyCpuSeconds, seconds }) => proxyCpuSeconds / seconds),
    loadBusy: of(({ loadCpuSeconds, seconds }) => loadCpuSeconds / seconds),
    p50Us: of(({ p50Us }) => p50Us),
    p99Us: of(({ p99Us }) => p99Us),
    p999Us: of(({ p999Us }) => p999Us),
    memoryMb: of(({ proxyMemoryMb }) => proxyMemoryMb),
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
