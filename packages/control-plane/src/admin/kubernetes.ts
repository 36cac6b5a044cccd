/** What the admin pages show of a control plane in a cluster. */
import type { Election, Reflector } from '@aeraki/kubernetes'
import type { AddressWriter } from '../outputs/kubernetes/addresses.ts'
import type { StatusWriter } from '../outputs/kubernetes/status.ts'
import type { ServiceEntryOutput } from '../outputs/kubernetes/service-entries.ts'
import type { ClusterWriter } from '../outputs/kubernetes/writer.ts'
import type { KubernetesSource } from '../sources/kubernetes/source.ts'
import type { WebhookServer } from '../webhook/server.ts'
import type { Page } from './server.ts'
import { followedJson, serviceEntryJson } from './service-entries.ts'
import { counter, gauge, type Metric, one } from './stats.ts'

export interface KubernetesView {
  readonly identity: string
  readonly election: Election
  readonly source: KubernetesSource
  readonly writer: ClusterWriter
  readonly status: StatusWriter
  readonly addresses: AddressWriter
  readonly webhook: WebhookServer | undefined
  /** Of registries; undefined where there are none. */
  readonly serviceEntries: ServiceEntryOutput | undefined
}

/** Until then: with what is waited for, where it is known why. */
export function notReadyPage(source: Pick<KubernetesSource, 'reflectors'>): Page {
  return {
    path: '/ready',
    about: 'whether the cluster has been read and is served',
    answer() {
      const failing = source.reflectors.flatMap(({ name, synced, state }) =>
        synced || state.kind !== 'failing' ? [] : [`${name}: ${state.reason}\n`],
      )
      return { kind: 'text', status: 503, body: `the cluster has not been read yet\n${failing.join('')}` }
    },
  }
}

export function kubernetesPage(view: KubernetesView): Page {
  const { identity, election, source, writer, status, addresses, serviceEntries } = view
  return {
    path: '/kubernetes',
    about: 'who leads, what is followed, what was written and what could not be',
    answer: () => ({
      kind: 'json',
      body: {
        identity,
        leads: election.leads,
        leader: election.holder,
        followed: followedJson([...source.reflectors, ...writer.reflectors]),
        written: { objects: writer.counters, status: status.counters, addresses: addresses.counters },
        failures: Object.fromEntries(writer.failures),
        ...(serviceEntries === undefined ? {} : { serviceEntriesOfRegistries: serviceEntryJson(serviceEntries) }),
      },
    }),
  }
}

export function kubernetesMetrics(view: KubernetesView): Metric[] {
  const { election, source, writer, status, addresses, webhook, serviceEntries } = view
  const writers = [writer, ...(serviceEntries === undefined ? [] : [serviceEntries])]
  const sum = (what: keyof ClusterWriter['counters']): number =>
    writers.reduce((total, { counters }) => total + counters[what], 0)
  const reflectors = [...source.reflectors, ...writer.reflectors, ...(serviceEntries?.reflectors ?? [])]
  const each = (what: keyof Reflector['counters']): Metric['samples'] => {
    const sums = new Map<string, number>()
    for (const { name, counters } of reflectors) sums.set(name, (sums.get(name) ?? 0) + counters[what])
    return [...sums].map(([resource, value]) => ({ labels: { resource }, value }))
  }
  const failing = reflectors.filter(({ state }) => state.kind === 'failing').length
  return [
    gauge('aeraki_kubernetes_leader', '1 where this process leads, and so writes.', [one(election.leads ? 1 : 0)]),
    gauge('aeraki_kubernetes_failing_watches', 'Resources that cannot be followed now.', [one(failing)]),
    counter('aeraki_kubernetes_lists', 'Times a resource was listed.', each('lists')),
    counter('aeraki_kubernetes_watches', 'Times a resource was watched.', each('watches')),
    counter('aeraki_kubernetes_events', 'Events and bookmarks that watches gave.', each('events')),
    counter('aeraki_kubernetes_silent_watches', 'Watches that were given up because nothing came.', each('silences')),
    counter('aeraki_kubernetes_writes', 'Requests that changed an object, by what they did.', [
      { labels: { what: 'apply' }, value: sum('applied') },
      { labels: { what: 'delete' }, value: sum('deleted') },
      { labels: { what: 'status' }, value: status.counters.written },
      { labels: { what: 'address' }, value: addresses.counters.given + addresses.counters.moved },
    ]),
    counter('aeraki_kubernetes_repairs', 'Objects written again because somebody had changed them.', [
      one(sum('repaired')),
    ]),
    counter('aeraki_kubernetes_write_conflicts', 'Writes refused because the object had changed.', [
      one(sum('conflicts')),
    ]),
    counter('aeraki_kubernetes_write_failures', 'Writes that failed, by what they were to do.', [
      { labels: { what: 'object' }, value: sum('failed') },
      { labels: { what: 'status' }, value: status.counters.failed },
      { labels: { what: 'address' }, value: addresses.counters.failed },
    ]),
    gauge('aeraki_kubernetes_unwritten_objects', 'Objects that could not be written so far.', [
      one(writers.reduce((total, { failures }) => total + failures.size, 0)),
    ]),
    ...(webhook === undefined
      ? []
      : [
          counter('galley_validation_passed', 'Objects that the webhook let pass.', [one(webhook.counters.passed)]),
          counter('galley_validation_failed', 'Objects that the webhook denied.', [one(webhook.counters.failed)]),
          counter('galley_validation_http_error', 'Requests to the webhook that were none.', [
            one(webhook.counters.malformed),
          ]),
        ]),
  ]
}
