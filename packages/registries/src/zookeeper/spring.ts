/** An instance that is no Dubbo's: Spring Cloud's, over HTTP. Its host is the application's name. */
import type { Parsed } from '../parsed.ts'
import { type ApplicationInstance } from '../dubbo/application.ts'
import { toRegistration } from '../dubbo/registration.ts'

export function springRegistration(
  instance: ApplicationInstance,
  port: { readonly protocol: string; readonly number: unknown },
): Parsed {
  const { application, id, address, metadata } = instance
  const parsed = toRegistration({
    provider: `${application} ${id}`,
    interface: application,
    group: '',
    version: '',
    protocol: port.protocol,
    address,
    port: port.number,
    parameters: metadata,
    rank: 0,
  })
  // Spring Cloud Zookeeper writes the status beside the user's own entries.
  const status = metadata.get('instance_status')
  if (parsed.kind !== 'accepted' || status === undefined || status === 'UP') return parsed
  return { kind: 'accepted', registration: { ...parsed.registration, health: 'unhealthy' } }
}
