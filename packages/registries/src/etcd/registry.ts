/**
 * etcd: Dubbo's registrations, by interface and by application; layout.ts says what stands where.
 *
 * All keys are read as of one revision, and watched from the next one, so nothing between is lost. A watch that asks for
 * a revision which is compacted away is answered by reading everything again. A change is a reason to read its unit
 * again: nothing but the units' names is kept here.
 */
import { create } from '@bufbuild/protobuf'
import { defineRegistry, type RegistrySink } from '../contract.ts'
import { parseProviderUrl } from '../dubbo/provider-url.ts'
import { collect } from '../parsed.ts'
import { loadTls } from '../tls.ts'
import { grpcReason } from '../util/grpc.ts'
import type { Session } from '../util/session.ts'
import { SessionRegistry } from '../util/session-registry.ts'
import { createWorkQueue, type WorkQueue } from '../util/work-queue.ts'
import { readApplication, readMapping, type Mapping } from './applications.ts'
import { EtcdClient, rangeEndOf } from './client.ts'
import { type Event, type WatchRequest, WatchRequestSchema } from './gen/etcd_pb.ts'
import { type Layout, placeOf } from './layout.ts'
import { type EtcdSettings, etcdSettings, memberAddress } from './settings.ts'

/** Reads at the same time. */
const concurrency = 16
/** Milliseconds for which a unit's changes are gathered. */
const debounce = 50
/** Milliseconds between questions whether the watch still lives, and for how long an answer may fail to come. */
const progressInterval = 10_000
const silence = 30_000

const decoder = new TextDecoder()

export const etcd = defineRegistry('etcd', etcdSettings, (_name, settings) => new EtcdRegistry(settings))

/** What there is to read; also the names of units. */
type Job = 'mapping' | `providers:${string}` | `application:${string}`

class EtcdRegistry extends SessionRegistry {
  readonly #settings: EtcdSettings
  readonly #layout: Layout
  readonly #prefixes: readonly string[]
  #queue: WorkQueue<Job> | undefined

  constructor(settings: EtcdSettings) {
    super(settings.servers.map(memberAddress))
    this.#settings = settings
    this.#layout = { root: settings.root ?? '/dubbo', servicesRoot: settings.servicesRoot ?? '/services' }
    const read = settings.read ?? ['interfaces', 'applications']
    const { root, servicesRoot } = this.#layout
    this.#prefixes = [`${root}/`, ...(read.includes('applications') ? [`${servicesRoot}/`] : [])]
  }

  protected override pending(): number {
    return this.#queue?.size ?? 0
  }

  protected override async session({ server, signal, connected }: Session, sink: RegistrySink): Promise<void> {
    const { username, password = '', tls } = this.#settings
    const credentials = username === undefined ? undefined : { username, password }
    const client = await EtcdClient.open(server, loadTls(tls), credentials, signal)
    const reading = new Reading(client, this.#layout, signal, sink, this.#settings.read)
    this.#queue = reading.queue
    try {
      connected()
      for (;;) {
        const revision = await Promise.race([reading.all(), reading.failed])
        this.heard()
        await Promise.race([this.#watch(client, revision + 1n, reading, signal), reading.failed])
      }
    } catch (error) {
      throw grpcReason(error)
    } finally {
      reading.queue.close()
      client.close()
    }
  }

  /** Resolves when changes have been missed. */
  async #watch(client: EtcdClient, revision: bigint, reading: Reading, signal: AbortSignal): Promise<void> {
    const ending = new AbortController()
    const silent = new Error(`nothing heard for ${silence} ms`)
    const alarm = setTimeout(() => ending.abort(silent), silence)
    const both = AbortSignal.any([signal, ending.signal])
    try {
      for await (const answer of client.watch(this.#requests(revision, both), both)) {
        alarm.refresh()
        this.heard()
        if (answer.compactRevision !== 0n) return
        if (answer.canceled) throw new Error(`the watch was cancelled: ${answer.cancelReason}`)
        reading.changed(answer.events)
      }
      throw new Error('the watch ended')
    } catch (error) {
      throw ending.signal.aborted ? silent : error
    } finally {
      clearTimeout(alarm)
      ending.abort()
    }
  }

  async *#requests(startRevision: bigint, signal: AbortSignal): AsyncGenerator<WatchRequest> {
    for (const prefix of this.#prefixes) {
      const value = {
        key: new TextEncoder().encode(prefix),
        rangeEnd: rangeEndOf(prefix),
        startRevision,
        fragment: true,
      }
      yield create(WatchRequestSchema, { requestUnion: { case: 'createRequest', value } })
    }
    while (!signal.aborted) {
      await pause(progressInterval, signal)
      yield create(WatchRequestSchema, { requestUnion: { case: 'progressRequest', value: {} } })
    }
  }
}

/** Reads what one connection's registry holds, and tells it. */
class Reading {
  readonly queue = createWorkQueue<Job>({ concurrency, debounce, work: (job) => this.#work(job) })
  /** Rejects when a unit can't be read. */
  readonly failed: Promise<never>
  readonly #client: EtcdClient
  readonly #layout: Layout
  readonly #signal: AbortSignal
  readonly #sink: RegistrySink
  readonly #wanted: readonly ('interfaces' | 'applications')[]
  readonly #fail: (reason: unknown) => void
  #mapping: Mapping = new Map()

  constructor(
    client: EtcdClient,
    layout: Layout,
    signal: AbortSignal,
    sink: RegistrySink,
    wanted: EtcdSettings['read'] = ['interfaces', 'applications'],
  ) {
    this.#client = client
    this.#layout = layout
    this.#signal = signal
    this.#sink = sink
    this.#wanted = wanted
    const { promise, reject } = Promise.withResolvers<never>()
    // It may come when nobody waits for it any more.
    promise.catch(() => undefined)
    this.failed = promise
    this.#fail = reject
  }

  /** Resolves with the revision as of which everything has been told. */
  async all(): Promise<bigint> {
    const units = new Set<Job>()
    const { root, servicesRoot } = this.#layout
    let revision: bigint | undefined
    /** Keys come in order, so a unit's stand together. */
    let unit: { job: Job; urls: string[] } | undefined
    const tell = (): void => {
      if (unit !== undefined) this.#tell(unit.job, unit.urls)
      unit = undefined
    }
    for await (const page of this.#client.pages(`${root}/`, { keysOnly: true })) {
      revision = page.revision
      for (const entry of page.entries) {
        const place = placeOf(decoder.decode(entry.key), this.#layout)
        if (place?.kind !== 'provider' || !this.#wanted.includes('interfaces')) continue
        const job: Job = `providers:${place.interface}`
        if (unit?.job !== job) tell()
        unit ??= { job, urls: [] }
        unit.urls.push(place.url)
        units.add(job)
      }
    }
    tell()
    if (this.#wanted.includes('applications')) {
      this.#mapping = await readMapping(this.#client, this.#layout)
      for await (const page of this.#client.pages(`${servicesRoot}/`, { keysOnly: true, revision })) {
        for (const entry of page.entries) {
          const place = placeOf(decoder.decode(entry.key), this.#layout)
          if (place?.kind === 'instance') units.add(`application:${place.application}`)
        }
      }
      for (const job of units) if (job.startsWith('application:')) this.queue.add(job)
      await this.queue.idle()
    }
    if (!this.#signal.aborted) this.#sink.synced(units)
    return revision ?? 0n
  }

  changed(events: readonly Event[]): void {
    for (const { kv } of events) {
      const place = kv === undefined ? undefined : placeOf(decoder.decode(kv.key), this.#layout)
      if (place === undefined) continue
      const interfaces = this.#wanted.includes('interfaces')
      if (place.kind === 'provider') {
        if (interfaces) this.queue.add(`providers:${place.interface}`)
      } else if (!this.#wanted.includes('applications')) continue
      else if (place.kind === 'mapping') this.queue.add('mapping')
      else this.queue.add(`application:${place.application}`)
    }
  }

  async #work(job: Job): Promise<void> {
    try {
      await this.#read(job)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #read(job: Job): Promise<void> {
    if (job === 'mapping') {
      const before = this.#mapping
      this.#mapping = await readMapping(this.#client, this.#layout)
      for (const [application, interfaces] of this.#mapping) {
        if (before.get(application)?.join() !== interfaces.join()) this.queue.add(`application:${application}`)
      }
    } else if (job.startsWith('providers:')) {
      const prefix = `${this.#layout.root}/${job.slice('providers:'.length)}/providers/`
      const entries = await this.#client.entries(prefix, { keysOnly: true })
      this.#tell(
        job,
        entries.map(({ key }) => decoder.decode(key).slice(prefix.length)),
      )
    } else {
      const application = job.slice('application:'.length)
      const contents = await readApplication(this.#client, application, this.#layout, this.#mapping)
      if (!this.#signal.aborted) this.#sink.unit(job, contents)
    }
  }

  #tell(job: Job, urls: readonly string[]): void {
    if (!this.#signal.aborted) this.#sink.unit(job, collect(urls.map((url) => parseProviderUrl(url))))
  }
}

/** Resolves early with the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const stop = (): void => resolve()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) resolve()
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)
}
