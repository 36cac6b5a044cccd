/** Rules between objects. */
import type { Diagnostic } from '../diagnostic.ts'
import type { LoadedObject } from '../object.ts'

export function validateSet(objects: readonly LoadedObject[]): Diagnostic[] {
  void objects
  return []
}
