/** Two objects of one kind, namespace and name: only one can hold. */
import { type Diagnostic, formatPosition } from '../diagnostic.ts'
import { keyOf, type LoadedObject } from '../object.ts'

/** Every object but the first of its key, with an error that names both places. */
export function duplicates(objects: readonly LoadedObject[]): { object: LoadedObject; diagnostic: Diagnostic }[] {
  const first = new Map<string, LoadedObject>()
  const found: { object: LoadedObject; diagnostic: Diagnostic }[] = []
  for (const object of objects) {
    const other = first.get(keyOf(object))
    if (other === undefined) {
      first.set(keyOf(object), object)
      continue
    }
    const { kind, metadata } = object
    const diagnostic: Diagnostic = {
      severity: 'error',
      code: 'API_DUPLICATE_OBJECT',
      ...object.positionOf('metadata.name'),
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
      field: 'metadata.name',
      value: metadata.name,
      message: `the same object is at ${formatPosition(other.source)}; that one is kept`,
      remedy: 'Remove one of the two, or give it another name.',
    }
    found.push({ object, diagnostic })
  }
  return found
}
