/** What loading and validation have to say, one finding each, with its place and its remedy. */

export interface Position {
  /** Path of the file as it was given, or where else the object came from, such as `kubernetes`. */
  readonly file: string
  /** 1-based; 0 where the object came from no text. */
  readonly line: number
  /** 1-based, in UTF-16 units; 0 where the object came from no text. */
  readonly column: number
}

export type Severity = 'error' | 'warning'

export interface Diagnostic extends Position {
  readonly severity: Severity
  /** Stable, `API_WHAT`; docs/errors.md lists them. */
  readonly code: string
  /** What the object said it is; undefined where it did not get so far. */
  readonly kind: string | undefined
  readonly namespace: string | undefined
  readonly name: string | undefined
  /** Such as `spec.http[0].route[1].weight`; empty where the finding is about the object or file. */
  readonly field: string
  /** The offending value, as it was written. */
  readonly value: unknown
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
}

/** An error about a file, not about any object that it may hold. */
export function fileFinding(position: Position, finding: Pick<Diagnostic, 'code' | 'message' | 'remedy'>): Diagnostic {
  const nobody = { kind: undefined, namespace: undefined, name: undefined }
  return { ...position, severity: 'error', ...finding, ...nobody, field: '', value: undefined }
}

const longestValue = 80

/**
 * `text`: a line for the place and the finding and one for the remedy, each; `json`: an array of the diagnostics with
 * their fields as they are (those that are undefined are left out).
 */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], form: 'text' | 'json'): string {
  if (form === 'json') return JSON.stringify(diagnostics, null, 2)
  return diagnostics.map(formatDiagnostic).join('\n')
}

export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { severity, code, field, value, message, remedy } = diagnostic
  const subject = [formatObject(diagnostic), field].filter((part) => part !== '').join(' ')
  const shown = value === undefined ? '' : ` (got ${formatValue(value)})`
  const head = `${formatPosition(diagnostic)}: ${severity} ${code}`
  return `${head}${subject === '' ? '' : ` ${subject}`}: ${message}${shown}\n    ${remedy}`
}

export function formatPosition({ file, line, column }: Position): string {
  return line === 0 ? file : `${file}:${line}:${column}`
}

function formatObject({ kind, namespace, name }: Diagnostic): string {
  if (kind === undefined) return ''
  if (name === undefined) return kind
  return namespace === undefined || namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

function formatValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > longestValue ? `${text.slice(0, longestValue)}...` : text
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === 'error')
}
