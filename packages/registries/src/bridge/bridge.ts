/**
 * Registries -> slices -> services. Only hosts whose slices changed are merged again, and only services that then differ
 * are told. Nothing is told before every registry has been read in full once (or `startTimeout` is over): outputs must
 * not take a registry that is still being read for an empty one.
 */
import { isDeepStrictEqual } from 'node:util'
import { getLogger } from '@logtape/logtape'
import type { Registry, Rejection } from '../contract.ts'
import type { ServiceModel } from '../model.ts'
import type { BridgeConfig, RegistryConfig } from './config.ts'
import { type Claim, mergeClaims } from './merge.ts'
import { Slices } from './slices.ts'
import { Twins } from './twins.ts'

const log = getLogger(['aeraki', 'registries'])

export interface ServiceChange {
  readonly host: string
  /** Undefined: it is gone. */
  readonly service: ServiceModel | undefined
}

export interface BridgeListener {
  /** What changed, each host once; at first everything. */
  changed(changes: readonly ServiceChange[]): void
  /**
   * Once, after the `changed` with it: every registry has been read, so what is not among `services()` is nobody's. May
   * come long after the first `changed`, where a registry could not be reached.
   */
  complete?(): void
}

/** The services of all registries, as outputs see them. */
export interface ServiceSource {
  services(): Iterable<ServiceModel>
  /** Tells everything that is known at once, then what changes. Returns what ends it. */
  subscribe(listener: BridgeListener): () => void
}

export interface Bridge extends ServiceSource {
  /** Resolves when `services` is worth believing: see above. */
  start(): Promise<void>
  close(): Promise<void>
  /** Every registry has been read in full at least once. */
  readonly ready: boolean
  readonly registries: readonly BridgedRegistry[]
  /** Registrations that had to give way to others of their host. */
  conflicts(): Iterable<Rejection & { readonly registry: string; readonly host: string }>
  readonly counters: BridgeCounters
}

export interface BridgedRegistry {
  readonly name: string
  readonly type: string
  readonly slices: Slices
  progress: Registry['progress']
  /** Times that the connection was lost. */
  readonly losses: number
}

export interface BridgeCounters {
  /** Hosts merged again. */
  readonly merged: number
  /** Services that differed after it. */
  readonly changed: number
  readonly removed: number
}

export interface BridgeOptions {
  /** Milliseconds for which changes are gathered. Default 20. */
  readonly gatherMs?: number
  /** Milliseconds between looks for hosts whose grace is over. Default 500. */
  readonly expireMs?: number
  /** For tests. */
  readonly now?: () => number
}

interface Entry {
  readonly config: RegistryConfig
  readonly slices: Slices
  connector: Registry | undefined
  losses: number
}

/** Milliseconds: whoever waits for the start is told why. */
const longestSilence = 10_000

export function createBridge(config: BridgeConfig, options: BridgeOptions = {}): Bridge {
  const { gatherMs = 20, expireMs = 500, now } = options
  const services = new Map<string, ServiceModel>()
  const conflicts = new Map<string, readonly (Rejection & { readonly registry: string })[]>()
  const listeners = new Set<BridgeListener>()
  const twins = new Twins()
  const dirty = new Set<string>()
  const counters = { merged: 0, changed: 0, removed: 0 }
  let flushing: NodeJS.Timeout | undefined
  let expiring: NodeJS.Timeout | undefined
  let open = false
  let complete = false
  const gate = Promise.withResolvers<void>()

  const entries = config.registries
    .map((registry): Entry => {
      const entry: Entry = {
        config: registry,
        connector: undefined,
        losses: 0,
        slices: slicesOf(registry, () => entry),
      }
      return entry
    })
    .toSorted((a, b) => (a.config.name < b.config.name ? -1 : 1))

  function slicesOf({ name }: RegistryConfig, entry: () => Entry): Slices {
    return new Slices({
      grace: config.grace,
      massGrace: config.massGrace,
      ...(now === undefined ? {} : { now }),
      onChange(hosts) {
        for (const host of hosts) dirty.add(host)
        if (open) flushing ??= setTimeout(flush, gatherMs)
      },
      onConnection(state) {
        if (state.kind === 'connected') log.info('Registry {name}: connected to {server}', { name, ...state })
        if (state.kind !== 'disconnected') return
        entry().losses += 1
        log.warn('Registry {name}: {reason}; what it said is kept', { name, ...state })
      },
      onSynced() {
        log.info('Registry {name}: read in full', { name, ...entry().slices.counts() })
        if (entries.every(({ slices }) => slices.everSynced)) begin()
      },
    })
  }

  /** What has been read so far is told; a registry that is not read yet joins later. */
  function begin(): void {
    if (!open) {
      open = true
      flush()
      gate.resolve()
    }
    if (complete || !entries.every(({ slices }) => slices.everSynced)) return
    flush()
    complete = true
    for (const listener of listeners) listener.complete?.()
  }

  function flush(): void {
    clearTimeout(flushing)
    flushing = undefined
    if (dirty.size === 0) return
    for (const host of dirty) for (const twin of twins.set(host, isClaimed(host))) dirty.add(twin)
    const hosts = [...dirty].toSorted()
    dirty.clear()
    const changes = hosts.flatMap((host) => merge(host) ?? [])
    if (changes.length === 0) return
    for (const listener of listeners) listener.changed(changes)
  }

  function merge(host: string): ServiceChange | undefined {
    counters.merged += 1
    const before = services.get(host)
    const merged = mergeClaims(host, claimsOf(host), config)
    if (merged === undefined || merged.conflicts.length === 0) conflicts.delete(host)
    else conflicts.set(host, merged.conflicts)
    const entryName = twins.nameOf(host)
    const service = merged === undefined || entryName === undefined ? merged?.service : { ...merged.service, entryName }
    if (isDeepStrictEqual(before, service)) return undefined
    if (service === undefined) {
      services.delete(host)
      counters.removed += 1
    } else {
      services.set(host, service)
      counters.changed += 1
    }
    return { host, service }
  }

  function isClaimed(host: string): boolean {
    return entries.some(({ slices }) => (slices.of(host)?.registrations.length ?? 0) > 0)
  }

  /** Where one registry has the host alive, what another one has lost of it does not count. */
  function claimsOf(host: string): Claim[] {
    const slices = entries.flatMap(({ config: { name }, slices: all }) => {
      const slice = all.of(host)
      return slice === undefined ? [] : [{ name, slice }]
    })
    const live = slices.some(({ slice }) => slice.kind === 'live')
    return slices.flatMap(({ name, slice }) =>
      live && slice.kind === 'vanishing'
        ? []
        : slice.registrations.map((registration) => ({ registry: name, registration })),
    )
  }

  return {
    async start() {
      for (const entry of entries) {
        const { name, type, settings } = entry.config
        entry.connector = type.create(name, settings)
        entry.connector.start(entry.slices)
      }
      expiring = setInterval(() => {
        for (const { slices } of entries) slices.expire()
      }, expireMs)
      const startedAt = Date.now()
      const waiting = setInterval(
        () => {
          const missing = entries.filter(({ slices }) => !slices.everSynced).map(({ config: { name } }) => name)
          const goesOn = config.startTimeout !== undefined && Date.now() - startedAt >= config.startTimeout
          log.warn(goesOn ? 'Going on without {missing}' : 'Waiting for {missing} to be read in full', {
            missing: missing.join(', '),
          })
          if (goesOn) begin()
        },
        Math.min(config.startTimeout ?? longestSilence, longestSilence),
      )
      await gate.promise
      clearInterval(waiting)
    },
    async close() {
      clearTimeout(flushing)
      clearInterval(expiring)
      await Promise.all(entries.flatMap(({ connector }) => connector?.close() ?? []))
      // Whoever waits for the start must not wait for ever.
      gate.resolve()
    },
    services: () => services.values(),
    subscribe(listener) {
      listeners.add(listener)
      if (services.size > 0)
        listener.changed([...services.values()].map((service) => ({ host: service.host, service })))
      if (complete) listener.complete?.()
      return () => listeners.delete(listener)
    },
    get ready() {
      return complete
    },
    registries: entries.map((entry) => ({
      name: entry.config.name,
      type: entry.config.type.type,
      slices: entry.slices,
      progress: () => entry.connector?.progress() ?? { heardAt: undefined, pending: 0 },
      get losses() {
        return entry.losses
      },
    })),
    *conflicts() {
      for (const [host, all] of conflicts) for (const each of all) yield { ...each, host }
    },
    counters,
  }
}
