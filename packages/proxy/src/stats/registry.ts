/**
 * All metrics of a proxy. They are made in scopes: what shares a prefix (Envoy's dotted names), a Prometheus prefix and
 * labels, and goes away together (a removed cluster's).
 */
import type { StatsOptions, StatsSource } from '../runtime.ts'
import { Counter, Gauge, Histogram, type Metric } from './metric.ts'
import { writePrometheus } from './prometheus.ts'
import { writeText } from './text.ts'

/** A metric with its names, which are put together when somebody looks: a big mesh has a million of them. */
export class NamedMetric {
  readonly metric: Metric
  /** Within its scope. */
  readonly own: string
  /** What tells metrics of one name in one scope apart. */
  readonly ownLabels: Labels | undefined
  readonly #scope: Scope

  constructor(scope: Scope, own: string, ownLabels: Labels | undefined, metric: Metric) {
    this.#scope = scope
    this.own = own
    this.ownLabels = ownLabels
    this.metric = metric
  }

  /** Envoy's: `cluster.x.upstream_rq_total`. Labels that tell metrics of one name apart stand in it, too. */
  get name(): string {
    const { prefix } = this.#scope
    if (this.ownLabels === undefined) return prefix + this.own
    const suffix = Object.entries(this.ownLabels).map(([label, value]) => `.${label}.${value}`)
    return `${prefix}${this.own}${suffix.join('')}`
  }

  /** Prometheus': `envoy_cluster_upstream_rq_total`. */
  get family(): string {
    return `${this.#scope.family}${this.own.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`
  }

  get labels(): Labels {
    const { labels } = this.#scope
    return this.ownLabels === undefined ? labels : { ...labels, ...this.ownLabels }
  }
}

export type Labels = Readonly<Record<string, string>>

/** Metrics as text, wherever they come from. */
export abstract class MetricPages implements StatsSource {
  /** In no particular order. */
  abstract metrics(): readonly NamedMetric[]

  text(options: StatsOptions = {}): string {
    return writeText(this.#select(options))
  }

  prometheus(options: StatsOptions = {}): string {
    return writePrometheus(this.#select(options))
  }

  values(): ReadonlyMap<string, number> {
    const values = new Map<string, number>()
    for (const named of this.metrics()) {
      if (named.metric.kind !== 'histogram') values.set(named.name, named.metric.value)
    }
    return values
  }

  #select({ filter, usedOnly }: StatsOptions): readonly NamedMetric[] {
    return this.metrics().filter((named) => {
      if (usedOnly === true && !used(named.metric)) return false
      return filter === undefined || matches(filter, named.name)
    })
  }
}

export class StatsRegistry extends MetricPages {
  readonly scopes: ReadonlySet<Scope>
  readonly #scopes = new Set<Scope>()

  constructor() {
    super()
    this.scopes = this.#scopes
  }

  /**
   * @param prefix before the names of its metrics, with the dot: `cluster.x.`
   * @param family before their Prometheus names, with the underscore: `envoy_cluster_`
   */
  scope(prefix: string, family: string, labels: Labels): Scope {
    const scope = new Scope(prefix, family, labels)
    this.#scopes.add(scope)
    return scope
  }

  remove(scope: Scope): void {
    this.#scopes.delete(scope)
  }

  override metrics(): readonly NamedMetric[] {
    return [...this.#scopes].flatMap((scope) => scope.metrics)
  }
}

/** A `g` or `y` flag would make the expression remember where it was. */
function matches(filter: RegExp, name: string): boolean {
  filter.lastIndex = 0
  return filter.test(name)
}

function used(metric: Metric): boolean {
  return metric.kind === 'histogram' ? metric.count > 0 : metric.value !== 0
}

export class Scope {
  readonly metrics: NamedMetric[] = []
  readonly prefix: string
  readonly family: string
  readonly labels: Labels

  constructor(prefix: string, family: string, labels: Labels) {
    this.prefix = prefix
    this.family = family
    this.labels = labels
  }

  counter(name: string, labels?: Labels): Counter {
    return this.add(name, labels, new Counter())
  }

  gauge(name: string, labels?: Labels, join?: Gauge['join']): Gauge {
    return this.add(name, labels, new Gauge(join))
  }

  histogram(name: string, labels?: Labels): Histogram {
    return this.add(name, labels, new Histogram())
  }

  add<M extends Metric>(name: string, labels: Labels | undefined, metric: M): M {
    this.metrics.push(new NamedMetric(this, name, labels, metric))
    return metric
  }
}
