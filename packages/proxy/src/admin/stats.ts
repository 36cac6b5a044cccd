/** `/stats` (text, JSON) and `/stats/prometheus`: those of the data path, and those of the process around it. */
import { AerakiError } from '@aeraki/api/errors'
import type { StatsOptions } from '../runtime.ts'
import { jsonPage, textPage, type AdminContext, type Page } from './context.ts'
import { serverMetrics, type ServerMetric } from './server-metrics.ts'

export function statsPage(context: AdminContext, query: URLSearchParams): Page {
  const format = query.get('format') ?? 'text'
  const options = optionsOf(query)
  const own = select(context, options)
  if (format === 'prometheus') return prometheusPage(context, query)
  if (format === 'text') {
    const lines = own.map(({ name, value }) => `${name}: ${value}`).sort()
    return textPage(lines.join('\n') + (lines.length === 0 ? '' : '\n') + (context.runtime.stats?.text(options) ?? ''))
  }
  if (format !== 'json') {
    throw new AerakiError('PROXY_ADMIN_QUERY_INVALID', `format=${format}: give text, json or prometheus`)
  }
  const theirs = [...(context.runtime.stats?.values() ?? [])].map(([name, value]) => ({ name, value }))
  const all = [...own.map(({ name, value }) => ({ name, value })), ...theirs.filter((each) => isWanted(each, options))]
  return jsonPage({ stats: all.sort((a, b) => (a.name < b.name ? -1 : 1)) })
}

export function prometheusPage(context: AdminContext, query: URLSearchParams): Page {
  const options = optionsOf(query)
  const own = select(context, options).map(({ kind, name, value }) => {
    const family = `envoy_${name.replaceAll('.', '_')}`
    return `# TYPE ${family} ${kind}\n${family} ${value}\n`
  })
  return {
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: own.join('') + (context.runtime.stats?.prometheus(options) ?? ''),
  }
}

/** `filter` is a regular expression that matches anywhere in the name, `usedonly` leaves out what never happened. */
function optionsOf(query: URLSearchParams): StatsOptions {
  const filter = query.get('filter')
  const usedOnly = query.has('usedonly')
  if (filter === null) return { usedOnly }
  try {
    return { usedOnly, filter: new RegExp(filter) }
  } catch (cause) {
    throw new AerakiError('PROXY_ADMIN_QUERY_INVALID', `filter=${filter} is not a regular expression`, { cause })
  }
}

function select(context: AdminContext, options: StatsOptions): readonly ServerMetric[] {
  return [...serverMetrics(context)].filter((metric) => isWanted(metric, options))
}

function isWanted(metric: { readonly name: string; readonly value: number }, options: StatsOptions): boolean {
  return (options.filter?.test(metric.name) ?? true) && (options.usedOnly !== true || metric.value !== 0)
}
