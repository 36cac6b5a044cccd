import type { Histogram } from './metric.ts'
import type { NamedMetric } from './registry.ts'

/** Envoy's `/stats`: counters and gauges sorted by name, then histograms with their quantiles. */
export function writeText(metrics: readonly NamedMetric[]): string {
  const values: string[] = []
  const histograms: string[] = []
  for (const { name, metric } of metrics) {
    if (metric.kind === 'histogram') histograms.push(`${name}: ${quantiles(metric)}`)
    else values.push(`${name}: ${metric.value}`)
  }
  const lines = [...values.sort(), ...histograms.sort()]
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

const shares = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1] as const

/** `P50(interval,cumulative)`; there are no intervals here, so the first is always `nan`. */
function quantiles(histogram: Histogram): string {
  if (histogram.count === 0) return 'No recorded values'
  return shares.map((share) => `P${share * 100}(nan,${round(histogram.quantile(share))})`).join(' ')
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
