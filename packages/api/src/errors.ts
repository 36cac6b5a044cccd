/**
 * The one error hierarchy. Every error has a stable code; docs/errors.md lists each with its meaning and its fix, and a
 * test fails when one is missing there.
 */
export class AerakiError extends Error {
  /** Stable, upper case, `AREA_WHAT`. */
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.name = new.target.name
  }
}
