/**
 * An instance of a Dubbo application, as the value of its key, in Java's spelling or dubbo-go's:
 *
 *     { "serviceName": APP, "host": IP, "port": N, "enabled": true, "healthy": true, "metadata": {...} }
 *     { "ID": .., "ServiceName": APP, "Host": IP, "Port": N, "Enable": true, "Healthy": true, "Metadata": {...} }
 */
import { type ApplicationInstance, stringsOf } from '../dubbo/application.ts'
import { isRecord } from '../guards.ts'
import { type Parsed, rejected } from '../parsed.ts'

/** Bytes; larger ones are not parsed. */
const largest = 256 * 1024

export type ReadInstance =
  | { readonly kind: 'instance'; readonly instance: ApplicationInstance; readonly healthy: boolean }
  | Extract<Parsed, { kind: 'rejected' | 'nothing' }>

export function readInstance(application: string, id: string, value: Uint8Array): ReadInstance {
  const provider = `${application} ${id}`
  const reject = (code: 'REGISTRATION_TOO_LARGE' | 'REGISTRATION_MALFORMED', reason: string): ReadInstance =>
    rejected(provider, code, reason) as Extract<Parsed, { kind: 'rejected' }>
  if (value.length > largest) return reject('REGISTRATION_TOO_LARGE', `${value.length} bytes, more than ${largest}`)
  // A key that is about to be written.
  if (value.length === 0) return { kind: 'nothing' }
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder().decode(value))
  } catch (error) {
    return reject('REGISTRATION_MALFORMED', `no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isRecord(parsed)) return reject('REGISTRATION_MALFORMED', 'the value is no JSON object')
  const fields = new Map(Object.entries(parsed).map(([key, each]) => [key.toLowerCase(), each]))
  const host = fields.get('host')
  if (typeof host !== 'string') return reject('REGISTRATION_MALFORMED', 'the instance has no host')
  const metadata = stringsOf(fields.get('metadata'))
  if (fields.get('enabled') === false || fields.get('enable') === false) metadata.set('enabled', 'false')
  return {
    kind: 'instance',
    instance: { application, id, address: host, port: fields.get('port'), metadata },
    healthy: fields.get('healthy') !== false,
  }
}
