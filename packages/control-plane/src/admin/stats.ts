/** Counters and gauges. Names are Istio's where it has the same thing, which ends no counter in `_total`; ours do. */
import { type Bridge, metricsOf } from '@aeraki/registries'
import type { AdsServer } from '@aeraki/xds'
import type { Pipeline } from '../pipeline.ts'

export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
}

export interface MetricSources {
  readonly pipeline: Pipeline
  readonly server: AdsServer
  /** From registries, where there are any. */
  readonly bridge?: Bridge | undefined
  /** Metrics of what else there is. */
  readonly more?: () => readonly Metric[]
}

export function collectMetrics({ pipeline, server, bridge, more }: MetricSources): readonly Metric[] {
  const { store, mesh } = pipeline
  const byType = [...server.counters.byType].map(([typeUrl, counters]) => ({ type: shortType(typeUrl), counters }))
  const severities = Object.groupBy(pipeline.diagnostics(), ({ severity }) => severity)
  const kinds = Object.groupBy(store.objects(), ({ kind }) => kind)
  return [
    counter('pilot_xds_pushes', 'Responses sent to proxies, by type of resource.', each(byType, 'pushes')),
    counter('pilot_xds_acks', 'Responses that proxies have acknowledged.', each(byType, 'acks')),
    counter('pilot_total_xds_rejects', 'Responses that proxies have refused.', each(byType, 'nacks')),
    gauge('pilot_xds', 'Streams of proxies that are connected.', [one(server.counters.streams)]),
    gauge('pilot_services', 'Services known.', [one([...mesh.services()].length)]),
    counter('aeraki_control_plane_reloads_total', 'Batches that changed at least one object.', [one(pipeline.reloads)]),
    counter('aeraki_control_plane_recomputed_services_total', 'Services that were computed.', [one(mesh.recomputed)]),
    gauge(
      'aeraki_control_plane_objects',
      'Objects in force, by kind.',
      Object.entries(kinds).map(([kind, objects]) => ({ labels: { kind }, value: objects?.length ?? 0 })),
    ),
    gauge(
      'aeraki_control_plane_stale_objects',
      'Objects in force in an older version because the present one is broken.',
      [one(store.stale)],
    ),
    gauge(
      'aeraki_control_plane_diagnostics',
      'What is wrong with the configuration now.',
      (['error', 'warning'] as const).map((severity) => ({
        labels: { severity },
        value: severities[severity]?.length ?? 0,
      })),
    ),
    counter('aeraki_control_plane_reload_milliseconds_total', 'Time from a batch of changes to the push, summed up.', [
      one(pipeline.reloadMs.total),
    ]),
    gauge('aeraki_control_plane_last_reload_milliseconds', 'Time from the last batch of changes to the push.', [
      one(pipeline.reloadMs.last),
    ]),
    ...(bridge === undefined ? [] : metricsOf(bridge)),
    ...(more?.() ?? []),
  ]
}

export function formatPrometheus(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, help, type, samples }) => {
      const lines = samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}\n`)
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
    })
    .join('')
}

/** `name{label="value"}: 1` */
export function formatText(metrics: readonly Metric[]): string {
  return metrics
    .flatMap(({ name, samples }) => samples.map(({ labels, value }) => `${name}${labelText(labels)}: ${value}\n`))
    .join('')
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value.replace(/[\\"\n]/g, '_')}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

export function counter(name: string, help: string, samples: Metric['samples']): Metric {
  return { name, help, type: 'counter', samples }
}

export function gauge(name: string, help: string, samples: Metric['samples']): Metric {
  return { name, help, type: 'gauge', samples }
}

export function one(value: number): Metric['samples'][number] {
  return { labels: {}, value }
}

type TypeCount = { readonly type: string; readonly counters: Readonly<Record<'pushes' | 'acks' | 'nacks', number>> }

function each(counts: readonly TypeCount[], what: 'pushes' | 'acks' | 'nacks'): Metric['samples'] {
  return counts.map(({ type, counters }) => ({ labels: { type }, value: counters[what] }))
}

const shortTypes: Readonly<Record<string, string>> = {
  Listener: 'lds',
  Cluster: 'cds',
  ClusterLoadAssignment: 'eds',
  RouteConfiguration: 'rds',
}

function shortType(typeUrl: string): string {
  const name = typeUrl.slice(typeUrl.lastIndexOf('.') + 1)
  return shortTypes[name] ?? typeUrl
}
