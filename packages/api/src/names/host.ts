/** Host names of services: short names, wildcards, and which host means which service, as Istio has them. */

/** Of the names of Kubernetes services, unless the cluster has another one. */
export const defaultClusterDomain = 'cluster.local'

/** Names of hosts are equal whatever their case, and with or without the dot at the end: this is the one to compare. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/**
 * The full name, canonical, of a host written in an object of a namespace: a name without a dot is a service of that namespace; `*`
 * and everything with a dot stay as they are.
 */
export function expandHost(host: string, namespace: string, clusterDomain = defaultClusterDomain): string {
  const name = canonicalHost(host)
  if (name === '*' || host.includes('.')) return name
  const domain = `svc.${clusterDomain}`
  return namespace === '' ? `${name}.${domain}` : `${name}.${namespace}.${domain}`
}

export function isWildcard(host: string): boolean {
  return host.startsWith('*')
}

/** True where the pattern (a host or wildcard) covers everything that `host` stands for. */
export function hostCovers(pattern: string, host: string): boolean {
  const [outer, inner] = [canonicalHost(pattern), canonicalHost(host)]
  if (outer === inner) return true
  if (!isWildcard(outer)) return false
  return isWildcard(inner) ? inner.slice(1).endsWith(outer.slice(1)) : coversPlain(outer, inner)
}

function coversPlain(wildcard: string, host: string): boolean {
  const suffix = wildcard.slice(1)
  return host.length > suffix.length && host.endsWith(suffix)
}
