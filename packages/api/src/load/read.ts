/**
 * From a plain value to a checked object: what it says it is, its metadata, the forms that are read leniently, the schema
 * and the rules of its kind.
 */
import type { Diagnostic } from '../diagnostic.ts'
import { type FieldPath, parsePath } from '../field-path.ts'
import { isRecord } from '../guards.ts'
import { definitionOf, type Kind, type KindDefinition } from '../kinds.ts'
import type { LoadedObject } from '../object.ts'
import { checkSchema } from '../validate/schema.ts'
import { checkSemantics } from '../validate/semantics.ts'
import { convertEarlyVirtualService, isEarlyVirtualService } from './early-form.ts'
import { dropEmptyFields } from './empty-fields.ts'
import { readIdentity } from './identity.ts'
import { applyLeniencies } from './leniency.ts'
import type { Locator } from './locator.ts'
import { readMetadata } from './metadata.ts'
import { type Identity, Report } from './report.ts'

export interface ReadResult {
  readonly objects: readonly LoadedObject[]
  readonly diagnostics: readonly Diagnostic[]
}

type Origin = NonNullable<LoadedObject['convertedFrom']>

/** Reads one resource, whose value is rewritten on the way. */
export function readResource(value: unknown, locator: Locator): ReadResult {
  const { identity, problem, definition } = readIdentity(value)
  const report = new Report(locator, identity)
  if (problem?.severity === 'error') report.error(problem)
  else if (problem !== undefined) report.warn(problem)
  if (!isRecord(value)) return { objects: [], diagnostics: report.diagnostics }
  if (definition !== undefined) return readAs(definition, value, report)
  if (isEarlyVirtualService(value)) return readEarlyForm(value, identity, report)
  return { objects: [], diagnostics: report.diagnostics }
}

function readAs(
  definition: KindDefinition,
  value: Record<string, unknown>,
  report: Report,
  convertedFrom?: Origin,
): ReadResult {
  const object = readBody(value, definition, report, convertedFrom)
  return { objects: object === undefined ? [] : [object], diagnostics: report.diagnostics }
}

function readEarlyForm(value: Record<string, unknown>, identity: Identity, report: Report): ReadResult {
  const origin: Origin = {
    apiVersion: String(value['apiVersion']),
    kind: String(value['kind']),
    name: identity.name ?? '',
  }
  const converted = convertEarlyVirtualService(value, report)
  const results = converted.map((each) => {
    const { name } = isRecord(each.value['metadata']) ? each.value['metadata'] : {}
    const own: Identity = { ...identity, kind: 'MetaRouter', name: typeof name === 'string' ? name : identity.name }
    return readAs(definitionOf('MetaRouter'), each.value, report.derive(own, each.moves), origin)
  })
  return {
    objects: results.flatMap((each) => each.objects),
    diagnostics: [...report.diagnostics, ...results.flatMap((each) => each.diagnostics)],
  }
}

function readBody(
  value: Record<string, unknown>,
  definition: KindDefinition,
  report: Report,
  convertedFrom?: Origin,
): LoadedObject | undefined {
  const metadata = readMetadata(value['metadata'], definition, report)
  const bodyPath: FieldPath = definition.body === 'spec' ? ['spec'] : []
  const body = bodyOf(value, definition, report)
  if (body === undefined) return undefined
  applyLeniencies(definition.kind, body, bodyPath, report)
  dropEmptyFields(body, definition, bodyPath, report)
  const sound = checkSchema(definition, body, bodyPath, report)
  if (metadata === undefined) return undefined
  if (sound) checkSemantics(definition.kind, body, metadata, bodyPath, report)
  if (report.failed) return undefined
  if (definition.body === 'root') report.moved(['spec'], [])
  const { locator } = report
  return assemble(definition.kind, {
    apiVersion: String(value['apiVersion']),
    metadata,
    spec: body,
    source: locator.source,
    ...(convertedFrom === undefined ? {} : { convertedFrom }),
    positionOf: (field: string | FieldPath) =>
      locator.locate(typeof field === 'string' ? parsePath(field) : field, 'value'),
  })
}

/** The one place where a checked value becomes a typed one: the schema that checked it is the source of its type. */
function assemble(kind: Kind, parts: Omit<LoadedObject, 'kind' | 'spec'> & { spec: unknown }): LoadedObject {
  return { kind, ...parts } as LoadedObject
}

const besideBody = new Set(['apiVersion', 'kind', 'metadata', 'status'])

function bodyOf(
  value: Record<string, unknown>,
  definition: KindDefinition,
  report: Report,
): Record<string, unknown> | undefined {
  const others = Object.entries(value).filter(([key]) => !besideBody.has(key))
  if (definition.body === 'root') return Object.fromEntries(others)
  for (const [key] of others) {
    if (key === 'spec') continue
    report.error({
      code: 'API_UNKNOWN_FIELD',
      path: [key],
      at: 'key',
      message: `a ${definition.kind} has no field "${key}"`,
      remedy: 'Remove it, or indent it under spec if it belongs there.',
    })
  }
  const spec = value['spec']
  if (isRecord(spec)) return spec
  report.error({
    code: 'API_BAD_TYPE',
    path: ['spec'],
    message: 'spec is missing or is not a map of fields',
    value: spec,
    remedy: `Put the fields of the ${definition.kind} under spec, indented.`,
  })
  return undefined
}
