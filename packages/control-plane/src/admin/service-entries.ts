/** What the admin pages show of ServiceEntries that are written into a cluster for registries. */
import type { Reflector } from '@aeraki/kubernetes'
import type { ServiceEntryOutput } from '../outputs/kubernetes/service-entries.ts'
import type { Page } from './server.ts'
import { counter, gauge, type Metric, one } from './stats.ts'

/** Of `aeraki registry`; a control plane has these beside what else it writes. */
export function serviceEntryPage(output: ServiceEntryOutput): Page {
  return {
    path: '/kubernetes',
    about: 'whether this process writes ServiceEntries, what was written, and what could not be',
    answer: () => ({ kind: 'json', body: serviceEntryJson(output) }),
  }
}

export function serviceEntryJson(output: ServiceEntryOutput): object {
  return {
    leads: output.leads,
    leader: output.leader,
    followed: followedJson(output.reflectors),
    written: output.counters,
    failures: Object.fromEntries(output.failures),
  }
}

/** What is followed, and how that goes. */
export function followedJson(reflectors: Iterable<Reflector>): readonly object[] {
  return [...reflectors].map(({ name, state, counters }) => ({ name, ...state, ...counters }))
}

/** A subset of a control plane's, under the same names. */
export function serviceEntryMetrics({ leads, counters, failures, reflectors }: ServiceEntryOutput): Metric[] {
  const failing = reflectors.filter(({ state }) => state.kind === 'failing').length
  return [
    gauge('aeraki_kubernetes_leader', '1 where this process leads, and so writes.', [one(leads ? 1 : 0)]),
    gauge('aeraki_kubernetes_failing_watches', 'Resources that cannot be followed now.', [one(failing)]),
    counter('aeraki_kubernetes_writes', 'Requests that changed an object, by what they did.', [
      { labels: { what: 'apply' }, value: counters.applied },
      { labels: { what: 'delete' }, value: counters.deleted },
    ]),
    counter('aeraki_kubernetes_repairs', 'Objects written again because somebody had changed them.', [
      one(counters.repaired),
    ]),
    counter('aeraki_kubernetes_write_conflicts', 'Writes refused because the object had changed.', [
      one(counters.conflicts),
    ]),
    counter('aeraki_kubernetes_write_failures', 'Writes that failed, by what they were to do.', [
      { labels: { what: 'object' }, value: counters.failed },
    ]),
    gauge('aeraki_kubernetes_unwritten_objects', 'Objects that could not be written so far.', [one(failures.size)]),
  ]
}
