/**
 * Prometheus' text format, see https://prometheus.io/docs/instrumenting/exposition_formats/.
 *
 *   family  = "# TYPE " name " " type LF *sample
 *   sample  = name "{" label "=" <"> value <"> *("," ...) "}" " " number LF
 *
 * In label values `\`, `"` and line feeds are escaped.
 */
import type { Histogram } from './metric.ts'
import type { Labels, NamedMetric } from './registry.ts'

/** Envoy's bucket bounds, in the metric's unit (milliseconds for times). */
const bounds = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
] as const

export function writePrometheus(metrics: readonly NamedMetric[]): string {
  const families = new Map<string, NamedMetric[]>()
  for (const metric of metrics) {
    const family = families.get(metric.family)
    if (family === undefined) families.set(metric.family, [metric])
    else family.push(metric)
  }
  const lines: string[] = []
  for (const name of [...families.keys()].sort()) {
    const members = families.get(name) ?? []
    lines.push(`# TYPE ${name} ${members[0]?.metric.kind ?? 'untyped'}`)
    for (const { labels, metric } of members) {
      if (metric.kind === 'histogram') writeHistogram(lines, name, labels, metric)
      else lines.push(`${name}${labelSet(labels)} ${metric.value}`)
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function writeHistogram(lines: string[], name: string, labels: Labels, histogram: Histogram): void {
  for (const bound of bounds) {
    lines.push(`${name}_bucket${labelSet({ ...labels, le: String(bound) })} ${histogram.atMost(bound)}`)
  }
  lines.push(`${name}_bucket${labelSet({ ...labels, le: '+Inf' })} ${histogram.count}`)
  lines.push(`${name}_sum${labelSet(labels)} ${histogram.sum}`)
  lines.push(`${name}_count${labelSet(labels)} ${histogram.count}`)
}

function labelSet(labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escape(value)}"`)
  return `{${pairs.join(',')}}`
}

function escape(value: string): string {
  return value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)
}
