/**
 * Consul: the services of a datacenter, a unit each. The list of services is watched by one blocking query, and every
 * service's instances and their health by another one. An agent takes 200 connections of a client; where there are more
 * services than this connector uses, they take turns.
 */
import { defineRegistry, type RegistrySink } from '../contract.ts'
import { isRecord } from '../guards.ts'
import { loadTls } from '../tls.ts'
import { HttpClient } from '../util/http.ts'
import type { Session } from '../util/session.ts'
import { SessionRegistry } from '../util/session-registry.ts'
import { createWorkQueue } from '../util/work-queue.ts'
import { runQuery } from './query.ts'
import { rotate } from './rotation.ts'
import { readService } from './services.ts'
import { type ConsulSettings, consulSettings, defaultAddress } from './settings.ts'

/** Blocking queries at the same time, first reads at the same time, and the connections for both and the list. */
const watches = 120
const readers = 16
const connections = watches + readers + 2
/** Milliseconds that the query for the list blocks at most, which bounds how late a restored server is noticed. */
const listWait = 10_000
/** Milliseconds that a query for a service blocks at most; until every service was asked, where they take turns; and
 * between the queries of one service, however often it changes. */
const longestWait = 300_000
const round = 30_000
const pause = 200

export const consul = defineRegistry('consul', consulSettings, (_name, settings) => new ConsulRegistry(settings))

class ConsulRegistry extends SessionRegistry {
  readonly #settings: ConsulSettings
  #pending: () => number = () => 0

  constructor(settings: ConsulSettings) {
    super([settings.address ?? defaultAddress])
    this.#settings = settings
  }

  protected override pending(): number {
    return this.#pending()
  }

  protected override async session({ server, signal, connected }: Session, sink: RegistrySink): Promise<void> {
    const { token, tls, datacenter: dc, filter, domain, protocol = 'tcp' } = this.#settings
    const headers = token === undefined ? {} : { 'x-consul-token': token }
    const http = new HttpClient({ base: server, tls: loadTls(tls), headers, connections })
    /** By name: the index of its last answer. */
    const services = new Map<string, number>()
    const failure = Promise.withResolvers<never>()
    // It may come when nobody waits for it any more.
    failure.promise.catch(() => undefined)

    const read = async (name: string, wait: number, until: AbortSignal): Promise<void> => {
      const index = services.get(name)
      if (index === undefined) return
      const path = `/v1/health/service/${encodeURIComponent(name)}`
      try {
        const answer = await runQuery(http, { path, parameters: { dc, filter }, index, wait }, until)
        this.heard()
        if (!services.has(name) || signal.aborted) return
        services.set(name, answer.index)
        if (answer.body !== undefined) sink.unit(name, readService(name, answer.body, { domain, protocol }))
      } catch (error) {
        if (!until.aborted) failure.reject(error)
      }
    }
    const turns = rotate<string>({ width: watches, longest: longestWait, round, pause, turn: read, signal })
    const first = createWorkQueue<string>({
      concurrency: readers,
      async work(name) {
        await read(name, 0, signal)
        if (services.has(name)) turns.add(name)
      },
    })
    this.#pending = () => first.size

    const reconcile = (names: ReadonlySet<string>): void => {
      for (const name of names) {
        if (services.has(name)) continue
        services.set(name, 0)
        first.add(name)
      }
      for (const name of services.keys()) {
        if (names.has(name)) continue
        services.delete(name)
        turns.delete(name)
        sink.unit(name, { registrations: [], rejections: [] })
      }
    }

    try {
      for (let index = 0, fresh = true; ; fresh = false) {
        const begun = performance.now()
        const query = { path: '/v1/catalog/services', parameters: { dc }, index, wait: listWait }
        const answer = await Promise.race([runQuery(http, query, signal), failure.promise])
        this.heard()
        // Those for services wait, too, and for longer: all is read again.
        if (answer.wentBack) throw new Error('its index went back: it was restored from a snapshot')
        index = answer.index
        if (fresh) connected()
        if (answer.body !== undefined) reconcile(namesOf(answer.body))
        if (fresh) {
          await Promise.race([first.idle(), failure.promise])
          if (!signal.aborted) sink.synced(services.keys())
        }
        await rest(begun + pause - performance.now())
      }
    } finally {
      first.close()
      http.close()
    }
  }
}

/**
 * Consul's own service is nobody's business. Of names that differ only by case the first one is enough: asked for any of
 * them, Consul answers with the instances of all.
 */
function namesOf(body: unknown): ReadonlySet<string> {
  if (!isRecord(body)) throw new Error('the list of services is no JSON object')
  const byCase = new Map<string, string>()
  for (const name of Object.keys(body).toSorted()) {
    const key = name.toLowerCase()
    if (name !== 'consul' && name !== '' && !byCase.has(key)) byCase.set(key, name)
  }
  return new Set(byCase.values())
}

async function rest(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
}
