/** The rules of each kind that a schema cannot say. */
import type { FieldPath } from '../field-path.ts'
import type { Kind } from '../kinds.ts'
import type { Report } from '../load/report.ts'
import type { ObjectMeta } from '../object.ts'

export function checkSemantics(kind: Kind, body: unknown, metadata: ObjectMeta, path: FieldPath, report: Report): void {
  void [kind, body, metadata, path, report]
}
