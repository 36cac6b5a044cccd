/**
 * A service of Nacos to registrations. Three kinds share a registry:
 *
 *     providers:INTERFACE:VERSION:GROUP   Dubbo, by interface; the parameters of the URL are the instance's metadata
 *     APPLICATION                         Dubbo 3, by application: its metadata names a revision
 *     anything else                       over HTTP, Spring's
 *
 * An instance: { ip, port, weight, healthy, enabled, ephemeral, clusterName, metadata: {...} }
 */
import type { UnitContents } from '../contract.ts'
import {
  type ApplicationInstance,
  type ApplicationMetadata,
  isDubboInstance,
  registrationsOf,
  revisionOf,
  stringsOf,
} from '../dubbo/application.ts'
import { type RegistryPlace, toRegistration } from '../dubbo/registration.ts'
import { isRecord } from '../guards.ts'
import { collect, rejected } from '../parsed.ts'
import { weightOf } from '../weight.ts'
import type { ServiceName } from './dialect.ts'

/** Of the applications' revisions; a text says why one can't be used. */
export type Revisions = ReadonlyMap<string, ApplicationMetadata | string>

/** Dubbo also registers consumers and rules. */
export function isOfInterest({ service }: ServiceName): boolean {
  return !/^(consumers|routers|configurators):/.test(service)
}

/** That the instances name. */
export function revisionsOf(name: ServiceName, instances: readonly unknown[]): Set<string> {
  if (isInterface(name)) return new Set()
  return new Set(
    instances.flatMap((instance) => (isRecord(instance) ? (revisionOf(asApplication(name, instance)) ?? []) : [])),
  )
}

/** @param mapped interfaces that the mapping says the application has: for revisions that nobody knows */
export function readService(
  name: ServiceName,
  instances: readonly unknown[],
  revisions: Revisions,
  mapped: readonly string[] = [],
): UnitContents {
  const all = instances.map((instance): UnitContents => {
    if (isRecord(instance)) return readInstance(name, instance, revisions, mapped)
    return collect([rejected(name.service, 'REGISTRATION_MALFORMED', 'an instance that is no JSON object')])
  })
  return {
    registrations: all.flatMap(({ registrations }) => registrations),
    rejections: all.flatMap(({ rejections }) => rejections),
  }
}

function readInstance(
  name: ServiceName,
  instance: Record<string, unknown>,
  revisions: Revisions,
  mapped: readonly string[],
): UnitContents {
  const application = asApplication(name, instance)
  const provider = `${name.service} ${application.id}`
  if (instance['enabled'] === false) return collect([rejected(provider, 'REGISTRATION_DISABLED', 'enabled is false')])
  const weight = weightOf(instance['weight'], 1)
  if (weight === 0) return collect([rejected(provider, 'REGISTRATION_DISABLED', 'its weight is 0')])
  const contents = servicesOf(name, application, provider, revisions, mapped)
  const cluster = instance['clusterName']
  const labels =
    typeof cluster === 'string' && /^\w[\w.-]{0,61}\w$/.test(cluster) && cluster !== 'DEFAULT' ? { cluster } : {}
  return {
    ...contents,
    registrations: contents.registrations.map((registration) => ({
      ...registration,
      // Dubbo for Java writes its weight into the metadata and leaves Nacos' at 1.
      weight: weight === 100 ? registration.weight : weight,
      labels: { ...labels, ...registration.labels },
      health: instance['healthy'] === false ? 'unhealthy' : registration.health,
    })),
  }
}

function servicesOf(
  name: ServiceName,
  instance: ApplicationInstance,
  provider: string,
  revisions: Revisions,
  mapped: readonly string[],
): UnitContents {
  const { address, port, metadata: parameters } = instance
  const place: RegistryPlace = { registryGroup: name.group, registryNamespace: name.namespace }
  const common = { provider, address, port, parameters }
  if (isInterface(name)) {
    const [, service = '', version = '', group = ''] = name.service.split(':')
    return collect([
      toRegistration(
        {
          ...common,
          interface: parameters.get('interface') ?? service,
          version: parameters.get('version') ?? version,
          group: parameters.get('group') ?? group,
          protocol: parameters.get('protocol') ?? 'dubbo',
          rank: 1,
        },
        place,
      ),
    ])
  }
  if (!isDubboInstance(parameters)) {
    const protocol = parameters.get('protocol') ?? 'http'
    return collect([
      toRegistration({ ...common, interface: name.service, version: '', group: '', protocol, rank: 0 }, place),
    ])
  }
  const revision = revisions.get(revisionOf(instance) ?? '')
  if (typeof revision === 'string') return collect([rejected(provider, 'REGISTRATION_MALFORMED', revision)])
  return registrationsOf(instance, revision, mapped, place)
}

function isInterface({ service }: ServiceName): boolean {
  return service.startsWith('providers:')
}

function asApplication(name: ServiceName, instance: Record<string, unknown>): ApplicationInstance {
  const [address, port] = [typeof instance['ip'] === 'string' ? instance['ip'] : '', instance['port']]
  // What begins so is between the client and the server, such as the time until an instance is taken for dead.
  const metadata = new Map([...stringsOf(instance['metadata'])].filter(([key]) => !key.startsWith('preserved.')))
  return { application: name.service, id: `${address}:${String(port)}`, address, port, metadata }
}
