/** What a run has shown, as the JSON object of `--output json` and as words. docs/demo.md says how each number is got. */
import type { ConsumerReport } from './apps/messages.ts'
import { sumBy, type Phase, type Scenario } from './scenario.ts'

/** The keys up to `p99Ms` are promised, in this order; the others may grow. */
export interface Result {
  readonly scenario: string
  readonly seconds: number
  readonly requests: number
  readonly failed: number
  readonly byGroup: Readonly<Record<string, number>>
  readonly reloads: number
  readonly connectionsDropped: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly connectionsOpened: number
  /** Calls by the revision of the rule that they were routed by, where the rule tells the provider; 0 is the original. */
  readonly byRevision: Readonly<Record<string, number>>
  readonly byKind: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly phases: readonly Phase[]
  readonly proxyRuntime: string
  /** What the scenario forbids and was seen, a sentence each. */
  readonly problems: readonly string[]
}

export interface Measured {
  readonly scenario: Scenario
  readonly seconds: number
  readonly report: ConsumerReport
  readonly reloads: number
  readonly phases: readonly Phase[]
  readonly proxyRuntime: string
  /** The text of the rule. */
  readonly rule: string
  /** False when the user ended the run: then nothing is expected of it. */
  readonly complete: boolean
}

/** Rewrites that a timed run makes, without the one that puts the rule back. */
export const REWRITES = 3

export function resultOf(measured: Measured): Result {
  const { scenario, report, reloads, phases } = measured
  const counted = sumBy(report.calls, (call) => call.group)
  const byGroup = Object.fromEntries(scenario.groups.map(({ name }) => [name, counted[name] ?? 0]))
  const kinds = scenario.kinds.filter((kind) => kind.name !== '')
  return {
    scenario: scenario.name,
    seconds: round(measured.seconds),
    requests: report.requests,
    failed: report.failed,
    byGroup,
    reloads,
    connectionsDropped: report.connectionsDropped,
    p50Ms: round(report.latency.p50),
    p99Ms: round(report.latency.p99),
    connectionsOpened: report.connectionsOpened,
    byRevision: sumBy(report.calls, (call) => (call.revision === '' ? '0' : call.revision)),
    byKind: Object.fromEntries(
      kinds.map(({ name }) => [
        name,
        sumBy(
          report.calls.filter((call) => call.kind === name),
          (call) => call.group,
        ),
      ]),
    ),
    phases,
    proxyRuntime: measured.proxyRuntime,
    problems: measured.complete ? problemsOf(measured) : [],
  }
}

function problemsOf({ scenario, report, reloads, phases, rule }: Measured): string[] {
  const problems = scenario.problems({ calls: report.calls, phases }, rule)
  if (report.requests === 0) problems.push('the consumer made no calls')
  if (report.failed > 0) problems.push(`${report.failed} calls failed, such as: ${report.failures.join('; ')}`)
  if (report.connectionsDropped > 0)
    problems.push(`${report.connectionsDropped} connections of the consumer were dropped`)
  if (reloads < REWRITES)
    problems.push(`the consumer's proxy took ${reloads} configurations, at least ${REWRITES} were sent`)
  return problems
}

export function describeResult(result: Result): string {
  const groups = Object.entries(result.byGroup).map(([group, count]) => {
    const share = result.requests === 0 ? 0 : (100 * count) / result.requests
    return `  ${group}: ${count} calls, ${share.toFixed(2)}%`
  })
  return [
    `${result.scenario}: ${result.requests} calls in ${result.seconds} s, ${result.failed} failed`,
    ...groups,
    `  p50 ${result.p50Ms} ms, p99 ${result.p99Ms} ms`,
    `  configurations taken by the consumer's proxy: ${result.reloads}`,
    `  connections opened ${result.connectionsOpened}, dropped ${result.connectionsDropped}`,
    '',
  ].join('\n')
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
