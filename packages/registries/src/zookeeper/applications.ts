/**
 * Applications below the services' root, in the layout of Curator's service discovery, which Dubbo 3 and Spring Cloud
 * share:
 *
 *     /services/APPLICATION/INSTANCE = { name, id, address, port, sslPort, enabled, payload: { metadata: {...} } }
 *     /dubbo/metadata/APPLICATION/REVISION = metadata of Dubbo (Java);   /dubbo/APPLICATION/REVISION (dubbo-go)
 *     /dubbo/mapping/INTERFACE = APPLICATION[,APPLICATION...]
 *
 * A revision's metadata never changes, so it is read once. The mapping is only read when an application's metadata is not
 * there.
 */
import type { UnitContents } from '../contract.ts'
import {
  type ApplicationInstance,
  type ApplicationMetadata,
  isDubboInstance,
  parseApplicationMetadata,
  registrationsOf,
  revisionOf,
  stringsOf,
} from '../dubbo/application.ts'
import { isRecord } from '../guards.ts'
import { collect, type Parsed, rejected } from '../parsed.ts'
import { springRegistration } from './spring.ts'
import type { Connection } from './connection.ts'

/** Bytes; larger ones are not parsed. */
const largestInstance = 256 * 1024
const largestMetadata = 8 * 1024 * 1024

interface Application {
  /** The instances that were read, by node. */
  readonly instances: Map<string, Buffer>
  /** By revision; a text says why it can't be used. */
  readonly metadata: Map<string, ApplicationMetadata | string>
  needsMapping: boolean
}

export class Applications {
  readonly #root: string
  readonly #servicesRoot: string
  readonly #wantMapping: () => void
  readonly #applications = new Map<string, Application>()
  /** Interfaces by application; undefined: not read. */
  #mapping: ReadonlyMap<string, readonly string[]> | undefined

  constructor(root: string, servicesRoot: string, wantMapping: () => void) {
    this.#root = root
    this.#servicesRoot = servicesRoot
    this.#wantMapping = wantMapping
  }

  /** Another connection: watches are gone, everything is read anew. */
  reset(): void {
    this.#applications.clear()
    this.#mapping = undefined
  }

  /** The instance's data has changed. */
  forget(application: string, instance: string): void {
    this.#applications.get(application)?.instances.delete(instance)
  }

  async read(name: string, connection: Connection): Promise<UnitContents> {
    const folder = `${this.#servicesRoot}/${name}`
    const ids = (await connection.children(folder, true)) ?? []
    const application = this.#applications.get(name) ?? {
      instances: new Map(),
      metadata: new Map(),
      needsMapping: false,
    }
    if (ids.length === 0) this.#applications.delete(name)
    else this.#applications.set(name, application)
    const present = new Set(ids)
    for (const id of application.instances.keys()) if (!present.has(id)) application.instances.delete(id)
    await Promise.all(
      ids.map(async (id) => {
        if (application.instances.has(id)) return
        const data = await connection.data(`${folder}/${id}`, true)
        if (data !== undefined) application.instances.set(id, data)
      }),
    )
    const instances = ids.toSorted().flatMap((id) => {
      const data = application.instances.get(id)
      return data === undefined ? [] : [parseInstance(name, id, data)]
    })
    await this.#readMetadata(name, application, instances, connection)
    return this.#contentsOf(application, instances)
  }

  /** Returns the applications for which it matters. */
  async readMapping(connection: Connection): Promise<string[]> {
    const folder = `${this.#root}/mapping`
    const interfaces = (await connection.children(folder, true)) ?? []
    const found = new Map<string, string[]>()
    await Promise.all(
      interfaces.map(async (name) => {
        const data = await connection.data(`${folder}/${name}`, true)
        for (const application of data?.toString().split(',') ?? []) {
          const known = found.get(application.trim())
          if (known === undefined) found.set(application.trim(), [name])
          else known.push(name)
        }
      }),
    )
    this.#mapping = found
    return [...this.#applications].filter(([, { needsMapping }]) => needsMapping).map(([name]) => name)
  }

  async #readMetadata(
    name: string,
    application: Application,
    instances: readonly ParsedInstance[],
    connection: Connection,
  ): Promise<void> {
    const revisions = new Set(
      instances.flatMap(({ instance }) => (instance === undefined ? [] : (revisionOf(instance) ?? []))),
    )
    for (const revision of application.metadata.keys())
      if (!revisions.has(revision)) application.metadata.delete(revision)
    for (const revision of revisions) {
      if (application.metadata.has(revision)) continue
      const data =
        (await connection.data(`${this.#root}/metadata/${name}/${revision}`, true)) ??
        (await connection.data(`${this.#root}/${name}/${revision}`, true))
      if (data !== undefined) application.metadata.set(revision, parseMetadata(data))
    }
  }

  #contentsOf(application: Application, instances: readonly ParsedInstance[]): UnitContents {
    let needsMapping = false
    const all = instances.map(({ id, instance, springPort, problem }): UnitContents => {
      if (problem !== undefined) return collect([problem])
      if (instance === undefined) return collect([])
      if (!isDubboInstance(instance.metadata)) return collect([springRegistration(instance, springPort)])
      const metadata = application.metadata.get(revisionOf(instance) ?? '')
      if (typeof metadata === 'string') return collect([rejected(id, 'REGISTRATION_MALFORMED', metadata)])
      if (metadata === undefined && revisionOf(instance) !== undefined) needsMapping = true
      return registrationsOf(instance, metadata, this.#mapping?.get(instance.application))
    })
    application.needsMapping = needsMapping
    if (needsMapping && this.#mapping === undefined) this.#wantMapping()
    return {
      registrations: all.flatMap(({ registrations }) => registrations),
      rejections: all.flatMap(({ rejections }) => rejections),
    }
  }
}

interface ParsedInstance {
  readonly id: string
  readonly instance: ApplicationInstance | undefined
  readonly springPort: { readonly protocol: 'http' | 'https'; readonly number: unknown }
  readonly problem: Parsed | undefined
}

function parseInstance(application: string, id: string, data: Buffer): ParsedInstance {
  const provider = `${application} ${id}`
  const none = { id: provider, instance: undefined, springPort: { protocol: 'http', number: undefined } } as const
  if (data.length > largestInstance) {
    const reason = `${data.length} bytes, more than ${largestInstance}`
    return { ...none, problem: rejected(provider, 'REGISTRATION_TOO_LARGE', reason) }
  }
  // A folder of somebody else, or a node that is about to be written.
  if (data.length === 0) return { ...none, problem: undefined }
  let value: unknown
  try {
    value = JSON.parse(data.toString())
  } catch (error) {
    return { ...none, problem: rejected(provider, 'REGISTRATION_MALFORMED', `no JSON: ${String(error)}`) }
  }
  if (!isRecord(value) || typeof value['address'] !== 'string') {
    return { ...none, problem: rejected(provider, 'REGISTRATION_MALFORMED', 'the instance has no address') }
  }
  const payload = isRecord(value['payload']) ? value['payload'] : {}
  const ssl = typeof value['sslPort'] === 'number'
  return {
    id: provider,
    instance: {
      application,
      id,
      address: value['address'],
      port: value['port'],
      metadata: new Map([
        ...stringsOf(payload['metadata']),
        ...(value['enabled'] === false ? [['enabled', 'false'] as const] : []),
      ]),
    },
    springPort: ssl ? { protocol: 'https', number: value['sslPort'] } : { protocol: 'http', number: value['port'] },
    problem: undefined,
  }
}

function parseMetadata(data: Buffer): ApplicationMetadata | string {
  if (data.length > largestMetadata) return `its metadata has ${data.length} bytes, more than ${largestMetadata}`
  try {
    return parseApplicationMetadata(data.toString())
  } catch (error) {
    return `its metadata can't be read: ${error instanceof Error ? error.message : String(error)}`
  }
}
