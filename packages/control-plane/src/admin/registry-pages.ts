/** What the admin server shows of the bridge from registries. */
import { type Bridge, metricsOf, providersOf, statusOf } from '@aeraki/registries'
import { type Answer, livenessPage, type Page } from './server.ts'
import type { ServiceEntryOutput } from '../outputs/kubernetes/service-entries.ts'
import { serviceEntryMetrics, serviceEntryPage } from './service-entries.ts'
import { formatPrometheus, formatText, type Metric } from './stats.ts'

/**
 * Of `aeraki registry`, which has no control plane beside it.
 * @param cluster that it writes to
 */
export function bridgePages(bridge: Bridge, cluster?: ServiceEntryOutput): readonly Page[] {
  const metrics = (): readonly Metric[] => [
    ...metricsOf(bridge),
    ...(cluster === undefined ? [] : serviceEntryMetrics(cluster)),
  ]
  return [
    ...(cluster === undefined ? [] : [serviceEntryPage(cluster)]),
    livenessPage,
    {
      path: '/ready',
      about: '200 when every registry has been read in full once, else 503 with those that have not',
      answer: () => ready(bridge),
    },
    ...registryPages(bridge),
    {
      path: '/services',
      about: 'services as they are in the mesh, with their instances',
      answer: () => ({ kind: 'json', body: [...bridge.services()].toSorted((a, b) => (a.host < b.host ? -1 : 1)) }),
    },
    {
      path: '/stats',
      about: 'counters, one a line',
      answer: () => ({ kind: 'text', body: formatText(metrics()) }),
    },
    {
      path: '/stats/prometheus',
      about: 'counters for Prometheus',
      answer: () => ({ kind: 'text', body: formatPrometheus(metrics()) }),
    },
  ]
}

/** Beside those of a control plane. */
export function registryPages(bridge: Bridge): readonly Page[] {
  return [
    {
      path: '/registries',
      about: 'registries: connection, lag, counts',
      answer: () => ({ kind: 'json', body: statusOf(bridge) }),
    },
    {
      path: '/providers',
      about: '?text=PART&state=accepted|stale|rejected&registry=NAME&limit=N: whether each is in the mesh, and why not',
      answer: (query) => providers(bridge, query),
    },
  ]
}

function ready(bridge: Bridge): Answer {
  if (bridge.ready) return { kind: 'text', body: 'READY\n' }
  const missing = bridge.registries.filter(({ slices }) => !slices.everSynced).map(({ name }) => name)
  return { kind: 'text', status: 503, body: `not read in full yet: ${missing.join(', ')}\n` }
}

const defaultLimit = 1000

function providers(bridge: Bridge, query: URLSearchParams): Answer {
  const limit = Number(query.get('limit') ?? defaultLimit)
  if (!Number.isInteger(limit) || limit < 1) return { kind: 'text', status: 400, body: 'limit is a number from 1\n' }
  return {
    kind: 'json',
    body: providersOf(bridge, {
      limit,
      text: query.get('text') ?? undefined,
      state: query.get('state') ?? undefined,
      registry: query.get('registry') ?? undefined,
    }),
  }
}
