/** One Dubbo service of one provider, however the registry lists it, to a registration. */
import { ipAddress, portNumber } from '../addresses.ts'
import { hostOf } from '../names.ts'
import { type Parsed, rejected, shortened } from '../parsed.ts'
import { isProtocolName } from '../ports.ts'
import { weightOf } from '../weight.ts'
import { readParameters } from './parameters.ts'

export interface DubboService {
  /** In the registry's own words. */
  readonly provider: string
  readonly interface: string
  readonly group: string
  readonly version: string
  /** Scheme of the URL: `dubbo`, `tri`, ... */
  readonly protocol: string
  readonly address: string
  readonly port: unknown
  readonly parameters: ReadonlyMap<string, string>
  readonly rank: 0 | 1
}

/** Where in the registry it is listed; Nacos has these two. */
export interface RegistryPlace {
  readonly registryGroup?: string | undefined
  readonly registryNamespace?: string | undefined
}

export function toRegistration(service: DubboService, place: RegistryPlace = {}): Parsed {
  const { provider, parameters } = service
  const address = ipAddress(service.address)
  if (address === undefined) {
    return rejected(provider, 'REGISTRATION_ADDRESS', `"${service.address}" is no IP address that others can call`)
  }
  const port = portNumber(service.port)
  if (port === undefined) {
    return rejected(provider, 'REGISTRATION_PORT', `"${String(service.port)}" is no port from 1 to 65535`)
  }
  const protocol = service.protocol.toLowerCase()
  if (!isProtocolName(protocol)) {
    return rejected(provider, 'REGISTRATION_PROTOCOL', `"${service.protocol}" can't be the name of a protocol`)
  }
  const host = hostOf({ interface: service.interface, group: service.group, version: service.version, ...place })
  if (host === undefined) {
    const parts = [service.interface, service.group, service.version].filter((part) => part !== '').join(' ')
    return rejected(provider, 'REGISTRATION_HOST', `"${shortened(parts)}" does not make a valid host name`)
  }
  const disabled = disabledBy(parameters)
  if (disabled !== undefined) return rejected(provider, 'REGISTRATION_DISABLED', `the provider says ${disabled}`)
  const mesh = readParameters(parameters)
  if (mesh.namespace !== undefined && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(mesh.namespace)) {
    const reason = `aeraki_meta_app_namespace "${shortened(mesh.namespace)}" is no name of a namespace`
    return rejected(provider, 'REGISTRATION_NAMESPACE', reason)
  }
  return {
    kind: 'accepted',
    registration: {
      provider: shortened(provider),
      host,
      interface: service.interface,
      namespace: mesh.namespace,
      workloadSelector: mesh.workloadSelector,
      address,
      port: { protocol, number: port },
      process: parameters.get('pid') ?? '',
      weight: weightOf(parameters.get('weight'), 100),
      locality: mesh.locality,
      labels: mesh.labels,
      serviceAccount: mesh.serviceAccount,
      health: 'healthy',
      rank: service.rank,
    },
  }
}

function disabledBy(parameters: ReadonlyMap<string, string>): string | undefined {
  if (parameters.get('disabled') === 'true') return 'disabled=true'
  if (parameters.get('enabled') === 'false') return 'enabled=false'
  return weightOf(parameters.get('weight'), 100) === 0 ? `weight=${parameters.get('weight')}` : undefined
}
