/** Collects the findings about one object. */
import type { Diagnostic, Severity } from '../diagnostic.ts'
import { type FieldPath, formatPath } from '../field-path.ts'
import type { Locator, Move, Part } from './locator.ts'

export interface Identity {
  readonly kind: string | undefined
  readonly namespace: string | undefined
  readonly name: string | undefined
}

export interface Finding {
  readonly code: string
  readonly path: FieldPath
  readonly message: string
  readonly remedy: string
  readonly value?: unknown
  /** What the position points at; default `value`. */
  readonly at?: Part
}

/** Of one object and severity. Each costs a search for its place in the text, and nobody reads the hundred-and-first. */
const mostFindings = 100

/**
 * Paths are those of the object as it is read; positions those of the text. A move says that what is written at one place
 * is read as if it stood at another, so that later findings still point to the text.
 */
export class Report {
  readonly diagnostics: Diagnostic[] = []
  readonly #identity: Identity
  readonly #moves: Move[] = []
  #locator: Locator
  readonly #counts: Record<Severity, number> = { error: 0, warning: 0 }

  constructor(locator: Locator, identity: Identity) {
    this.#locator = locator
    this.#identity = identity
  }

  get failed(): boolean {
    return this.#counts.error > 0
  }

  /** Where things stand in the text, with the moves so far. */
  get locator(): Locator {
    if (this.#moves.length > 0) this.#locator = this.#locator.withMoves(this.#moves.splice(0).toReversed())
    return this.#locator
  }

  error(finding: Finding): void {
    this.#add('error', finding)
  }

  /** A report of its own for an object that is made out of this one. */
  derive(identity: Identity, moves: readonly Move[]): Report {
    return new Report(this.locator.withMoves(moves.toReversed()), identity)
  }

  warn(finding: Finding): void {
    this.#add('warning', finding)
  }

  moved(read: FieldPath, written: FieldPath): void {
    this.#moves.push({ read, written })
  }

  #add(severity: Severity, finding: Finding): void {
    const count = ++this.#counts[severity]
    if (count <= mostFindings) this.#push(severity, finding)
    if (count !== mostFindings + 1) return
    const message = `more than ${mostFindings} ${severity}s; the others are not listed`
    this.#push(severity, { code: 'API_TOO_MANY_FINDINGS', path: [], message, remedy: 'Correct those before it first.' })
  }

  #push(severity: Severity, { code, path, message, remedy, value, at = 'value' }: Finding): void {
    const position = this.locator.locate(path, at)
    this.diagnostics.push({
      severity,
      code,
      ...position,
      ...this.#identity,
      field: formatPath(path),
      value: isSecret(this.#identity.kind, path) ? undefined : value,
      message,
      remedy,
    })
  }
}

/** Passwords do not go into logs. */
function isSecret(kind: string | undefined, path: FieldPath): boolean {
  if (kind === 'Secret') return path[0] === 'data' || path[0] === 'stringData'
  return path.at(-1) === 'password' || path.at(-1) === 'token'
}
