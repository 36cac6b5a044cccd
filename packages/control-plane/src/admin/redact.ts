/**
 * Admin pages show configurations, and some of their fields are secrets: Envoy's messages mark them, but what stands in a
 * TypedStruct has no marks. So it goes by the names of fields, in every spelling: what a password, a private key or a token
 * field holds is shown as `[redacted]`, whatever form it has.
 */
import type { JsonValue } from '@bufbuild/protobuf'

const secretField = /(passwords?|privatekey|token|usernames?)$/
const shown = '[redacted]'

/** A copy without secrets. */
export function redact(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(redact)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, isSecret(name) ? hide(inner) : redact(inner)]),
  )
}

function isSecret(name: string): boolean {
  return secretField.test(name.replaceAll('_', '').toLowerCase())
}

/** Every text in it; the form stays, so that one sees that something is there. Numbers and flags are no secrets. */
function hide(value: JsonValue): JsonValue {
  if (typeof value === 'string') return shown
  if (Array.isArray(value)) return value.map(hide)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hide(inner)]))
}
