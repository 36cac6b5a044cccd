/** What can be seen of a bridge from outside: is every provider in the mesh, and if not, why. */
import type { ConnectionState } from '../contract.ts'
import type { Bridge } from './bridge.ts'
import type { SliceCounts } from './slices.ts'

export interface RegistryStatus extends SliceCounts {
  readonly name: string
  readonly type: string
  readonly connection: ConnectionState
  /** Has been read in full at least once. */
  readonly synced: boolean
  /** What is known may be old; it is kept. */
  readonly stale: boolean
  /** Since the last sign of life of the registry; undefined before the first. */
  readonly silentSeconds: number | undefined
  /** Units that have changed and are not read yet. */
  readonly pending: number
  /** Connections that were lost. */
  readonly losses: number
}

export interface BridgeStatus {
  /** Every registry has been read in full at least once. */
  readonly ready: boolean
  readonly services: number
  readonly instances: number
  readonly registries: readonly RegistryStatus[]
}

export function statusOf(bridge: Bridge): BridgeStatus {
  let services = 0
  let instances = 0
  for (const service of bridge.services()) {
    services += 1
    instances += service.instances.length
  }
  return {
    ready: bridge.ready,
    services,
    instances,
    registries: bridge.registries.map((registry) => {
      const { heardAt, pending } = registry.progress()
      return {
        name: registry.name,
        type: registry.type,
        connection: registry.slices.state,
        synced: registry.slices.everSynced,
        stale: registry.slices.stale,
        silentSeconds: heardAt === undefined ? undefined : Math.max(0, (Date.now() - heardAt) / 1000),
        pending,
        losses: registry.losses,
        ...registry.slices.counts(),
      }
    }),
  }
}

export interface ProviderStatus {
  readonly registry: string
  readonly unit: string
  readonly provider: string
  readonly host: string | undefined
  /** `stale`: accepted, and the registry can't be asked now. */
  readonly state: 'accepted' | 'stale' | 'rejected'
  readonly code: string | undefined
  readonly reason: string | undefined
}

export interface ProviderQuery {
  readonly registry?: string | undefined
  /** A part of the provider, the unit or the host, in any case. */
  readonly text?: string | undefined
  readonly state?: string | undefined
  readonly limit: number
}

export function providersOf(bridge: Bridge, { registry, text = '', state, limit }: ProviderQuery): ProviderStatus[] {
  const found: ProviderStatus[] = []
  const wanted = text.toLowerCase()
  for (const provider of allProviders(bridge)) {
    if (found.length >= limit) break
    if (registry !== undefined && provider.registry !== registry) continue
    if (state !== undefined && provider.state !== state) continue
    const { unit, host = '' } = provider
    if (![provider.provider, unit, host].some((part) => part.toLowerCase().includes(wanted))) continue
    found.push(provider)
  }
  return found
}

function* allProviders(bridge: Bridge): Iterable<ProviderStatus> {
  for (const { registry, host, provider, code, reason } of bridge.conflicts()) {
    yield { registry, unit: 'merge', provider, host, state: 'rejected', code, reason }
  }
  for (const { name, slices } of bridge.registries) {
    for (const { unit, provider, host, rejection } of slices.providers()) {
      const state = rejection !== undefined ? 'rejected' : slices.stale ? 'stale' : 'accepted'
      yield { registry: name, unit, provider, host, state, code: rejection?.code, reason: rejection?.reason }
    }
  }
}

/** As Prometheus has them. */
export interface BridgeMetric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
}

export function metricsOf(bridge: Bridge): BridgeMetric[] {
  const { ready, services, instances, registries } = statusOf(bridge)
  const each = (value: (registry: RegistryStatus) => number): BridgeMetric['samples'] =>
    registries.map((registry) => ({ labels: { registry: registry.name }, value: value(registry) }))
  const { merged, changed, removed } = bridge.counters
  return [
    gauge('aeraki_registry_ready', 'Every registry has been read in full.', one(ready ? 1 : 0)),
    gauge('aeraki_registry_services', 'Services in the mesh from registries.', one(services)),
    gauge('aeraki_registry_instances', 'Their instances.', one(instances)),
    gauge(
      'aeraki_registry_connected',
      'The registry is connected.',
      each((r) => (r.connection.kind === 'connected' ? 1 : 0)),
    ),
    gauge(
      'aeraki_registry_stale',
      'What is known of the registry may be old.',
      each((r) => (r.stale ? 1 : 0)),
    ),
    gauge(
      'aeraki_registry_silent_seconds',
      'Since its last sign of life.',
      each((r) => r.silentSeconds ?? 0),
    ),
    gauge(
      'aeraki_registry_pending_units',
      'Changed and not read yet.',
      each((r) => r.pending),
    ),
    gauge(
      'aeraki_registry_hosts',
      'Hosts of the registry.',
      each((r) => r.hosts),
    ),
    gauge(
      'aeraki_registry_vanishing_hosts',
      'Hosts without instance, in their grace.',
      each((r) => r.vanishing),
    ),
    gauge(
      'aeraki_registry_providers_accepted',
      'Registrations that are used.',
      each((r) => r.accepted),
    ),
    gauge(
      'aeraki_registry_providers_rejected',
      'Registrations that are not.',
      each((r) => r.rejected),
    ),
    counter(
      'aeraki_registry_connection_losses_total',
      'Connections that were lost.',
      each((r) => r.losses),
    ),
    counter('aeraki_registry_merges_total', 'Hosts merged again.', one(merged)),
    counter('aeraki_registry_changes_total', 'Services that changed.', one(changed)),
    counter('aeraki_registry_removals_total', 'Services that went.', one(removed)),
  ]
}

function one(value: number): BridgeMetric['samples'] {
  return [{ labels: {}, value }]
}

function counter(name: string, help: string, samples: BridgeMetric['samples']): BridgeMetric {
  return { name, help, type: 'counter', samples }
}

function gauge(name: string, help: string, samples: BridgeMetric['samples']): BridgeMetric {
  return { name, help, type: 'gauge', samples }
}
