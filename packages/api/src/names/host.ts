/** Host names of services: short names, wildcards, and which host means which service, as Istio has them. */

const defaultDomain = 'svc.cluster.local'

/**
 * The full name of a host written in an object of a namespace: a name without a dot is a service of that namespace; `*`
 * and everything with a dot stay as they are.
 */
export function expandHost(host: string, namespace: string, domain = defaultDomain): string {
  if (host === '*' || host.includes('.')) return host
  return namespace === '' ? `${host}.${domain}` : `${host}.${namespace}.${domain}`
}

export function isWildcard(host: string): boolean {
  return host.startsWith('*')
}

/** True where a name can be of both: equal, or one's wildcard covers the other. Case does not count. */
export function hostsMatch(a: string, b: string): boolean {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()]
  if (left === right) return true
  const [leftWild, rightWild] = [isWildcard(left), isWildcard(right)]
  if (leftWild && rightWild) {
    const [longer, shorter] = left.length >= right.length ? [left, right] : [right, left]
    return longer.slice(1).endsWith(shorter.slice(1))
  }
  if (leftWild) return coversPlain(left, right)
  return rightWild && coversPlain(right, left)
}

/** True where the pattern (a host or wildcard) covers everything that `host` stands for. */
export function hostCovers(pattern: string, host: string): boolean {
  const [outer, inner] = [pattern.toLowerCase(), host.toLowerCase()]
  if (outer === inner) return true
  if (!isWildcard(outer)) return false
  return isWildcard(inner) ? inner.slice(1).endsWith(outer.slice(1)) : coversPlain(outer, inner)
}

function coversPlain(wildcard: string, host: string): boolean {
  const suffix = wildcard.slice(1)
  return host.length > suffix.length && host.endsWith(suffix)
}

/** The most specific pattern that covers the host: itself first, then the longest wildcard. */
export function mostSpecificHost(host: string, patterns: Iterable<string>): string | undefined {
  let best: string | undefined
  for (const pattern of patterns) {
    if (!hostCovers(pattern, host)) continue
    if (!isWildcard(pattern)) return pattern
    if (best === undefined || pattern.length > best.length) best = pattern
  }
  return best
}
