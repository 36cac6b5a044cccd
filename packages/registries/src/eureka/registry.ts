/**
 * Eureka: applications, a unit each. Everything is read once, then only what changed; the server's hash says whether the
 * outcome is right, and if not, everything is read again.
 *
 * Servers copy from each other and may differ for a while, so one is asked at a time and believed; when it fails the next
 * one is.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseDuration } from '@aeraki/api'
import { defineRegistry, type RegistrySink, type UnitContents } from '../contract.ts'
import { loadTls } from '../tls.ts'
import { HttpClient } from '../util/http.ts'
import type { Session } from '../util/session.ts'
import { SessionRegistry } from '../util/session-registry.ts'
import { readInstance } from './instances.ts'
import { type EurekaSettings, eurekaSettings } from './settings.ts'
import { type Applications, hashOf, readApplications, type WireInstance } from './wire.ts'

/** Milliseconds for one answer. */
const timeout = 30_000

export const eureka = defineRegistry('eureka', eurekaSettings, (_name, settings) => new EurekaRegistry(settings))

interface Known {
  readonly status: string
  readonly contents: UnitContents
}

class EurekaRegistry extends SessionRegistry {
  readonly #settings: EurekaSettings
  readonly #refresh: number

  constructor(settings: EurekaSettings) {
    super(settings.servers)
    this.#settings = settings
    this.#refresh = parseDuration(settings.refresh ?? '10s')
  }

  protected override pending(): number {
    return 0
  }

  protected override async session({ server, signal, connected }: Session, sink: RegistrySink): Promise<void> {
    const { username, password = '', tls, domain } = this.#settings
    const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    const headers = username === undefined ? {} : { authorization: basic }
    const http = new HttpClient({ base: server, tls: loadTls(tls), headers, connections: 2 })
    const view = new View(sink, domain)
    const ask = async (path: string): Promise<Applications> => {
      const applications = readApplications(await http.json({ path, timeout, signal }))
      this.heard()
      return applications
    }
    try {
      let all = await ask('/apps')
      connected()
      for (;;) {
        if (signal.aborted) return
        view.replace(all)
        while (await this.#changes(view, ask, signal)) continue
        all = await ask('/apps')
      }
    } finally {
      http.close()
    }
  }

  /** False: what is known is not what the server has. */
  async #changes(view: View, ask: (path: string) => Promise<Applications>, signal: AbortSignal): Promise<boolean> {
    await delay(this.#refresh, undefined, { signal })
    // A server that keeps no changes refuses to tell them, but may well tell everything.
    const delta = await ask('/apps/delta').catch(() => undefined)
    if (delta === undefined || signal.aborted) return false
    view.apply(delta.instances)
    return delta.hash === view.hash
  }
}

/** What one server has said. */
class View {
  readonly #sink: RegistrySink
  readonly #domain: string | undefined
  /** By application and instance. */
  #applications = new Map<string, Map<string, Known>>()

  constructor(sink: RegistrySink, domain: string | undefined) {
    this.#sink = sink
    this.#domain = domain
  }

  replace({ instances }: Applications): void {
    this.#applications = new Map()
    for (const instance of instances) this.#put(instance)
    for (const name of this.#applications.keys()) this.#tell(name)
    this.#sink.synced(this.#applications.keys())
  }

  /** The same change may come several times. */
  apply(instances: readonly WireInstance[]): void {
    const touched = new Set<string>()
    for (const instance of instances) {
      const { application, id, action } = instance
      touched.add(application)
      if (action === 'put') this.#put(instance)
      else this.#applications.get(application)?.delete(id)
    }
    for (const name of touched) {
      this.#tell(name)
      if (this.#applications.get(name)?.size === 0) this.#applications.delete(name)
    }
  }

  get hash(): string {
    return hashOf([...this.#applications.values()].flatMap((known) => [...known.values()].map(({ status }) => status)))
  }

  #put(instance: WireInstance): void {
    const { application, id, status } = instance
    const known = this.#applications.get(application) ?? new Map<string, Known>()
    this.#applications.set(application, known)
    known.set(id, { status, contents: readInstance(instance, this.#domain) })
  }

  #tell(name: string): void {
    const all = [...(this.#applications.get(name)?.values() ?? [])].map(({ contents }) => contents)
    this.#sink.unit(name, {
      registrations: all.flatMap(({ registrations }) => registrations),
      rejections: all.flatMap(({ rejections }) => rejections),
    })
  }
}
