/**
 * ZooKeeper: Dubbo's interface-level registrations below the root, and below the services' root the instances of
 * Dubbo 3's applications and of Spring's (Curator's service discovery).
 *
 *     /dubbo/INTERFACE/providers/URL              a unit: the providers of an interface
 *     /services/APPLICATION/INSTANCE = JSON       a unit: the instances of an application; see applications.ts
 *
 * Every node is read with a watch, and read again when the watch fires.
 */
import { parseDuration } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import { type ConnectionState, defineRegistry, type Registry, type RegistrySink } from '../contract.ts'
import { parseProviderUrl } from '../dubbo/provider-url.ts'
import { collect } from '../parsed.ts'
import { loadTls } from '../tls.ts'
import { createWorkQueue } from '../util/work-queue.ts'
import { Applications } from './applications.ts'
import type { Connection } from './connection.ts'
import { type Ensemble, joinEnsemble } from './ensemble.ts'
import { serverAddress, type ZookeeperSettings, zookeeperSettings } from './settings.ts'
import type { EventType } from './wire.ts'

const log = getLogger(['aeraki', 'registries', 'zookeeper'])

/** Requests at the same time: they share one connection, and its answers come in order. */
const concurrency = 64
/** Milliseconds for which a node's changes are gathered. */
const debounce = 50

/** Nodes below the root that are no interfaces. */
const notInterfaces = new Set(['config', 'metadata', 'mapping'])

export const zookeeper = defineRegistry(
  'zookeeper',
  zookeeperSettings,
  (name, settings) => new ZookeeperRegistry(name, settings),
)

/** What there is to read; also the names of units. */
type Job = 'interfaces' | 'applications' | 'mapping' | `providers:${string}` | `application:${string}`

class ZookeeperRegistry implements Registry {
  readonly #name: string
  readonly #settings: ZookeeperSettings
  readonly #root: string
  readonly #servicesRoot: string
  readonly #queue = createWorkQueue<Job>({ concurrency, debounce, work: (job) => this.#work(job) })
  readonly #applications: Applications
  #sink: RegistrySink | undefined
  #ensemble: Ensemble | undefined
  #connection: Connection | undefined
  #heardAt: number | undefined
  /** Not read since the connection was made; undefined when all has been. */
  #unread: Set<Job> | undefined
  #units = new Set<Job>()

  constructor(name: string, settings: ZookeeperSettings) {
    this.#name = name
    this.#settings = settings
    this.#root = settings.root ?? '/dubbo'
    this.#servicesRoot = settings.servicesRoot ?? '/services'
    this.#applications = new Applications(this.#root, this.#servicesRoot, () => this.#queue.add('mapping'))
  }

  start(sink: RegistrySink): void {
    const { servers, sessionTimeout, username, password, tls } = this.#settings
    this.#sink = sink
    this.#ensemble = joinEnsemble({
      servers: servers.map(serverAddress),
      sessionTimeout: parseDuration(sessionTimeout ?? '15s'),
      auth: username === undefined ? [] : [{ scheme: 'digest', credentials: `${username}:${password ?? ''}` }],
      tls: () => loadTls(tls),
      onEvent: (type, path) => this.#changed(type, path),
      onConnecting: (attempt) => this.#tell({ kind: 'connecting', attempt }),
      onConnected: (connection, server) => this.#begin(connection, server),
      onLost: (reason) => this.#lost(reason),
    })
  }

  async close(): Promise<void> {
    this.#sink = undefined
    this.#queue.close()
    this.#ensemble?.close()
  }

  progress() {
    return { heardAt: this.#connection?.heardAt ?? this.#heardAt, pending: this.#queue.size }
  }

  #tell(state: ConnectionState): void {
    this.#sink?.connection(state)
  }

  #begin(connection: Connection, server: string): void {
    this.#connection = connection
    this.#applications.reset()
    this.#units = new Set()
    this.#unread = new Set()
    this.#tell({ kind: 'connected', server })
    const read = this.#settings.read ?? ['interfaces', 'applications']
    for (const job of read) this.#discover(job)
  }

  #lost(reason: string): void {
    if (this.#connection !== undefined) this.#heardAt = this.#connection.heardAt
    this.#connection = undefined
    this.#unread = undefined
    this.#queue.clear()
    this.#tell({ kind: 'disconnected', reason })
  }

  /** A job that has not been done yet. */
  #discover(job: Job): void {
    this.#unread?.add(job)
    this.#queue.add(job)
  }

  #changed(type: EventType, path: string): void {
    const job = this.#jobOf(type, path)
    if (job !== undefined) this.#queue.add(job)
  }

  #jobOf(type: EventType, path: string): Job | undefined {
    if (path === this.#root) return 'interfaces'
    if (path === this.#servicesRoot) return 'applications'
    if (path.startsWith(`${this.#servicesRoot}/`)) {
      const [application = '', instance] = path.slice(this.#servicesRoot.length + 1).split('/')
      if (instance !== undefined) {
        // That it went is told by its parent, too.
        if (type === 'deleted') return undefined
        this.#applications.forget(application, instance)
      }
      return `application:${application}`
    }
    if (!path.startsWith(`${this.#root}/`)) return undefined
    const [name = '', below = '', third] = path.slice(this.#root.length + 1).split('/')
    if (name === 'mapping') return 'mapping'
    if (name === 'metadata') return third === undefined ? undefined : `application:${below}`
    return below === 'providers' ? `providers:${name}` : `application:${name}`
  }

  async #work(job: Job): Promise<void> {
    const connection = this.#connection
    if (connection === undefined) return
    try {
      await this.#read(job, connection)
    } catch (error) {
      if (connection !== this.#connection) return
      const reason = error instanceof Error ? error.message : String(error)
      if (job === 'interfaces' || job === 'applications') {
        this.#ensemble?.reject(`${job} can't be read: ${reason}`)
        return
      }
      log.warn('{name}: {job} can not be read, and is kept as it was: {reason}', { name: this.#name, job, reason })
    }
    if (connection !== this.#connection || this.#unread === undefined) return
    this.#unread.delete(job)
    if (this.#unread.size > 0) return
    this.#unread = undefined
    this.#ensemble?.settle()
    this.#sink?.synced(this.#units)
  }

  async #read(job: Job, connection: Connection): Promise<void> {
    if (job === 'interfaces') {
      const names = (await connection.children(this.#root, true)) ?? []
      this.#reconcile(
        'providers:',
        names.filter((name) => !notInterfaces.has(name)),
      )
    } else if (job === 'applications') {
      const names = (await connection.children(this.#servicesRoot, true)) ?? []
      this.#reconcile('application:', names)
    } else if (job === 'mapping') {
      const affected = await this.#applications.readMapping(connection)
      for (const application of affected) this.#queue.add(`application:${application}`)
    } else if (job.startsWith('providers:')) {
      const name = job.slice('providers:'.length)
      const urls = (await connection.children(`${this.#root}/${name}/providers`, true)) ?? []
      if (this.#units.has(job)) this.#sink?.unit(job, collect(urls.toSorted().map((url) => parseProviderUrl(url))))
    } else {
      const name = job.slice('application:'.length)
      if (!this.#units.has(job)) return
      const contents = await this.#applications.read(name, connection)
      if (this.#units.has(job) && connection === this.#connection) this.#sink?.unit(job, contents)
    }
  }

  /** Reads units that are new, and tells the end of those that went. */
  #reconcile(prefix: 'providers:' | 'application:', names: readonly string[]): void {
    const present = new Set(names.map((name): Job => `${prefix}${name}`))
    for (const job of present) {
      if (this.#units.has(job)) continue
      this.#units.add(job)
      this.#discover(job)
    }
    for (const job of this.#units) {
      if (!job.startsWith(prefix) || present.has(job)) continue
      this.#units.delete(job)
      this.#unread?.delete(job)
      this.#sink?.unit(job, { registrations: [], rejections: [] })
    }
  }
}
