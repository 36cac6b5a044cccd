/**
 * All metrics of a proxy. They are made in scopes: what shares a prefix (Envoy's dotted names), a Prometheus prefix and
 * labels, and goes away together (a removed cluster's).
 */
import type { StatsOptions, StatsSource } from '../runtime.ts'
import { Counter, Gauge, Histogram, type Metric } from './metric.ts'
import { writePrometheus } from './prometheus.ts'
import { writeText } from './text.ts'

/** A metric with its names. */
export interface NamedMetric {
  /** Envoy's: `cluster.x.upstream_rq_total`. */
  readonly name: string
  /** Prometheus': `envoy_cluster_upstream_rq_total`. */
  readonly family: string
  readonly labels: Labels
  readonly metric: Metric
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
    for (const { name, metric } of this.metrics()) {
      if (metric.kind !== 'histogram') values.set(name, metric.value)
    }
    return values
  }

  #select({ filter, usedOnly }: StatsOptions): readonly NamedMetric[] {
    return this.metrics().filter(({ name, metric }) => {
      if (filter !== undefined && !matches(filter, name)) return false
      return usedOnly !== true || used(metric)
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
  readonly #prefix: string
  readonly #family: string
  readonly #labels: Labels

  constructor(prefix: string, family: string, labels: Labels) {
    this.#prefix = prefix
    this.#family = family
    this.#labels = labels
  }

  counter(name: string, labels?: Labels): Counter {
    return this.#add(name, labels, new Counter())
  }

  gauge(name: string, labels?: Labels, join?: Gauge['join']): Gauge {
    return this.#add(name, labels, new Gauge(join))
  }

  histogram(name: string, labels?: Labels): Histogram {
    return this.#add(name, labels, new Histogram())
  }

  /** Labels that tell metrics of one name apart stand in the dotted name, too. */
  #add<M extends Metric>(name: string, labels: Labels | undefined, metric: M): M {
    const suffix = Object.entries(labels ?? {}).map(([label, value]) => `.${label}.${value}`)
    this.metrics.push({
      name: `${this.#prefix}${name}${suffix.join('')}`,
      family: `${this.#family}${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`,
      labels: { ...this.#labels, ...labels },
      metric,
    })
    return metric
  }
}
