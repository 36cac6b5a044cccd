/** Files that hold no resources but settings, such as the values of an installation: checked with a schema of their own. */
import type { Diagnostic } from '../diagnostic.ts'
import { isRecord } from '../guards.ts'
import { checkSchema } from '../validate/schema.ts'
import { readDocuments } from './documents.ts'
import { Report } from './report.ts'

export interface Settings {
  /** As written, also where there are errors. */
  readonly value: Readonly<Record<string, unknown>>
  readonly diagnostics: readonly Diagnostic[]
}

/** Reads one YAML or JSON document. Never throws on bad input: the diagnostics say what is wrong, and where. */
export function loadSettings(text: string, fileName: string, schema: object): Settings {
  const diagnostics: Diagnostic[] = []
  let found: Readonly<Record<string, unknown>> = {}
  const syntax = readDocuments(text, fileName, ({ value, locator }) => {
    const report = new Report(locator, { kind: undefined, namespace: undefined, name: undefined })
    checkSchema({ schema }, value, [], report)
    diagnostics.push(...report.diagnostics)
    if (isRecord(value)) found = value
  })
  return { value: found, diagnostics: [...syntax, ...diagnostics] }
}
