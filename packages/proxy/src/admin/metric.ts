/** One statistic as the admin pages print it, whoever counts it. */
export type Metric = Counter | Histogram

export interface Counter {
  readonly kind: 'counter' | 'gauge'
  /** Envoy's dotted name. */
  readonly name: string
  readonly value: number
  readonly prometheus?: PrometheusName
}

export interface Histogram {
  readonly kind: 'histogram'
  readonly name: string
  readonly count: number
  readonly sum: number
  /** Upper bounds with cumulative counts, ascending; the last bound may be Infinity. */
  readonly buckets: readonly (readonly [bound: number, count: number])[]
  readonly prometheus?: PrometheusName
}

/** Absent: made from the dotted name, `envoy_` in front. */
export interface PrometheusName {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** The value below which this share of all observations lies, by interpolation inside its bucket; 0 without any. */
export function quantile(histogram: Histogram, share: number): number {
  const wanted = histogram.count * share
  let below = 0
  let lower = 0
  for (const [bound, count] of histogram.buckets) {
    if (count >= wanted && count > below) {
      const upper = Number.isFinite(bound) ? bound : lower
      return lower + ((upper - lower) * (wanted - below)) / (count - below)
    }
    below = count
    lower = bound
  }
  return Number.isFinite(lower) ? lower : 0
}
