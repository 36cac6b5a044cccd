/** The command line, and how long each part of the benchmark takes. */
import { parseArgs } from 'node:util'
import type { WireName } from './load/wire.ts'

export interface Options {
  /** `full` is what results are published from: under 20 minutes. `quick` says whether a change matters: 3 minutes. */
  readonly plan: Plan
  /** Another revision of this repository to measure against, instead of the peers. */
  readonly compare: string | undefined
  /** Only these suites; empty: all. */
  readonly suites: readonly string[]
}

export interface Plan {
  readonly name: 'full' | 'quick'
  readonly rounds: number
  /** Before the first measurement of a proxy: compilers want to see the code run. */
  readonly firstWarmUpMs: number
  readonly firstWarmUpRequests: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** Of an open loop: its tail needs more requests. */
  readonly latencyMs: number
  readonly starts: number
  /** Of the load under which memory is looked at. */
  readonly footprintMs: number
  /** Many clients with many requests each. */
  readonly crowd: {
    readonly wires: readonly WireName[]
    readonly warmUpMs: number
    readonly warmUpRequests: number
    readonly measureMs: number
  }
  /** What is measured with several workers. */
  readonly workerWires: readonly WireName[]
  readonly routes: readonly number[]
  readonly endpoints: readonly number[]
  readonly connections: readonly number[]
  readonly changesPerSecond: readonly number[]
  readonly services: readonly number[]
  readonly proxies: readonly number[]
  /** Rules changed for each figure of the control plane. */
  readonly changes: number
}

const full: Plan = {
  name: 'full',
  rounds: 3,
  firstWarmUpMs: 1500,
  firstWarmUpRequests: 60_000,
  warmUpMs: 200,
  measureMs: 600,
  latencyMs: 2000,
  starts: 3,
  footprintMs: 3000,
  crowd: { wires: ['dubbo', 'thrift'], warmUpMs: 1000, warmUpRequests: 30_000, measureMs: 1000 },
  workerWires: ['dubbo', 'thrift'],
  routes: [1, 10, 100, 1000, 10_000],
  endpoints: [1, 10, 100, 1000],
  connections: [1, 10, 100, 1000, 10_000],
  changesPerSecond: [0, 1, 10, 100, 1000],
  services: [100, 1000, 10_000],
  proxies: [1, 10, 100, 1000],
  changes: 10,
}

const quick: Plan = {
  name: 'quick',
  rounds: 1,
  firstWarmUpMs: 500,
  firstWarmUpRequests: 25_000,
  warmUpMs: 200,
  measureMs: 600,
  latencyMs: 1000,
  starts: 1,
  footprintMs: 1000,
  crowd: { wires: ['dubbo'], warmUpMs: 300, warmUpRequests: 5000, measureMs: 600 },
  workerWires: ['dubbo'],
  routes: [10, 10_000],
  endpoints: [1, 1000],
  connections: [100, 10_000],
  changesPerSecond: [100],
  services: [100, 10_000],
  proxies: [100],
  changes: 5,
}

const usage = `npm run bench [-- FLAGS]
  --quick           less of everything: 3 minutes
  --compare REV     this tree against another revision, without the peers
  --suite NAME      only this one (may be repeated): requests, crowd, workers, latency, footprint, scaling,
                    changes, control-plane`

/** Throws on a wrong command line, with the usage. */
export function parseOptions(args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        compare: { type: 'string' },
        suite: { type: 'string', multiple: true, default: [] },
      },
    })
    return { plan: values.quick ? quick : full, compare: values.compare, suites: values.suite }
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`, { cause: error })
  }
}
