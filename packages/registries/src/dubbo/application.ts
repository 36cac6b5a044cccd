/**
 * Application-level registration, Dubbo 3's: an instance says where it listens and which revision of its application it
 * runs; the metadata of that revision, in the metadata center, says which services the application has.
 *
 *     instance.metadata = {
 *       "dubbo.endpoints": "[{\"port\":20880,\"protocol\":\"dubbo\"}]",
 *       "dubbo.metadata.revision": REVISION,
 *       "dubbo.metadata.storage-type": "local" | "remote", ... and the user's own parameters }
 *     metadata          = { app, revision, services: { KEY: { name, group, version, protocol, port, path, params } } }
 *
 * Without the metadata (`local`: only the instance itself has it) the mapping from interface to applications still tells
 * the interfaces, but no groups and versions.
 */
import type { UnitContents } from '../contract.ts'
import { isRecord } from '../guards.ts'
import { collect, type Parsed, rejected } from '../parsed.ts'
import { type RegistryPlace, toRegistration } from './registration.ts'

export interface ApplicationInstance {
  readonly application: string
  /** In the registry's own words, such as `10.0.0.1:20880`. */
  readonly id: string
  readonly address: string
  readonly port: unknown
  readonly metadata: ReadonlyMap<string, string>
}

/** Of one revision of an application. */
export interface ApplicationMetadata {
  readonly services: readonly ApplicationService[]
}

export interface ApplicationService {
  readonly interface: string
  readonly group: string
  readonly version: string
  readonly protocol: string
  readonly port: unknown
  readonly parameters: ReadonlyMap<string, string>
}

/** True where the instance belongs to Dubbo, not to another framework that shares the registry. */
export function isDubboInstance(metadata: ReadonlyMap<string, string>): boolean {
  return metadata.has('dubbo.metadata.revision') || metadata.has('dubbo.endpoints')
}

/** Under which the metadata is found; undefined or `0`: the instance has no services. */
export function revisionOf(instance: ApplicationInstance): string | undefined {
  const revision = instance.metadata.get('dubbo.metadata.revision')
  return revision === undefined || revision === '' || revision === '0' ? undefined : revision
}

/** @throws Error with what is wrong where the text is no application's metadata */
export function parseApplicationMetadata(text: string): ApplicationMetadata {
  const parsed: unknown = JSON.parse(text)
  const services = isRecord(parsed) ? parsed['services'] : undefined
  if (!isRecord(services)) throw new Error('it has no services')
  return { services: Object.values(services).flatMap((service) => (isRecord(service) ? [readService(service)] : [])) }
}

function readService(service: Record<string, unknown>): ApplicationService {
  const text = (key: string): string => (typeof service[key] === 'string' ? service[key] : '')
  const parameters = stringsOf(service['params'])
  return {
    interface: parameters.get('interface') ?? text('name'),
    group: text('group'),
    version: text('version'),
    protocol: text('protocol'),
    port: service['port'],
    parameters,
  }
}

/**
 * @param metadata undefined where the metadata center does not have this revision
 * @param mapped interfaces that the mapping says the application has
 */
export function registrationsOf(
  instance: ApplicationInstance,
  metadata: ApplicationMetadata | undefined,
  mapped: Iterable<string> = [],
  place?: RegistryPlace,
): UnitContents {
  if (revisionOf(instance) === undefined) return { registrations: [], rejections: [] }
  const services = metadata?.services ?? servicesFromMapping(instance, mapped)
  const provider = `${instance.application} ${instance.id}`
  if (services.length === 0 && metadata === undefined) {
    const reason = `the metadata center has no revision ${revisionOf(instance)} of ${instance.application}, and no mapping names it: set dubbo.application.metadata-type=remote`
    return collect([rejected(provider, 'REGISTRATION_NO_METADATA', reason)])
  }
  const ports = endpointPorts(instance)
  return collect(
    services.filter(isForOthers).map((service): Parsed => {
      const named = service.group === '' ? service.interface : `${service.group}/${service.interface}`
      return toRegistration(
        {
          provider: `${provider} ${named}${service.version === '' ? '' : `:${service.version}`}`,
          interface: service.interface,
          group: service.group,
          version: service.version,
          protocol: service.protocol,
          address: instance.address,
          // Instances of one revision share its metadata and may listen on different ports.
          port: ports.get(service.protocol) ?? service.port ?? instance.port,
          parameters: new Map([...service.parameters, ...instance.metadata]),
          rank: 0,
        },
        place,
      )
    }),
  )
}

/** Dubbo's own service for asking an instance for its metadata is nobody else's business. */
function isForOthers(service: ApplicationService): boolean {
  return !/^org\.apache\.dubbo\.metadata\.MetadataService(V2)?$/.test(service.interface)
}

function servicesFromMapping(instance: ApplicationInstance, mapped: Iterable<string>): ApplicationService[] {
  const [protocol = 'dubbo'] = endpointPorts(instance).keys()
  return [...mapped].toSorted().map((name) => ({
    interface: name,
    group: '',
    version: '',
    protocol,
    port: undefined,
    parameters: new Map(),
  }))
}

function endpointPorts({ metadata }: ApplicationInstance): Map<string, unknown> {
  let endpoints: unknown
  try {
    endpoints = JSON.parse(metadata.get('dubbo.endpoints') ?? '[]')
  } catch {
    // The port of the instance itself has to do.
    endpoints = []
  }
  const list: readonly unknown[] = Array.isArray(endpoints) ? endpoints : []
  return new Map(
    list.flatMap((each) =>
      isRecord(each) && typeof each['protocol'] === 'string' ? [[each['protocol'], each['port']] as const] : [],
    ),
  )
}

/** The entries of a JSON object whose values are text, numbers or booleans. */
export function stringsOf(value: unknown): Map<string, string> {
  const found = new Map<string, string>()
  if (!isRecord(value)) return found
  for (const [key, each] of Object.entries(value)) {
    if (typeof each === 'string') found.set(key, each)
    else if (typeof each === 'number' || typeof each === 'boolean') found.set(key, String(each))
  }
  return found
}
