/**
 * Host names of services, as dubbo2istio has them:
 *
 *     host = interface [ "-" group ] [ "-" version, dots as "-" ] [ "." registry group ] [ "." registry namespace ]
 *
 * in lower case. The registry's group and namespace are Nacos's; DEFAULT_GROUP and public are left out.
 */
import { createHash } from 'node:crypto'

export interface HostParts {
  readonly interface: string
  readonly group?: string | undefined
  readonly version?: string | undefined
  readonly registryGroup?: string | undefined
  readonly registryNamespace?: string | undefined
}

/** Undefined where no valid host can be made of them; see `hostProblem`. */
export function hostOf(parts: HostParts): string | undefined {
  const { group = '', version = '', registryGroup = '', registryNamespace = '' } = parts
  let host = parts.interface
  if (group !== '') host += `-${group}`
  // Dubbo takes 0.0.0 and no version for the same.
  if (version !== '' && version !== '0.0.0') host += `-${version.replaceAll('.', '-')}`
  if (registryGroup !== '' && registryGroup !== 'DEFAULT_GROUP') host += `.${registryGroup}`
  if (registryNamespace !== '' && registryNamespace !== 'public') host += `.${registryNamespace}`
  const clean = host.toLowerCase().replace(/[_$]/g, '-')
  return hostProblem(clean) === undefined ? clean : undefined
}

/** Why this can't be a host of a ServiceEntry; undefined where it can. */
export function hostProblem(host: string): string | undefined {
  if (host.length > 253) return 'longer than 253 characters'
  for (const label of host.split('.')) {
    if (label.length > 63) return `"${label.slice(0, 20)}..." is longer than 63 characters`
    if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(label)) {
      return `"${label}" is not made of letters, digits and "-" within`
    }
  }
  if (/(^|\.)\d+$/.test(host)) return 'it ends like an IP address'
  return undefined
}

/** Of the ServiceEntry: `aeraki-<host>`, dots as `-`; one that would be too long ends in a hash. */
export function entryName(host: string): string {
  return shortened(`aeraki-${host.replaceAll('.', '-')}`, 240)
}

/** A name of at most so many characters: what is cut off is told apart by a hash. */
export function shortened(name: string, most: number): string {
  if (name.length <= most) return name
  return `${name.slice(0, most - 13)}-${createHash('sha256').update(name).digest('hex').slice(0, 12)}`
}
