import { AerakiError } from '@aeraki/api/errors'

/** An answer of the API server that says no. */
export class KubernetesError extends AerakiError {
  /** HTTP status. */
  readonly status: number
  /** Kubernetes' own word for it: `Conflict`, `AlreadyExists`, `Expired`, ...; empty where it gave none. */
  readonly reason: string
  /** How long the server asked to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super('KUBERNETES_REFUSED', message)
    this.status = status
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }
}

/** The HTTP status of the server's refusal; undefined where it gave no answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof KubernetesError ? error.status : undefined
}

/** No answer: nothing is known of what became of the request. */
export class UnreachableError extends AerakiError {
  /** The connection stood, and nothing came over it. */
  readonly silent: boolean

  constructor(server: string, cause: unknown, silent = false) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super('KUBERNETES_UNREACHABLE', `no answer from the Kubernetes API server ${server}: ${reason}`, { cause })
    this.silent = silent
  }
}

export function badConfig(where: string, what: string, cause?: unknown): AerakiError {
  return new AerakiError('KUBERNETES_CONFIG', `${where}: ${what}`, { cause })
}
