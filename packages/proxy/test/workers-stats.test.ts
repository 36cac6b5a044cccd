import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { StatsRegistry, type Scope } from '../src/stats/registry.ts'
import { JoinedStats, StatsReporter } from '../src/workers/stats-report.ts'

const scopeNames = ['a', 'b']

/** Counts in a registry whose scopes come when they are needed, and may go. */
class Counting {
  readonly registry = new StatsRegistry()
  readonly #scopes = new Map<string, Scope>()
  readonly #metrics = new Map<string, { value: number } | { record(value: number): void }>()

  count(name: string, kind: Kind, label: string | undefined, value: number): void {
    const scope = this.#scopes.get(name) ?? this.registry.scope(`cluster.${name}.`, 'envoy_cluster_', { name })
    this.#scopes.set(name, scope)
    const labels = label === undefined ? undefined : { label }
    const key = `${name} ${kind} ${label}`
    const metric = this.#metrics.get(key) ?? scope[kind](kind, labels)
    this.#metrics.set(key, metric)
    if ('record' in metric) metric.record(value)
    else metric.value += value
  }

  remove(name: string): void {
    const scope = this.#scopes.get(name)
    if (scope === undefined) return
    this.registry.remove(scope)
    this.#scopes.delete(name)
    for (const key of this.#metrics.keys()) if (key.startsWith(`${name} `)) this.#metrics.delete(key)
  }
}

type Kind = 'counter' | 'gauge' | 'histogram'

const event = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constantFrom<Kind>('counter', 'gauge', 'histogram'),
      worker: fc.nat({ max: 2 }),
      scope: fc.constantFrom(...scopeNames),
      label: fc.option(fc.constantFrom('x', 'y'), { nil: undefined }),
      value: fc.nat({ max: 5000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('report' as const), worker: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), scope: fc.constantFrom(...scopeNames) }) },
)

/** They come in the order in which the metrics were made, which no reader minds. */
function lines(page: string): readonly string[] {
  return page.split('\n').sort()
}

describe('the statistics of workers', () => {
  test('read like those of one that did it all, whenever they were reported', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const one = new Counting()
        const workers = [new Counting(), new Counting(), new Counting()]
        const reporters = workers.map(({ registry }) => new StatsReporter(registry))
        const joined = new JoinedStats(workers.length)
        const report = (worker: number): void => {
          const told = reporters[worker]?.report()
          // As messages are passed.
          if (told !== undefined) joined.take(worker, structuredClone(told))
        }
        for (const each of events) {
          if (each.kind === 'report') report(each.worker)
          else if (each.kind === 'remove') for (const counting of [one, ...workers]) counting.remove(each.scope)
          else
            for (const counting of [one, workers[each.worker]])
              counting?.count(each.scope, each.kind, each.label, each.value)
        }
        for (const worker of workers.keys()) report(worker)
        assert.equal(joined.text(), one.registry.text())
        assert.deepEqual(lines(joined.prometheus()), lines(one.registry.prometheus()))
      }),
    )
  })

  test('are the highest, not the sum, of what all workers know alike', () => {
    const joined = new JoinedStats(2)
    for (const [worker, value] of [3, 2].entries()) {
      const registry = new StatsRegistry()
      registry.scope('cluster.a.', 'envoy_cluster_', {}).gauge('membership_healthy', undefined, 'max').value = value
      joined.take(worker, new StatsReporter(registry).report())
    }
    assert.equal(joined.values().get('cluster.a.membership_healthy'), 3)
  })
})
