/** An instance of Eureka to registrations: one for each port that is enabled. */
import type { UnitContents } from '../contract.ts'
import { toRegistration } from '../dubbo/registration.ts'
import { collect, type Parsed, rejected } from '../parsed.ts'
import { dataCenterOf, metadataOf, portOf, type WireInstance } from './wire.ts'

export function readInstance(instance: WireInstance, domain: string | undefined): UnitContents {
  const { application, id, status, fields } = instance
  const provider = `${application} ${id}`
  if (status === 'OUT_OF_SERVICE') {
    return collect([rejected(provider, 'REGISTRATION_DISABLED', 'its status is OUT_OF_SERVICE')])
  }
  const metadata = metadataOf(fields['metadata'])
  const [plain, secure] = [portOf(fields['port']), portOf(fields['securePort'])]
  if (plain === undefined && secure === undefined) {
    return collect([rejected(provider, 'REGISTRATION_PORT', 'no port is enabled')])
  }
  const toPort = (protocol: string, port: unknown): Parsed => {
    const parsed = toRegistration(
      {
        provider,
        interface: application.toLowerCase(),
        group: '',
        version: '',
        protocol,
        address: addressOf(fields),
        port,
        parameters: metadata,
        rank: 0,
      },
      { registryGroup: domain },
    )
    if (parsed.kind !== 'accepted') return parsed
    const { registration } = parsed
    return {
      kind: 'accepted',
      registration: {
        ...registration,
        process: id,
        locality: registration.locality ?? localityOf(metadata, dataCenterOf(fields)),
        health: status === 'UP' ? 'healthy' : 'unhealthy',
      },
    }
  }
  return collect([
    ...(plain === undefined ? [] : [toPort(metadata.get('protocol') ?? 'http', plain)]),
    ...(secure === undefined ? [] : [toPort('https', secure)]),
  ])
}

/** Some register a name alone, or an address as the name. */
function addressOf(fields: WireInstance['fields']): string {
  const [address, name] = [fields['ipAddr'], fields['hostName']]
  if (typeof address === 'string' && address !== '') return address
  return typeof name === 'string' ? name : ''
}

/** Amazon's zones are called as their region, with a letter behind. */
function localityOf(
  metadata: ReadonlyMap<string, string>,
  dataCenter: ReadonlyMap<string, string>,
): string | undefined {
  const amazon = dataCenter.get('availability-zone')
  const zone = metadata.get('zone') ?? amazon
  const region = metadata.get('region') ?? amazon?.replace(/[a-z]$/, '')
  if (region === undefined) return zone
  return zone === undefined ? region : `${region}/${zone}`
}
