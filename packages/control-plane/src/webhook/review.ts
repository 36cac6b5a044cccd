/**
 * Admission of our own kinds: what `aeraki validate` calls an error is denied, what it calls a warning is said. The object
 * is looked at by itself: what it refers to may come later.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
 */
import { type Diagnostic, formatDiagnostic, loadValue } from '@aeraki/api'
import { AerakiError } from '@aeraki/api/errors'

export interface AdmissionReview {
  readonly apiVersion: string
  readonly kind: 'AdmissionReview'
  readonly response: AdmissionResponse
}

export interface AdmissionResponse {
  readonly uid: string
  readonly allowed: boolean
  /** Shown by kubectl, one line each. */
  readonly warnings?: readonly string[]
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string }
}

const longestWarning = 256
const mostWarnings = 10

/** Throws `WEBHOOK_REQUEST` for what is no AdmissionReview. */
export function review(value: unknown): AdmissionReview {
  const { apiVersion, kind, request } = (value ?? {}) as { apiVersion?: unknown; kind?: unknown; request?: unknown }
  if (kind !== 'AdmissionReview' || typeof apiVersion !== 'string' || !apiVersion.startsWith('admission.k8s.io/')) {
    throw new AerakiError('WEBHOOK_REQUEST', 'the body is no AdmissionReview of admission.k8s.io')
  }
  const { uid, operation, object } = (request ?? {}) as { uid?: unknown; operation?: unknown; object?: unknown }
  if (typeof uid !== 'string') throw new AerakiError('WEBHOOK_REQUEST', 'the AdmissionReview has no request with a uid')
  const judged = operation === 'CREATE' || operation === 'UPDATE'
  // In the version it came in, as the API server wants it.
  return { apiVersion, kind: 'AdmissionReview', response: judged ? judge(uid, object) : { uid, allowed: true } }
}

function judge(uid: string, object: unknown): AdmissionResponse {
  const { diagnostics } = loadValue(object, 'object')
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  const warnings = diagnostics.filter(({ severity }) => severity === 'warning').map(oneLine)
  const said = warnings.length === 0 ? {} : { warnings: warnings.slice(0, mostWarnings) }
  if (errors.length === 0) return { uid, allowed: true, ...said }
  const message = errors.map(withoutPlace).join('\n')
  return { uid, allowed: false, ...said, status: { code: 422, reason: 'Invalid', message } }
}

/** `API_BAD_VALUE spec.x: ...`: which object it is the caller knows. */
function withoutPlace(diagnostic: Diagnostic): string {
  const { code, field } = diagnostic
  const whole = formatDiagnostic(diagnostic)
  return `${code} ${field}${whole.slice(whole.indexOf(': ', whole.indexOf(code)))}`
}

function oneLine(diagnostic: Diagnostic): string {
  return withoutPlace(diagnostic).replaceAll(/\s+/g, ' ').slice(0, longestWarning)
}
