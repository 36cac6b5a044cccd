/** All that a run of the benchmark found out; what was not measured is empty. */
import type { Machine } from '../machine.ts'
import type { Plan } from '../options.ts'
import type { ChangeTable } from '../suites/changes.ts'
import type { ControlPlaneTable } from '../suites/control-plane.ts'
import type { Footprint } from '../suites/footprint.ts'
import type { LatencyTable } from '../suites/latency.ts'
import type { RequestTable } from '../suites/requests.ts'
import type { Curve } from '../suites/scaling.ts'
import type { WorkerTable } from '../suites/workers.ts'
import type { WireName } from '../load/wire.ts'

export interface Results {
  readonly machine: Machine
  readonly plan: Plan
  readonly command: string
  readonly startedAt: Date
  readonly minutes: number
  readonly requests: readonly RequestTable[]
  /** Many clients with many requests each. */
  readonly crowd: readonly RequestTable[]
  /** With two workers each. */
  readonly workers: readonly WorkerTable[]
  readonly latency: readonly LatencyTable[]
  readonly footprint: Readonly<Record<WireName, readonly Footprint[]>>
  readonly scaling: readonly Curve[]
  readonly changes: readonly ChangeTable[]
  readonly controlPlane: ControlPlaneTable | undefined
  /** Parts that failed as a whole. */
  readonly failures: readonly string[]
}
