/** Forms that are read although they are not quite right. */
import type { FieldPath } from '../field-path.ts'
import type { Kind } from '../kinds.ts'
import type { Report } from './report.ts'

export function applyLeniencies(kind: Kind, body: Record<string, unknown>, path: FieldPath, report: Report): void {
  void [kind, body, path, report]
}
