/**
 * How a conversion says no. A refused resource is not applied, the last good one stays in force, and the error's message
 * is what the control plane reads in the NACK.
 */
import { AerakiError } from '@aeraki/api/errors'

/** A resource, or a part of a bootstrap, that this proxy can't take. Codes: PROXY_RESOURCE_INVALID, _UNSUPPORTED. */
export class ResourceError extends AerakiError {
  /** `listener "10.0.0.1_20880"`, without its place. */
  readonly resource: string
  /** Protobuf field names: `filter_chains[0].filters[0].typed_config.protocol`. */
  readonly path: string

  constructor(code: string, resource: string, path: string, problem: string) {
    super(code, `${resource}: ${path === '' ? '' : `${path}: `}${problem}`)
    this.resource = resource
    this.path = path
  }
}

/**
 * Where a conversion stands: the resource, and the path of fields inside it. Immutable; `at` goes one step down.
 * Notes are parts that are taken note of but have no effect in this proxy (tracing, say): they are no reason to refuse.
 */
export class Place {
  readonly resource: string
  readonly path: string
  readonly notes: string[]

  constructor(resource: string, path = '', notes: string[] = []) {
    this.resource = resource
    this.path = path
    this.notes = notes
  }

  at(step: string | number): Place {
    const path = typeof step === 'number' ? `${this.path}[${step}]` : this.path === '' ? step : `${this.path}.${step}`
    return new Place(this.resource, path, this.notes)
  }

  /** The value breaks a rule, whatever the proxy. */
  invalid(problem: string): ResourceError {
    return new ResourceError('PROXY_RESOURCE_INVALID', this.resource, this.path, problem)
  }

  /** A valid value that this proxy has no implementation for. */
  unsupported(problem: string): ResourceError {
    return new ResourceError('PROXY_RESOURCE_UNSUPPORTED', this.resource, this.path, problem)
  }

  note(text: string): void {
    this.notes.push(this.path === '' ? text : `${this.path}: ${text}`)
  }
}

/** `"a", "b" or "c"` */
export function oneOf(names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name))
  if (quoted.length < 2) return quoted.join('')
  return `${quoted.slice(0, -1).join(', ')} or ${quoted[quoted.length - 1]}`
}
