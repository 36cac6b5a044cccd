/**
 * A provider's URL, as interface-level registration writes it, whole, into a node's name or a key:
 *
 *     encoded = form-encoded( scheme "://" [ user [ ":" password ] "@" ] host [ ":" port ] "/" [ context "/" ] interface
 *                             [ "?" key "=" value { "&" key "=" value } ] )
 *
 * The parameters inside are not encoded once more. An IPv6 host may come with or without brackets.
 * https://cn.dubbo.apache.org/en/overview/mannual/java-sdk/reference-manual/registry/overview/
 */
import { type Parsed, rejected } from '../parsed.ts'
import { type RegistryPlace, toRegistration } from './registration.ts'

/** Longer ones are not read. */
export const longestUrl = 64 * 1024

/** Schemes of what may stand among providers and is none. */
const others = new Set([
  'consumer',
  'override',
  'route',
  'condition',
  'script',
  'admin',
  'registry',
  'service-discovery-registry',
])

/** @param encoded as it stands in the registry */
export function parseProviderUrl(encoded: string, place?: RegistryPlace): Parsed {
  if (encoded.length > longestUrl) {
    return rejected(encoded, 'REGISTRATION_TOO_LARGE', `${encoded.length} characters, more than ${longestUrl}`)
  }
  let text: string
  try {
    text = decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch {
    return rejected(encoded, 'REGISTRATION_MALFORMED', 'the URL has a % that begins no valid escape')
  }
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?]*)\/?([^?]*)(?:\?(.*))?$/s.exec(text)
  if (match === null) return rejected(text, 'REGISTRATION_MALFORMED', 'not a URL: scheme://host:port/interface?...')
  const [, scheme = '', authority = '', path = '', query = ''] = match
  if (scheme === 'empty') return { kind: 'nothing' }
  if (others.has(scheme)) return rejected(text, 'REGISTRATION_PROTOCOL', `${scheme}:// is no provider`)
  const parameters = parseQuery(query)
  const service = parameters.get('interface') ?? path.slice(path.lastIndexOf('/') + 1)
  if (service === '') return rejected(text, 'REGISTRATION_MALFORMED', 'the URL names no interface')
  const { host, port } = splitAuthority(authority)
  return toRegistration(
    {
      provider: text,
      interface: service,
      group: parameters.get('group') ?? '',
      version: parameters.get('version') ?? '',
      protocol: scheme,
      address: host,
      port,
      parameters,
      rank: 1,
    },
    place,
  )
}

/** The first of two equal keys counts. */
export function parseQuery(query: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    const key = equals < 0 ? pair : pair.slice(0, equals)
    if (key !== '' && !found.has(key)) found.set(key, equals < 0 ? '' : pair.slice(equals + 1))
  }
  return found
}

function splitAuthority(authority: string): { host: string; port: string } {
  const bare = authority.slice(authority.lastIndexOf('@') + 1)
  const colon = bare.lastIndexOf(':')
  return colon < 0 || bare.endsWith(']')
    ? { host: bare, port: '' }
    : { host: bare.slice(0, colon), port: bare.slice(colon + 1) }
}
