/** What the demo asks the control plane's admin pages. */
import { isAbsolute, relative } from 'node:path'

interface Diagnostic {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly severity: string
  readonly field: string
  readonly message: string
}

/**
 * Errors in the folder: what a user's edit got wrong; two lines each, with the place relative to the folder. The rules that
 * are as the talk has them only warn.
 */
export async function mistakesIn(adminAddress: string, folder: string): Promise<string[]> {
  const response = await fetch(`http://${adminAddress}/diagnostics`, { signal: AbortSignal.timeout(5000) })
  if (!response.ok) throw new Error(`the control plane's /diagnostics answered ${response.status}`)
  const diagnostics = (await response.json()) as readonly Diagnostic[]
  return diagnostics
    .filter((diagnostic) => diagnostic.severity === 'error')
    .flatMap(({ file, line, column, field, message }) => [
      `${isAbsolute(file) ? relative(folder, file) : file}:${line}:${column} ${field}`,
      `  ${message}; the last good one stays in force`,
    ])
}
