/** The unit of an application: its instances, with the services that the metadata of their revisions names. */
import type { UnitContents } from '../contract.ts'
import {
  type ApplicationMetadata,
  isDubboInstance,
  parseApplicationMetadata,
  registrationsOf,
  revisionOf,
} from '../dubbo/application.ts'
import { toRegistration } from '../dubbo/registration.ts'
import { collect, rejected } from '../parsed.ts'
import type { EtcdClient } from './client.ts'
import { readInstance, type ReadInstance } from './instance.ts'
import type { Layout } from './layout.ts'

/** Interfaces by application. */
export type Mapping = ReadonlyMap<string, readonly string[]>

/** Bytes; larger ones are not parsed. */
const largestMetadata = 8 * 1024 * 1024
const decoder = new TextDecoder()

export async function readApplication(
  client: EtcdClient,
  application: string,
  { root, servicesRoot }: Layout,
  mapping: Mapping,
): Promise<UnitContents> {
  const prefix = `${servicesRoot}/${application}/`
  const entries = await client.entries(prefix)
  const instances = entries.map(({ key, value }) =>
    readInstance(application, decoder.decode(key).slice(prefix.length), value),
  )
  const revisions = new Set(
    instances.flatMap((read) => (read.kind === 'instance' ? (revisionOf(read.instance) ?? []) : [])),
  )
  const metadata = new Map<string, ApplicationMetadata | string>()
  for (const revision of revisions) {
    const value =
      (await client.value(`${root}/metadata/${application}/${revision}`)) ??
      (await client.value(`${root}/${application}/${revision}`))
    if (value !== undefined) metadata.set(revision, parseMetadata(value))
  }
  const all = instances.map((read) => contentsOf(read, metadata, mapping))
  return {
    registrations: all.flatMap(({ registrations }) => registrations),
    rejections: all.flatMap(({ rejections }) => rejections),
  }
}

export async function readMapping(client: EtcdClient, { root }: Layout): Promise<Mapping> {
  const prefix = `${root}/mapping/`
  const mapping = new Map<string, string[]>()
  for (const { key, value } of await client.entries(prefix)) {
    const name = decoder.decode(key).slice(prefix.length)
    for (const application of decoder.decode(value).split(',')) {
      const known = mapping.get(application.trim())
      if (known === undefined) mapping.set(application.trim(), [name])
      else known.push(name)
    }
  }
  return mapping
}

function contentsOf(
  read: ReadInstance,
  metadata: ReadonlyMap<string, ApplicationMetadata | string>,
  mapping: Mapping,
): UnitContents {
  if (read.kind !== 'instance') return collect([read])
  const { instance, healthy } = read
  const known = metadata.get(revisionOf(instance) ?? '')
  const { application, id } = instance
  if (typeof known === 'string') return collect([rejected(`${application} ${id}`, 'REGISTRATION_MALFORMED', known)])
  const contents = isDubboInstance(instance.metadata)
    ? registrationsOf(instance, known, mapping.get(application))
    : collect([
        toRegistration({
          provider: `${application} ${id}`,
          interface: application,
          group: '',
          version: '',
          protocol: instance.metadata.get('protocol') ?? 'http',
          address: instance.address,
          port: instance.port,
          parameters: instance.metadata,
          rank: 0,
        }),
      ])
  if (healthy) return contents
  const sick = contents.registrations.map((registration) => ({ ...registration, health: 'unhealthy' as const }))
  return { ...contents, registrations: sick }
}

function parseMetadata(value: Uint8Array): ApplicationMetadata | string {
  if (value.length > largestMetadata) return `its metadata has ${value.length} bytes, more than ${largestMetadata}`
  try {
    return parseApplicationMetadata(decoder.decode(value))
  } catch (error) {
    return `its metadata can't be read: ${error instanceof Error ? error.message : String(error)}`
  }
}
