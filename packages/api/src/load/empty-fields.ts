/**
 * A field that is written but empty (`match:`) is taken as absent, as Kubernetes does. It is mostly an indentation that
 * went wrong, so each gives a warning. In a map of conditions an empty one has a meaning: the attribute is present.
 */
import type { FieldPath } from '../field-path.ts'
import { isRecord } from '../guards.ts'
import type { KindDefinition } from '../kinds.ts'
import { StringMatch } from '../schema/builders.ts'
import type { Report } from './report.ts'

export function dropEmptyFields(
  body: unknown,
  definition: Pick<KindDefinition, 'kind' | 'schema'>,
  path: FieldPath,
  report: Report,
): void {
  walk(body, definition.schema, path, report, definition.kind === 'MetaRouter' ? { regex: '*' } : {})
}

function walk(value: unknown, schema: unknown, path: FieldPath, report: Report, present: object): void {
  if (!isRecord(schema)) return
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) walk(item, schema['items'], [...path, i], report, present)
    return
  }
  if (!isRecord(value)) return
  const properties = isRecord(schema['properties']) ? schema['properties'] : undefined
  const ofMap = schema['additionalProperties']
  for (const [key, each] of Object.entries(value)) {
    const inner = properties === undefined ? ofMap : properties[key]
    if (each !== null) walk(each, inner, [...path, key], report, present)
    else if (ofMap === StringMatch) value[key] = { ...present }
    else if (properties !== undefined && inner !== undefined) {
      delete value[key]
      report.warn({
        code: 'API_EMPTY_FIELD',
        path: [...path, key],
        at: 'key',
        message: 'the field is empty and is taken as absent',
        remedy: 'Remove it, or indent what belongs to it deeper than its name.',
      })
    }
  }
}
