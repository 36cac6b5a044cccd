/** `/stats` (text, JSON) and `/stats/prometheus`. */
import { RE2JS } from 're2js'
import { AerakiError } from '@aeraki/api/errors'
import { jsonPage, textPage, type AdminContext, type Page } from './context.ts'
import { quantile, type Histogram, type Metric } from './metric.ts'

/** Envoy's. */
const quantiles = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1]

export function statsPage(context: AdminContext, query: URLSearchParams): Page {
  const format = query.get('format') ?? 'text'
  if (format === 'prometheus') return prometheusPage(context, query)
  const metrics = select(context, query)
  if (format === 'json') return jsonPage({ stats: metrics.map(toJson) })
  if (format !== 'text') {
    throw new AerakiError('PROXY_ADMIN_QUERY_INVALID', `format=${format}: give text, json or prometheus`)
  }
  return textPage(metrics.map((metric) => `${metric.name}: ${toText(metric)}`).join('\n'))
}

export function prometheusPage(context: AdminContext, query: URLSearchParams): Page {
  const families = new Map<string, { readonly type: string; readonly lines: string[] }>()
  for (const metric of select(context, query)) {
    const name = metric.prometheus?.name ?? `envoy_${metric.name}`.replaceAll(/[^a-zA-Z0-9_:]/g, '_')
    const family = families.get(name) ?? { type: metric.kind, lines: [] }
    families.set(name, family)
    family.lines.push(...prometheusLines(name, metric.prometheus?.labels ?? {}, metric))
  }
  const text = [...families].map(([name, { type, lines }]) => `# TYPE ${name} ${type}\n${lines.join('\n')}\n`).join('')
  return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: text }
}

/** `filter` is a regular expression that matches anywhere in the name, `usedonly` leaves out what never happened. */
function select(context: AdminContext, query: URLSearchParams): readonly Metric[] {
  const filter = compile(query.get('filter'))
  const usedOnly = query.has('usedonly')
  return [...context.metrics()]
    .filter((metric) => filter(metric.name) && (!usedOnly || isUsed(metric)))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

function isUsed(metric: Metric): boolean {
  return metric.kind === 'histogram' ? metric.count > 0 : metric.value !== 0
}

function compile(filter: string | null): (name: string) => boolean {
  if (filter === null) return () => true
  try {
    const pattern = RE2JS.compile(filter)
    return (name) => pattern.matcher(name).find()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AerakiError('PROXY_ADMIN_QUERY_INVALID', `filter=${filter} is not a regular expression: ${reason}`)
  }
}

function toText(metric: Metric): string {
  if (metric.kind !== 'histogram') return String(metric.value)
  if (metric.count === 0) return 'No recorded values'
  return quantiles.map((share) => `P${share * 100}(${round(quantile(metric, share))})`).join(' ')
}

function toJson(metric: Metric): unknown {
  if (metric.kind !== 'histogram') return { name: metric.name, value: metric.value }
  const computed = quantiles.map((share) => ({ quantile: share * 100, value: round(quantile(metric, share)) }))
  return { name: metric.name, count: metric.count, sum: metric.sum, quantiles: computed }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}

function prometheusLines(name: string, labels: Readonly<Record<string, string>>, metric: Metric): readonly string[] {
  if (metric.kind !== 'histogram') return [`${name}${labelText(labels)} ${metric.value}`]
  return [
    ...bucketLines(name, labels, metric),
    `${name}_sum${labelText(labels)} ${metric.sum}`,
    `${name}_count${labelText(labels)} ${metric.count}`,
  ]
}

function bucketLines(name: string, labels: Readonly<Record<string, string>>, metric: Histogram): readonly string[] {
  const finite = metric.buckets.filter(([bound]) => Number.isFinite(bound))
  return [
    ...finite.map(([bound, count]) => `${name}_bucket${labelText({ ...labels, le: String(bound) })} ${count}`),
    `${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${metric.count}`,
  ]
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
