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

/**
 * Paths are those of the object as it is read; positions those of the text. A move says that what is written at one place
 * is read as if it stood at another, so that later findings still point to the text.
 */
export class Report {
  readonly diagnostics: Diagnostic[] = []
  readonly #identity: Identity
  readonly #moves: Move[] = []
  #locator: Locator
  #errors = 0

  constructor(locator: Locator, identity: Identity) {
    this.#locator = locator
    this.#identity = identity
  }

  get failed(): boolean {
    return this.#errors > 0
  }

  /** Where things stand in the text, with the moves so far. */
  get locator(): Locator {
    if (this.#moves.length > 0) this.#locator = this.#locator.withMoves(this.#moves.splice(0).toReversed())
    return this.#locator
  }

  error(finding: Finding): void {
    this.#errors++
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

  #add(severity: Severity, { code, path, message, remedy, value, at = 'value' }: Finding): void {
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
  return path.at(-1) === 'password'
}
