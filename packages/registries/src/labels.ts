/** Free text to valid Kubernetes labels, as DestinationRule subsets match on them. */

/** Of one instance: more is noise that every proxy would have to carry. */
export const mostLabels = 64

const longest = 63
const validName = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

/**
 * A key or value made valid: characters that are not allowed become `-`, ends that are not letters or digits go, and
 * what is longer than 63 characters is cut. Undefined where nothing is left.
 */
export function sanitizeLabel(text: string): string | undefined {
  if (validName.test(text)) return text
  const trimmed = text
    .slice(0, longest * 4)
    .replace(/[^A-Za-z0-9_.-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, longest)
    .replace(/[^A-Za-z0-9]+$/, '')
  return trimmed === '' ? undefined : trimmed
}

/** A key may have a prefix, `example.com/name`. */
function sanitizeKey(key: string): string | undefined {
  const slash = key.indexOf('/')
  if (slash < 0) return sanitizeLabel(key)
  const prefix = key.slice(0, slash)
  const valid =
    prefix.length <= 253 && prefix.split('.').every((part) => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(part))
  const name = sanitizeLabel(key.slice(slash + 1))
  return valid && name !== undefined ? `${prefix}/${name}` : sanitizeLabel(key)
}

/**
 * Sorted by key; the first of two keys that become one counts, in the order of the keys as they were written. Empty
 * values are left out, and so is what comes after the 64th label.
 */
export function sanitizeLabels(pairs: Iterable<readonly [string, string]>): Record<string, string> {
  const found = new Map<string, string>()
  for (const [key, value] of [...pairs].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const [cleanKey, cleanValue] = [sanitizeKey(key), sanitizeLabel(value)]
    if (cleanKey === undefined || cleanValue === undefined || found.has(cleanKey)) continue
    found.set(cleanKey, cleanValue)
    if (found.size === mostLabels) break
  }
  return Object.fromEntries([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
