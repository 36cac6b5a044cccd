/** Registries, in this process: each ServiceEntry that comes of their services is an origin. */
import { loadValue } from '@aeraki/api'
import { type Bridge, inTurns, type ServiceChange, toServiceEntries } from '@aeraki/registries'
import type { OriginUpdate, Source, SourceListener } from './source.ts'

/** Milliseconds, without what the listener takes. */
const longestTurn = 100

const scheme = 'registry:'

/** Of the origin of a registry's ServiceEntry: its `namespace/name`. */
export function entryOfOrigin(origin: string): string {
  return origin.slice(scheme.length)
}

/** `start` resolves when `started` does and all has been told. The bridge is the caller's to start and close. */
export function createRegistrySource(bridge: Bridge, started: Promise<void>): Source {
  let unsubscribe: (() => void) | undefined
  let listener: SourceListener | undefined
  let closed = false
  /** By host: the origins of its entries. */
  const told = new Map<string, ReadonlySet<string>>()
  const turns = inTurns<ServiceChange>(
    (changes) => listener?.(Iterator.from(changes).flatMap(toUpdates).toArray()),
    longestTurn,
  )

  function toUpdates({ host, service }: ServiceChange): OriginUpdate[] {
    const entries = service === undefined ? [] : toServiceEntries(service)
    const place = `registry ${service?.registries.join(', ')}`
    const present = entries.map((entry): OriginUpdate => ({
      origin: `${scheme}${entry.metadata.namespace}/${entry.metadata.name}`,
      state: 'present',
      ...loadValue(entry, place),
    }))
    const origins = new Set(present.map(({ origin }) => origin))
    const gone = (told.get(host) ?? new Set()).difference(origins)
    if (origins.size > 0) told.set(host, origins)
    else told.delete(host)
    const removed = [...gone].map((origin): OriginUpdate => ({
      origin,
      state: 'removed',
      objects: [],
      diagnostics: [],
    }))
    return [...removed, ...present]
  }

  return {
    async start(to) {
      listener = to
      await started
      if (closed) return
      unsubscribe = bridge.subscribe({
        changed: (changes) => turns.add(changes.map((change) => [change.host, change])),
      })
      await turns.idle()
    },
    async close() {
      closed = true
      unsubscribe?.()
      turns.close()
    },
  }
}
