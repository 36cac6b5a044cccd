/**
 * Statistics on their way from a worker. Names go once, the same list of names once for all clusters, and numbers each
 * time, in one array:
 *
 *   numbers   = *scope
 *   scope     = id , *metric                                in the order of the scope's list
 *   metric    = value | sum , n , n*(bucket , count)        the latter for histograms
 *
 * A scope that is not among them is gone.
 */
import { Counter, Gauge, Histogram, type Metric } from '../stats/metric.ts'
import { MetricPages, Scope, type Labels, type NamedMetric, type StatsRegistry } from '../stats/registry.ts'

export interface StatsReport {
  /** Lists that no scope had before, by their ids. */
  readonly lists: ReadonlyMap<number, readonly Listed[]>
  /** Scopes that are new, or have metrics that are. */
  readonly scopes: ReadonlyMap<number, NamedScope>
  readonly numbers: Float64Array
}

interface Listed {
  readonly own: string
  readonly ownLabels: Labels | undefined
  readonly kind: Metric['kind']
  readonly join: Gauge['join']
}

interface NamedScope {
  readonly prefix: string
  readonly family: string
  readonly labels: Labels
  readonly list: number
}

/** The worker's end. */
export class StatsReporter {
  readonly #registry: StatsRegistry
  readonly #sent = new WeakMap<Scope, { readonly id: number; count: number }>()
  /** Ids of lists by what is in them. */
  readonly #lists = new Map<string, number>()
  #lastId = 0

  constructor(registry: StatsRegistry) {
    this.#registry = registry
  }

  report(): StatsReport {
    const lists = new Map<number, readonly Listed[]>()
    const scopes = new Map<number, NamedScope>()
    const numbers: number[] = []
    for (const scope of this.#registry.scopes) {
      const { prefix, family, labels, metrics } = scope
      let sent = this.#sent.get(scope)
      if (sent === undefined) {
        this.#lastId += 1
        sent = { id: this.#lastId, count: 0 }
        this.#sent.set(scope, sent)
      }
      if (metrics.length > sent.count) {
        sent.count = metrics.length
        scopes.set(sent.id, { prefix, family, labels, list: this.#list(metrics, lists) })
      }
      numbers.push(sent.id)
      for (const { metric } of metrics) write(numbers, metric)
    }
    return { lists, scopes, numbers: Float64Array.from(numbers) }
  }

  #list(metrics: readonly NamedMetric[], news: Map<number, readonly Listed[]>): number {
    const key = metrics.map(keyOf).join('\n')
    let id = this.#lists.get(key)
    if (id === undefined) {
      id = this.#lists.size
      this.#lists.set(key, id)
      news.set(id, metrics.map(listed))
    }
    return id
  }
}

function keyOf({ own, ownLabels }: Pick<NamedMetric, 'own' | 'ownLabels'>): string {
  return ownLabels === undefined ? own : `${own} ${JSON.stringify(ownLabels)}`
}

function listed({ own, ownLabels, metric }: NamedMetric): Listed {
  const join = metric.kind === 'gauge' ? metric.join : 'sum'
  return { own, ownLabels, kind: metric.kind, join }
}

function write(numbers: number[], metric: Metric): void {
  if (metric.kind !== 'histogram') {
    numbers.push(metric.value)
    return
  }
  const buckets = metric.count === 0 ? [] : [...metric.buckets()]
  numbers.push(metric.sum, buckets.length)
  for (const [bucket, count] of buckets) numbers.push(bucket, count)
}

/** The other end, for all workers: counters, histograms and most gauges are sums. */
export class JoinedStats extends MetricPages {
  readonly #workers: readonly WorkerNumbers[]

  constructor(workers: number) {
    super()
    this.#workers = Array.from({ length: workers }, () => new WorkerNumbers())
  }

  /** Each report of a worker builds on the one before. */
  take(worker: number, report: StatsReport): void {
    this.#workers[worker]?.take(report)
  }

  override metrics(): readonly NamedMetric[] {
    const joined = new Map<string, JoinedScope>()
    for (const worker of this.#workers) worker.addTo(joined)
    return [...joined.values()].flatMap(({ scope }) => scope.metrics)
  }
}

class WorkerNumbers {
  readonly #lists = new Map<number, readonly Listed[]>()
  #scopes = new Map<number, NamedScope>()
  #numbers: Float64Array = new Float64Array()

  take({ lists, scopes, numbers }: StatsReport): void {
    for (const [id, list] of lists) this.#lists.set(id, list)
    for (const [id, scope] of scopes) this.#scopes.set(id, scope)
    this.#numbers = numbers
    const present = new Map<number, NamedScope>()
    this.#walk((id, scope) => {
      present.set(id, scope)
      return undefined
    })
    this.#scopes = present
  }

  addTo(joined: Map<string, JoinedScope>): void {
    this.#walk((_, scope) => {
      let known = joined.get(scope.prefix)
      if (known === undefined) {
        known = new JoinedScope(scope)
        joined.set(scope.prefix, known)
      }
      return known
    })
  }

  /** Adds every scope's numbers to what `into` gives for it. */
  #walk(into: (id: number, scope: NamedScope) => JoinedScope | undefined): void {
    const numbers = this.#numbers
    for (let at = 0; at < numbers.length;) {
      const id = numbers[at] as number
      const scope = this.#scopes.get(id)
      const list = this.#lists.get(scope?.list ?? -1)
      if (scope === undefined || list === undefined) throw new Error(`the worker has never named scope ${id}`)
      const joined = into(id, scope)
      at += 1
      for (const each of list) {
        const length = each.kind === 'histogram' ? 2 + 2 * (numbers[at + 1] as number) : 1
        if (joined !== undefined) add(joined.metric(each), numbers, at)
        at += length
      }
    }
  }
}

/** One scope of all workers. Workers name its metrics in the order in which they came to need them. */
class JoinedScope {
  readonly scope: Scope
  readonly #metrics = new Map<string, Metric>()

  constructor({ prefix, family, labels }: NamedScope) {
    this.scope = new Scope(prefix, family, labels)
  }

  metric(wanted: Listed): Metric {
    const { own, ownLabels, kind, join } = wanted
    const key = keyOf(wanted)
    let metric = this.#metrics.get(key)
    if (metric === undefined) {
      metric = this.scope.add(own, ownLabels, emptyMetric(kind, join))
      this.#metrics.set(key, metric)
    }
    return metric
  }
}

function emptyMetric(kind: Metric['kind'], join: Gauge['join']): Metric {
  if (kind === 'counter') return new Counter()
  return kind === 'gauge' ? new Gauge(join) : new Histogram()
}

function add(metric: Metric, numbers: Float64Array, at: number): void {
  const value = numbers[at] as number
  if (metric.kind === 'histogram') metric.add(value, bucketsOf(numbers, at + 1))
  else if (metric.kind === 'gauge' && metric.join === 'max') metric.value = Math.max(metric.value, value)
  else metric.value += value
}

function* bucketsOf(numbers: Float64Array, at: number): Iterable<readonly [bucket: number, count: number]> {
  const end = at + 1 + 2 * (numbers[at] as number)
  for (let each = at + 1; each < end; each += 2) yield [numbers[each] as number, numbers[each + 1] as number]
}
