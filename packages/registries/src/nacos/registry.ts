/**
 * Nacos: its services, of all kinds, a unit each; services.ts says which there are. The list of services is read again and
 * again, as no server pushes it. A service is read when it is new, when the server pushes that it changed, when its place
 * in the list says so, and all of them now and then: each time where the server does not push.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseDuration } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import { defineRegistry, type Registry, type RegistrySink } from '../contract.ts'
import { type ApplicationMetadata, parseApplicationMetadata } from '../dubbo/application.ts'
import { loadTls } from '../tls.ts'
import { runSessions, reasonOf, type Session } from '../util/session.ts'
import { createWorkQueue } from '../util/work-queue.ts'
import { NacosClient } from './client.ts'
import type { ServiceName } from './dialect.ts'
import { openPush, type Push } from './push.ts'
import { isOfInterest, readService, revisionsOf } from './services.ts'
import { type NacosSettings, nacosSettings, serverUrl } from './settings.ts'

const log = getLogger(['aeraki', 'registries', 'nacos'])

/** Requests at the same time. */
const concurrency = 16
/** Milliseconds for which a service's changes are gathered. */
const debounce = 50
/** Rounds from one reading of all services to the next where the server pushes. */
const everyRounds = 12
/** Characters; longer ones are not parsed. */
const longestMetadata = 8 * 1024 * 1024

export const nacos = defineRegistry('nacos', nacosSettings, (name, settings) => new NacosRegistry(name, settings))

class NacosRegistry implements Registry {
  readonly #name: string
  readonly #settings: NacosSettings
  readonly #refresh: number
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #heardAt: number | undefined
  #pending: () => number = () => 0

  constructor(name: string, settings: NacosSettings) {
    this.#name = name
    this.#settings = settings
    this.#refresh = parseDuration(settings.refresh ?? '10s')
  }

  start(sink: RegistrySink): void {
    this.#running = runSessions({
      servers: this.#settings.servers.map(serverUrl),
      sink,
      signal: this.#stop.signal,
      session: (session) => this.#session(session, sink),
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  progress() {
    return { heardAt: this.#heardAt, pending: this.#pending() }
  }

  async #session({ server, signal, connected }: Session, sink: RegistrySink): Promise<void> {
    const { username, password = '', tls, namespaces, groups } = this.#settings
    const client = await NacosClient.open({
      server,
      tls: loadTls(tls),
      credentials: username === undefined ? undefined : { username, password },
      connections: concurrency + 2,
      signal,
      onAnswer: () => {
        this.#heardAt = Date.now()
      },
    })
    const reading = new Reading(client, sink, signal)
    this.#pending = () => reading.queue.size
    try {
      const list = async (): Promise<ServiceName[]> => {
        const all: ServiceName[] = []
        const wanted = namespaces?.map((id) => (id === 'public' ? '' : id)) ?? (await client.namespaces())
        for (const namespace of wanted) {
          for await (const name of client.services(namespace)) {
            if (isOfInterest(name) && (groups === undefined || groups.includes(name.group))) all.push(name)
          }
        }
        return all
      }
      let names = await list()
      connected()
      this.#openPush(server, client, reading, signal)
      for (let round = 0; ; round += 1) {
        const whole = round % everyRounds === 0 || !reading.pushed
        await Promise.race([reading.reconcile(names, whole), reading.failed])
        await Promise.race([delay(this.#refresh, undefined, { signal }), reading.failed])
        names = await list()
      }
    } finally {
      reading.queue.close()
      client.close()
    }
  }

  /** Without it, everything is read each time; and it is tried again while that goes on. */
  #openPush(server: string, client: NacosClient, reading: Reading, signal: AbortSignal): void {
    const url = new URL(server)
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80)) + 1000
    const attempt = async (): Promise<void> => {
      for (let failures = 0; !signal.aborted; failures += 1) {
        try {
          const push = await openPush({
            address: `${url.hostname}:${port}`,
            tls: loadTls(this.#settings.tls),
            token: () => client.token(),
            onChange: (name) => reading.changed(name),
            signal,
          })
          failures = 0
          reading.subscribeWith(push)
          const reason = await push.ended
          reading.subscribeWith(undefined)
          if (!signal.aborted)
            log.info('{name}: the push ended: {reason}', { name: this.#name, reason: reason.message })
        } catch (error) {
          if (failures === 0 && !signal.aborted) {
            const reason = reasonOf(error)
            log.info('{name}: nothing is pushed on port {port}: {reason}', { name: this.#name, port, reason })
          }
        }
        await delay(Math.min(60_000, this.#refresh * 2 ** Math.min(failures, 6)), undefined, { signal }).catch(
          () => undefined,
        )
      }
    }
    void attempt()
  }
}

/** Reads services over one server, and tells them. */
class Reading {
  readonly queue = createWorkQueue<string>({ concurrency, debounce, work: (key) => this.#work(key) })
  /** Rejects when a service can't be read. */
  readonly failed: Promise<never>
  readonly #client: NacosClient
  readonly #sink: RegistrySink
  readonly #signal: AbortSignal
  readonly #fail: (reason: unknown) => void
  readonly #services = new Map<string, ServiceName>()
  readonly #subscribed = new Set<string>()
  #push: Push | undefined
  #pushed = false
  #synced = false

  constructor(client: NacosClient, sink: RegistrySink, signal: AbortSignal) {
    this.#client = client
    this.#sink = sink
    this.#signal = signal
    const { promise, reject } = Promise.withResolvers<never>()
    // It may come when nobody waits for it any more.
    promise.catch(() => undefined)
    this.failed = promise
    this.#fail = reject
  }

  /** A server that takes subscriptions is only relied on once it has pushed something. */
  get pushed(): boolean {
    return this.#pushed
  }

  /** Reads new services, and all where `whole`; tells the end of those that are not in the list. Resolves when read. */
  async reconcile(names: readonly ServiceName[], whole: boolean): Promise<void> {
    const present = new Map(names.map((name) => [keyOf(name), name]))
    for (const [key, name] of this.#services) {
      if (present.has(key)) continue
      this.#services.delete(key)
      if (this.#subscribed.delete(key)) this.#push?.unsubscribe(name).catch(() => undefined)
      this.#sink.unit(key, { registrations: [], rejections: [] })
    }
    for (const [key, name] of present) {
      const known = this.#services.has(key)
      this.#services.set(key, name)
      if (!known || whole) this.queue.add(key)
    }
    await this.queue.idle()
    if (this.#synced || this.#signal.aborted) return
    this.#synced = true
    this.#sink.synced(this.#services.keys())
  }

  changed(name: ServiceName): void {
    this.#pushed = true
    const key = keyOf(name)
    // A name that is not known yet is found in the list.
    if (this.#services.has(key)) this.queue.add(key)
  }

  /** Undefined: nothing is pushed any more. */
  subscribeWith(push: Push | undefined): void {
    this.#push = push
    this.#pushed = false
    this.#subscribed.clear()
    // What changed between is told to nobody.
    if (push !== undefined) for (const key of this.#services.keys()) this.queue.add(key)
  }

  async #work(key: string): Promise<void> {
    const name = this.#services.get(key)
    if (name === undefined || this.#signal.aborted) return
    try {
      await this.#subscribe(key, name)
      const instances = await this.#client.instances(name)
      const contents = readService(name, instances, await this.#revisions(name, instances))
      if (this.#services.has(key) && !this.#signal.aborted) this.#sink.unit(key, contents)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Before it is read, so that no change is between. */
  async #subscribe(key: string, name: ServiceName): Promise<void> {
    const push = this.#push
    if (push === undefined || this.#subscribed.has(key)) return
    this.#subscribed.add(key)
    await push.subscribe(name).catch(() => this.#subscribed.delete(key))
  }

  async #revisions(
    name: ServiceName,
    instances: readonly unknown[],
  ): Promise<Map<string, ApplicationMetadata | string>> {
    const found = new Map<string, ApplicationMetadata | string>()
    for (const revision of revisionsOf(name, instances)) {
      const text = await this.#client.config(name.namespace, revision, name.service)
      if (text !== undefined) found.set(revision, parseMetadata(text))
    }
    return found
  }
}

function keyOf({ namespace, group, service }: ServiceName): string {
  return `${namespace}@@${group}@@${service}`
}

function parseMetadata(text: string): ApplicationMetadata | string {
  if (text.length > longestMetadata) return `its metadata has ${text.length} characters, more than ${longestMetadata}`
  try {
    return parseApplicationMetadata(text)
  } catch (error) {
    return `its metadata can't be read: ${reasonOf(error)}`
  }
}
