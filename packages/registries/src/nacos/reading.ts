/**
 * Reads services over one server, and tells them. A service is subscribed to when it is new, and the answer tells its
 * instances; from then on each push does. Where the server does not push, all are read at every round, else a share of
 * them, against pushes that were lost.
 */
import { createHash } from 'node:crypto'
import type { RegistrySink } from '../contract.ts'
import { type ApplicationMetadata, parseApplicationMetadata } from '../dubbo/application.ts'
import { reasonOf } from '../util/session.ts'
import { createWorkQueue } from '../util/work-queue.ts'
import type { NacosClient } from './client.ts'
import type { ServiceName } from './dialect.ts'
import { Mapping } from './mapping.ts'
import type { Push } from './push.ts'
import { readService, revisionsOf } from './services.ts'

/** Requests at the same time. */
export const concurrency = 16
/** Milliseconds for which a service's changes are gathered. */
const debounce = 50
/** In so many rounds each service is read once where the server pushes. */
const everyRounds = 30
/** Characters; longer ones are not parsed. */
const longestMetadata = 8 * 1024 * 1024

interface Service {
  readonly name: ServiceName
  /** The one by which its changes come. */
  push: Push | undefined
  /** What came by it and is not told yet. */
  pushed: readonly unknown[] | undefined
  /** A digest of the instances that were told; undefined where they lack metadata that may still come. */
  told: string | undefined
  /** Of its instances. What a revision stands for never changes. */
  revisions: ReadonlyMap<string, ApplicationMetadata | string>
}

export class Reading {
  readonly queue = createWorkQueue<string>({ concurrency, debounce, work: (key) => this.#work(key) })
  /** Rejects when a service can't be read. */
  readonly failed: Promise<never>
  readonly #client: NacosClient
  readonly #sink: RegistrySink
  readonly #signal: AbortSignal
  readonly #fail: (reason: unknown) => void
  readonly #mapping: Mapping
  readonly #services = new Map<string, Service>()
  #push: Push | undefined
  /** A server that takes subscriptions is only relied on once it has pushed something. */
  #pushes = false
  #round = 0
  #synced = false

  constructor(client: NacosClient, sink: RegistrySink, signal: AbortSignal) {
    this.#client = client
    this.#mapping = new Mapping(client)
    this.#sink = sink
    this.#signal = signal
    const { promise, reject } = Promise.withResolvers<never>()
    // It may come when nobody waits for it any more.
    promise.catch(() => undefined)
    this.failed = promise
    this.#fail = reject
  }

  /** One round, with the list of all services that there are: see above. Resolves when they are told. */
  async reconcile(names: readonly ServiceName[]): Promise<void> {
    const present = new Map(names.map((name) => [keyOf(name), name]))
    for (const [key, { name, push }] of this.#services) {
      if (present.has(key)) continue
      this.#services.delete(key)
      push?.unsubscribe(name).catch(() => undefined)
      this.#sink.unit(key, { registrations: [], rejections: [] })
    }
    this.#mapping.forget()
    this.#round += 1
    let turn = this.#round
    for (const [key, name] of present) {
      const known = this.#services.get(key)
      if (known === undefined) this.#services.set(key, unknownService(name))
      turn += 1
      if (known?.told === undefined || !this.#pushes || turn % everyRounds === 0) this.queue.add(key)
    }
    await this.queue.idle()
    if (this.#synced || this.#signal.aborted) return
    this.#synced = true
    this.#sink.synced(this.#services.keys())
  }

  changed(name: ServiceName, instances: readonly unknown[]): void {
    this.#pushes = true
    const key = keyOf(name)
    const service = this.#services.get(key)
    // One that is not known yet is found in the list.
    if (service === undefined) return
    service.pushed = instances
    this.queue.add(key)
  }

  /** Undefined: nothing is pushed any more. */
  subscribeWith(push: Push | undefined): void {
    this.#push = push
    this.#pushes = false
    // What changed between was told to nobody.
    if (push !== undefined) for (const key of this.#services.keys()) this.queue.add(key)
  }

  async #work(key: string): Promise<void> {
    const service = this.#services.get(key)
    if (service === undefined || this.#signal.aborted) return
    try {
      const instances = await this.#instances(service)
      const digest = digestOf(instances)
      if (digest === service.told) return
      const wanted = revisionsOf(service.name, instances)
      const revisions = await this.#revisions(service, wanted)
      const complete = revisions.size === wanted.size
      const { namespace, service: application } = service.name
      const mapped = complete ? [] : await this.#mapping.of(namespace, application)
      if (this.#services.get(key) !== service || this.#signal.aborted) return
      service.revisions = revisions
      service.told = complete ? digest : undefined
      this.#sink.unit(key, readService(service.name, instances, revisions, mapped))
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Whatever is pushed while it is asked for is newer, and has the service worked on again. */
  async #instances(service: Service): Promise<readonly unknown[]> {
    const { pushed, name } = service
    service.pushed = undefined
    const push = this.#push
    if (push !== undefined && service.push !== push) {
      service.push = push
      const answer = await push.subscribe(name).catch(() => {
        service.push = undefined
        return undefined
      })
      if (answer !== undefined) return answer
    }
    return pushed ?? (await this.#client.instances(name))
  }

  async #revisions({ name, revisions }: Service, wanted: ReadonlySet<string>): Promise<Service['revisions']> {
    const found = new Map<string, ApplicationMetadata | string>()
    for (const revision of wanted) {
      const known = revisions.get(revision)
      if (known !== undefined) found.set(revision, known)
      else {
        const text = await this.#client.config(name.namespace, revision, name.service)
        if (text !== undefined) found.set(revision, parseMetadata(text))
      }
    }
    return found
  }
}

function unknownService(name: ServiceName): Service {
  return { name, push: undefined, pushed: undefined, told: undefined, revisions: new Map() }
}

function keyOf({ namespace, group, service }: ServiceName): string {
  return `${namespace}@@${group}@@${service}`
}

function digestOf(instances: readonly unknown[]): string {
  return createHash('sha1').update(JSON.stringify(instances)).digest('base64')
}

function parseMetadata(text: string): ApplicationMetadata | string {
  if (text.length > longestMetadata) return `its metadata has ${text.length} characters, more than ${longestMetadata}`
  try {
    return parseApplicationMetadata(text)
  } catch (error) {
    return `its metadata can't be read: ${reasonOf(error)}`
  }
}
