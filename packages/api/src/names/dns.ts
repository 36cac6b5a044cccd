/** RFC 1123 names, as Kubernetes and Istio check them. */
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const hostLabel = /^[a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?$/

/** A namespace, or a part of an object's name: lower case, at most 63 characters. */
export function isDnsLabel(text: string): boolean {
  return label.test(text)
}

/** An object's name: labels joined by dots, at most 253 characters. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split('.').every((part) => label.test(part))
}

/**
 * A host: labels in any case joined by dots, at most 255 characters, the last label not all digits; a trailing dot is
 * allowed. A single label is a host too (a short name).
 */
export function isFqdn(text: string): boolean {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text
  if (bare === '' || text.length > 255) return false
  const parts = bare.split('.')
  return parts.every((part) => hostLabel.test(part)) && !/^\d+$/.test(parts.at(-1) ?? '')
}

/** A host, `*`, or a host whose first label is `*`. */
export function isWildcardHost(text: string): boolean {
  if (text === '*') return true
  return text.startsWith('*.') ? isFqdn(text.slice(2)) : isFqdn(text)
}

/** The name of a subset: a DNS label in any case. */
export function isSubsetName(text: string): boolean {
  return /^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(text)
}
