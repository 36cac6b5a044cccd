/**
 * Statistics on their way from a worker. Names go once, numbers each time, in one array without names:
 *
 *   numbers   = *scope
 *   scope     = id , *metric                               as many as have been named for this id so far
 *   metric    = value | sum , count , n , n*(bucket , count)      the latter for histograms
 *
 * A scope that is not among them is gone.
 */
import { Counter, Gauge, Histogram, type Metric } from '../stats/metric.ts'
import { MetricPages, type NamedMetric, type Scope, type StatsRegistry } from '../stats/registry.ts'

export interface StatsReport {
  /** Metrics that there were none of last time. */
  readonly named: readonly NamedScope[]
  readonly numbers: Float64Array<ArrayBuffer>
}

interface NamedScope {
  readonly id: number
  readonly metrics: readonly NamedKind[]
}

type NamedKind = Omit<NamedMetric, 'metric'> & { readonly kind: Metric['kind']; readonly join: Gauge['join'] }

/** The worker's end. */
export class StatsReporter {
  readonly #registry: StatsRegistry
  readonly #sent = new WeakMap<Scope, { readonly id: number; count: number }>()
  #lastId = 0

  constructor(registry: StatsRegistry) {
    this.#registry = registry
  }

  report(): StatsReport {
    const named: NamedScope[] = []
    const numbers: number[] = []
    for (const scope of this.#registry.scopes) {
      let sent = this.#sent.get(scope)
      if (sent === undefined) {
        this.#lastId += 1
        sent = { id: this.#lastId, count: 0 }
        this.#sent.set(scope, sent)
      }
      if (scope.metrics.length > sent.count) {
        named.push({ id: sent.id, metrics: scope.metrics.slice(sent.count).map(withoutNumbers) })
        sent.count = scope.metrics.length
      }
      numbers.push(sent.id)
      for (const { metric } of scope.metrics) write(numbers, metric)
    }
    return { named, numbers: Float64Array.from(numbers) }
  }
}

function withoutNumbers({ name, family, labels, metric }: NamedMetric): NamedKind {
  return { name, family, labels, kind: metric.kind, join: metric.kind === 'gauge' ? metric.join : 'sum' }
}

function write(numbers: number[], metric: Metric): void {
  if (metric.kind !== 'histogram') {
    numbers.push(metric.value)
    return
  }
  const buckets = [...metric.buckets()]
  numbers.push(metric.sum, metric.count, buckets.length)
  for (const [bucket, count] of buckets) numbers.push(bucket, count)
}

/** The other end, for all workers: counters, histograms and most gauges are sums. */
export class JoinedStats extends MetricPages {
  readonly #workers: readonly WorkerNumbers[]

  constructor(workers: number) {
    super()
    this.#workers = Array.from({ length: workers }, () => new WorkerNumbers())
  }

  take(worker: number, report: StatsReport): void {
    this.#workers[worker]?.take(report)
  }

  override metrics(): readonly NamedMetric[] {
    const joined = new Map<string, NamedMetric>()
    for (const worker of this.#workers) worker.addTo(joined)
    return [...joined.values()]
  }
}

class WorkerNumbers {
  readonly #named = new Map<number, NamedKind[]>()
  #numbers = new Float64Array()

  take({ named, numbers }: StatsReport): void {
    this.#numbers = numbers
    for (const { id, metrics } of named) {
      const known = this.#named.get(id)
      if (known === undefined) this.#named.set(id, [...metrics])
      else known.push(...metrics)
    }
    this.#forget()
  }

  addTo(joined: Map<string, NamedMetric>): void {
    for (const { named, at } of this.#metrics()) {
      let metric = joined.get(named.name)?.metric
      if (metric === undefined) {
        const { kind, join, ...names } = named
        metric = emptyMetric(kind, join)
        joined.set(named.name, { ...names, metric })
      }
      add(metric, this.#numbers, at)
    }
  }

  /** Drops the names of scopes that are gone. */
  #forget(): void {
    const gone = new Set(this.#named.keys())
    for (const { id } of this.#metrics()) gone.delete(id)
    for (const id of gone) this.#named.delete(id)
  }

  /** Each metric, and where its numbers begin. */
  *#metrics(): Iterable<{ readonly id: number; readonly named: NamedKind; readonly at: number }> {
    for (let at = 0; at < this.#numbers.length;) {
      const id = this.#numbers[at] as number
      at += 1
      for (const named of this.#named.get(id) ?? []) {
        yield { id, named, at }
        at += named.kind === 'histogram' ? 3 + 2 * (this.#numbers[at + 2] as number) : 1
      }
    }
  }
}

function emptyMetric(kind: Metric['kind'], join: Gauge['join']): Metric {
  if (kind === 'counter') return new Counter()
  return kind === 'gauge' ? new Gauge(join) : new Histogram()
}

function add(metric: Metric, numbers: Float64Array, at: number): void {
  const value = numbers[at] as number
  if (metric.kind === 'histogram') {
    metric.sum += value
    metric.count += numbers[at + 1] as number
    const end = at + 3 + 2 * (numbers[at + 2] as number)
    for (let each = at + 3; each < end; each += 2) {
      metric.addToBucket(numbers[each] as number, numbers[each + 1] as number)
    }
  } else if (metric.kind === 'gauge' && metric.join === 'max') {
    metric.value = Math.max(metric.value, value)
  } else {
    metric.value += value
  }
}
