/** Runs the schema of a kind and turns what it finds into diagnostics that say what to do. */
import type { TSchema } from 'typebox'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { FieldPath } from '../field-path.ts'
import { isRecord } from '../guards.ts'
import type { KindDefinition } from '../kinds.ts'
import type { Report } from '../load/report.ts'
import { isDuration } from '../names/duration.ts'
import { nearest } from '../names/nearest.ts'

const ajv = new Ajv({ allErrors: true, verbose: true, strict: false })
ajv.addFormat('duration', isDuration)

/** Compiled on first use: most programs meet few of the kinds. */
const compiled = new Map<TSchema, ValidateFunction>()

function validatorOf(schema: TSchema): ValidateFunction {
  const found = compiled.get(schema)
  if (found !== undefined) return found
  const made = ajv.compile(schema)
  compiled.set(schema, made)
  return made
}

/** False where the value's shape is so wrong that rules on its contents would trip over it. */
export function checkSchema(
  definition: Pick<KindDefinition, 'schema'>,
  body: unknown,
  path: FieldPath,
  report: Report,
): boolean {
  const validate = validatorOf(definition.schema)
  if (validate(body)) return true
  let sound = true
  for (const error of validate.errors ?? []) {
    if (error.keyword !== 'additionalProperties') sound = false
    describe(error, [...path, ...pointerToPath(error.instancePath, body)], report)
  }
  return sound
}

function describe(error: ErrorObject, path: FieldPath, report: Report): void {
  const describer = describers[error.keyword]
  if (describer !== undefined) {
    describer(error, path, report)
    return
  }
  report.error({
    code: 'API_BAD_VALUE',
    path,
    value: error.data,
    message: error.message ?? error.keyword,
    remedy: 'See the documentation of the field.',
  })
}

type Describer = (error: ErrorObject, path: FieldPath, report: Report) => void

const describers: Record<string, Describer> = {
  additionalProperties: (error, path, report) => {
    const field = String(error.params['additionalProperty'])
    const known = knownFields(error.parentSchema)
    const meant = nearest(field, known)
    report.error({
      code: 'API_UNKNOWN_FIELD',
      path: [...path, field],
      at: 'key',
      message: `there is no field "${field}" here${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
      remedy: meant === undefined ? `Known here: ${known.join(', ')}.` : `Write ${meant}.`,
    })
  },
  required: (error, path, report) => {
    const field = String(error.params['missingProperty'])
    report.error({
      code: 'API_MISSING_FIELD',
      path: [...path, field],
      message: `${field} is needed`,
      remedy: `Add ${field}.`,
    })
  },
  type: (error, path, report) => {
    // What to write says more than what type it has.
    const { format, enum: words } = isRecord(error.parentSchema) ? error.parentSchema : {}
    if (words !== undefined) return
    if (format === 'duration') return notADuration(error, path, report)
    const wanted = typeNames[String(error.params['type'])] ?? String(error.params['type'])
    report.error({
      code: 'API_BAD_TYPE',
      path,
      value: error.data,
      message: `${wanted} is needed, not ${typeOf(error.data)}`,
      remedy: typeRemedy(String(error.params['type']), error.data),
    })
  },
  enum: (error, path, report) => {
    const allowed = Array.isArray(error.schema) ? error.schema.map(String) : []
    const meant = typeof error.data === 'string' ? nearest(error.data, allowed) : undefined
    report.error({
      code: 'API_BAD_VALUE',
      path,
      value: error.data,
      message: `not one of the values it can have${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      remedy: `Use one of ${allowed.join(', ')}.`,
    })
  },
  minimum: (error, path, report) => outOfRange(error, path, report, 'least'),
  maximum: (error, path, report) => outOfRange(error, path, report, 'most'),
  minItems: (error, path, report) => {
    report.error({
      code: 'API_MISSING_FIELD',
      path,
      value: error.data,
      message: 'at least one entry is needed',
      remedy: 'Add an entry, or remove what is around it.',
    })
  },
  minLength: (error, path, report) => {
    const remedy = 'Give it a value.'
    report.error({ code: 'API_BAD_VALUE', path, value: error.data, message: 'must not be empty', remedy })
  },
  format: notADuration,
}

function notADuration(error: ErrorObject, path: FieldPath, report: Report): void {
  report.error({
    code: 'API_BAD_DURATION',
    path,
    value: error.data,
    message: 'not a duration',
    remedy: 'Write a number with its unit: 100ms, 1.5s, 5m, 1h30m.',
  })
}

function outOfRange(error: ErrorObject, path: FieldPath, report: Report, bound: 'least' | 'most'): void {
  report.error({
    code: 'API_OUT_OF_RANGE',
    path,
    value: error.data,
    message: `must be at ${bound} ${String(error.params['limit'])}`,
    remedy: rangeOf(error.parentSchema),
  })
}

function rangeOf(schema: unknown): string {
  const minimum = numberIn(schema, 'minimum')
  const maximum = numberIn(schema, 'maximum')
  if (minimum === undefined) return `Use a value up to ${maximum}.`
  return maximum === undefined ? `Use a value from ${minimum}.` : `Use a value from ${minimum} to ${maximum}.`
}

const typeNames: Record<string, string> = {
  object: 'a map of fields',
  array: 'a list',
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

function typeOf(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number') return Number.isInteger(value) ? 'a whole number' : 'a number'
  return typeNames[typeof value] ?? typeof value
}

function typeRemedy(wanted: string, value: unknown): string {
  if (wanted === 'string' && ['number', 'boolean'].includes(typeof value)) return 'Put it in quotes.'
  if (wanted === 'array' && value !== null && !Array.isArray(value))
    return 'Write it as a list: begin each entry with "- ".'
  if (wanted === 'object' && Array.isArray(value)) return 'Remove the "- ": this is not a list.'
  if (typeof value === 'string' && ['integer', 'number', 'boolean'].includes(wanted))
    return 'Remove the quotes, or use another value.'
  return 'Give it a value of that type.'
}

function knownFields(schema: unknown): string[] {
  const properties = isRecord(schema) ? schema['properties'] : undefined
  return isRecord(properties) ? Object.keys(properties) : []
}

/** A JSON pointer does not say which of its steps are indices: the value does. */
function pointerToPath(pointer: string, value: unknown): FieldPath {
  const path: (string | number)[] = []
  let current: unknown = value
  for (const escaped of pointer.split('/').slice(1)) {
    const step = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(current)) {
      path.push(Number(step))
      current = current[Number(step)]
    } else {
      path.push(step)
      current = isRecord(current) ? current[step] : undefined
    }
  }
  return path
}

function numberIn(schema: unknown, key: string): number | undefined {
  const value = isRecord(schema) ? schema[key] : undefined
  return typeof value === 'number' ? value : undefined
}
