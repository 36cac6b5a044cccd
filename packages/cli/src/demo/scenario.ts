/**
 * What a scenario is: a folder under `examples/`, the calls that the consumer makes, and what must come of them. One file
 * per scenario under `scenarios/`.
 */
import type { CallCount, CallKind } from './apps/messages.ts'

/** Providers that are alike; one instance each, with a proxy in front. */
export interface ProviderGroup {
  /** As `byGroup` and the view name it. */
  readonly name: string
  /** The file of its WorkloadEntry in the scenario's folder. */
  readonly workload: string
}

export interface Scenario {
  readonly name: string
  /** One line, for `--list`. */
  readonly summary: string
  readonly groups: readonly ProviderGroup[]
  readonly kinds: readonly CallKind[]
  /** The consumer's place in the mesh. */
  readonly consumer: { readonly namespace: string; readonly locality: string }
  /** File of the rule that the view shows, the hint names and a timed run rewrites. */
  readonly rule: string
  /** What to try in it. */
  readonly hint: string
  /**
   * The rule of revision 1, 2, 3, ...: another text and another configuration, by which calls are routed as before.
   * Throws when the text has no place for it.
   */
  rewrite(rule: string, revision: number): string
  /** Groups that go away one after the other and come back, when that is what the scenario is about. */
  readonly outages: readonly string[]
  /** What a timed run showed that the scenario forbids, one sentence each. `rule` is the rule's text. */
  problems(outcome: Outcome, rule: string): string[]
}

/** A part of a run in which one set of groups was there. */
export interface Phase {
  /** Groups that are away. */
  readonly away: readonly string[]
  /** Calls answered while the phase was in force and no change under way. */
  readonly byGroup: Readonly<Record<string, number>>
}

export interface Outcome {
  readonly calls: readonly CallCount[]
  readonly phases: readonly Phase[]
}

/** Sum of the counts that are alike in what `key` returns. */
export function sumBy(calls: readonly CallCount[], key: (call: CallCount) => string): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const call of calls) sums[key(call)] = (sums[key(call)] ?? 0) + call.count
  return sums
}

/** Puts `addition` in place of the first `place`. Throws when there is none. */
export function replaceOnce(text: string, place: string | RegExp, replacement: string): string {
  const changed = text.replace(place, replacement)
  if (changed === text) throw new Error(`the rule has no ${String(place)} to rewrite`)
  return changed
}
