/**
 * What stands where in etcd:
 *
 *     /dubbo/INTERFACE/providers/URL                      interface-level; the value says nothing
 *     /services/APPLICATION/HOST:PORT = instance in JSON  application-level, of Java and of dubbo-go
 *     /dubbo/metadata/APPLICATION/REVISION                metadata of an application (Java)
 *     /dubbo/APPLICATION/REVISION                         the same (dubbo-go)
 *     /dubbo/mapping/INTERFACE = APPLICATION[,APPLICATION...]
 *
 * with the two roots configurable.
 */

export interface Layout {
  readonly root: string
  readonly servicesRoot: string
}

export type Place =
  | { readonly kind: 'provider'; readonly interface: string; readonly url: string }
  | { readonly kind: 'instance'; readonly application: string; readonly id: string }
  | { readonly kind: 'metadata'; readonly application: string; readonly revision: string }
  | { readonly kind: 'mapping'; readonly interface: string }

/** Undefined for what matters to nobody here, such as consumers and configuration. */
export function placeOf(key: string, { root, servicesRoot }: Layout): Place | undefined {
  if (key.startsWith(`${servicesRoot}/`)) {
    const [application, id] = split(key.slice(servicesRoot.length + 1), 2)
    return application === '' || id === undefined ? undefined : { kind: 'instance', application, id }
  }
  if (!key.startsWith(`${root}/`)) return undefined
  const rest = key.slice(root.length + 1)
  const [first, second, third] = split(rest, 3)
  if (second === undefined) return undefined
  if (first === 'mapping') return { kind: 'mapping', interface: split(rest, 2)[1] ?? '' }
  if (first === 'config') return undefined
  if (first === 'metadata') {
    return third === undefined ? undefined : { kind: 'metadata', application: second, revision: third }
  }
  if (third === undefined) return { kind: 'metadata', application: first, revision: second }
  return second === 'providers' ? { kind: 'provider', interface: first, url: third } : undefined
}

/** The last part keeps what slashes it has: a URL that somebody did not encode. */
function split(path: string, parts: number): [string, ...(string | undefined)[]] {
  const [first = '', ...others] = path.split('/')
  if (others.length < parts) return [first, ...others]
  return [first, ...others.slice(0, parts - 2), others.slice(parts - 2).join('/')]
}
