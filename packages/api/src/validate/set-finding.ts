/** A finding of one object beside others: always a warning, since what is missing here may exist elsewhere. */
import type { Diagnostic } from '../diagnostic.ts'
import { type FieldPath, formatPath } from '../field-path.ts'
import type { LoadedObject } from '../object.ts'

export interface SetFinding {
  readonly code: string
  readonly path: FieldPath
  readonly value: unknown
  readonly message: string
  readonly remedy: string
}

export function warning(object: LoadedObject, { path, ...finding }: SetFinding): Diagnostic {
  const { kind, metadata } = object
  return {
    severity: 'warning',
    ...finding,
    ...object.positionOf(path),
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    field: formatPath(path),
  }
}
