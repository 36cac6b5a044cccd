/** Registries, in this process: each host is an origin, and what it holds are its ServiceEntries. */
import { loadValue } from '@aeraki/api'
import { type Bridge, inTurns, type ServiceChange, toServiceEntries } from '@aeraki/registries'
import type { OriginUpdate, Source, SourceListener } from './source.ts'

/** Milliseconds, without what the listener takes. */
const longestTurn = 100

/** `start` resolves when every registry has been read; see Bridge.start. The bridge is the caller's to start and close. */
export function createRegistrySource(bridge: Bridge, started: Promise<void>): Source {
  let unsubscribe: (() => void) | undefined
  let listener: SourceListener | undefined
  const turns = inTurns<ServiceChange>(
    (changes) => listener?.(Iterator.from(changes).map(toUpdate).toArray()),
    longestTurn,
  )
  return {
    async start(told) {
      listener = told
      await started
      unsubscribe = bridge.subscribe({
        changed: (changes) => turns.add(changes.map((change) => [change.host, change])),
      })
      await turns.idle()
    },
    async close() {
      unsubscribe?.()
      turns.close()
    },
  }
}

function toUpdate({ host, service }: ServiceChange): OriginUpdate {
  const origin = `registry:${host}`
  if (service === undefined) return { origin, state: 'removed', objects: [], diagnostics: [] }
  const place = `registry ${service.registries.join(', ')}`
  const results = toServiceEntries(service).map((entry) => loadValue(entry, place))
  return {
    origin,
    state: 'present',
    objects: results.flatMap(({ objects }) => objects),
    diagnostics: results.flatMap(({ diagnostics }) => diagnostics),
  }
}
