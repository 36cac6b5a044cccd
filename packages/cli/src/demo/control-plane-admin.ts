/** What the demo asks the control plane's admin pages. */

interface Diagnostic {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly severity: string
  readonly field: string
  readonly message: string
}

/** Errors in the folder, one line each: what a user's edit got wrong. The rules that are as the talk has them only warn. */
export async function mistakesIn(adminAddress: string): Promise<string[]> {
  const response = await fetch(`http://${adminAddress}/diagnostics`, { signal: AbortSignal.timeout(5000) })
  if (!response.ok) throw new Error(`the control plane's /diagnostics answered ${response.status}`)
  const diagnostics = (await response.json()) as readonly Diagnostic[]
  return diagnostics
    .filter((diagnostic) => diagnostic.severity === 'error')
    .map(({ file, line, column, field, message }) => `${file}:${line}:${column} ${field}: ${message}`)
}
