/** A configuration file of a program: one YAML or JSON document, checked by schema, with the place of every mistake. */
import { readFileSync } from 'node:fs'
import type { TSchema } from 'typebox'
import { type Diagnostic, fileFinding, formatDiagnostics } from '../diagnostic.ts'
import { AerakiError } from '../errors.ts'
import type { FieldPath } from '../field-path.ts'
import { checkSchema } from '../validate/schema.ts'
import { type RawResource, readDocuments } from './documents.ts'
import { type Finding, Report } from './report.ts'

export interface ConfigFile {
  /** As it was written. */
  readonly value: unknown
  /** Reports what the schema does not allow. True where the value has the schema's type. */
  check(schema: TSchema, value: unknown, path: FieldPath): boolean
  error(finding: Finding): void
  /** Throws when anything was reported: one AerakiError that lists it all. */
  finish(): void
}

/**
 * @param code of the errors that are thrown
 * @throws AerakiError for a file that can't be read, or is not one document
 */
export function openConfigFile(path: string, code: string): ConfigFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AerakiError(code, `${path}: cannot be read (${reason}). Check the path.`, { cause })
  }
  return parseConfigFile(text, path, code)
}

/** @param file for the messages */
export function parseConfigFile(text: string, file: string, code: string): ConfigFile {
  const documents: RawResource[] = []
  const syntax = readDocuments(text, file, (document) => documents.push(document))
  const problems = [...syntax, ...documents.flatMap(({ oddities }) => oddities)]
  const [document] = documents
  if (problems.length === 0 && (document === undefined || documents.length > 1)) {
    const message = `one document is needed, not ${documents.length}`
    problems.push(fileFinding({ file, line: 1, column: 1 }, { code: 'API_BAD_VALUE', message, remedy: 'Write one.' }))
  }
  if (document === undefined || problems.length > 0) throw refusal(problems, code)
  const report = new Report(document.locator, { kind: undefined, namespace: undefined, name: undefined })
  return {
    value: document.value,
    check(schema, value, path) {
      const before = report.diagnostics.length
      return checkSchema({ schema }, value, path, report) && report.diagnostics.length === before
    },
    error: (finding) => report.error(finding),
    finish() {
      if (report.failed) throw refusal(report.diagnostics, code)
    },
  }
}

function refusal(diagnostics: readonly Diagnostic[], code: string): AerakiError {
  return new AerakiError(code, formatDiagnostics(diagnostics, 'text'))
}
