/** What `aeraki validate PATH...` does. */
import { type Diagnostic, hasErrors } from '../diagnostic.ts'
import { loadPaths } from '../load/load.ts'
import { validateSet } from './set.ts'

export interface Validation {
  readonly diagnostics: readonly Diagnostic[]
  /** How many objects are sound. */
  readonly objects: number
  readonly exitCode: 0 | 1
}

/**
 * Loads all paths as one set. The exit code is 1 where there is an error.
 * @throws AerakiError API_UNREADABLE where a path cannot be read
 */
export function validatePaths(paths: readonly string[]): Validation {
  const { objects, diagnostics: found } = loadPaths(paths)
  const diagnostics = [...found, ...validateSet(objects)].toSorted(byPlace)
  return { diagnostics, objects: objects.length, exitCode: hasErrors(diagnostics) ? 1 : 0 }
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return a.line - b.line || a.column - b.column
}
