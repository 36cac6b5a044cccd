/**
 * Checks protobuf JSON (or YAML) against its message type before it is parsed, to say where a mistake is: the path of
 * fields, and what the field would have been. Field names may be snake_case or lowerCamelCase.
 *
 * An Any of a type that this proxy doesn't know becomes a `TypedStruct` of that type, as a filter that is refused later
 * has a better error than a type that is unknown to JSON.
 */
import {
  fromJson,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Registry,
} from '@bufbuild/protobuf'

export type Path = readonly (string | number)[]

export interface JsonMistake {
  readonly path: Path
  readonly problem: string
}

export interface JsonCheck {
  readonly registry: Registry
  /** Of a type that the registry lacks: whether it is none of this proxy's. Else it is a mistake. */
  isForeign(typeName: string): boolean
  /** What has been found. */
  readonly mistakes: JsonMistake[]
}

/** Returns the JSON as the parser will take it, and adds to `mistakes`. */
export function checkJson(json: JsonValue, type: DescMessage, path: Path, check: JsonCheck): JsonValue {
  if (!isObject(json)) {
    check.mistakes.push({ path, problem: `${describe(json)} where a map of fields is expected` })
    return {}
  }
  const checked: JsonObject = {}
  for (const [key, value] of Object.entries(json)) {
    const at = [...path, key]
    const field = fieldOf(type, key)
    if (field === undefined) check.mistakes.push({ path: at, problem: unknownField(type, key) })
    else checked[key] = value === null ? null : checkField(value, type, field, key, at, check)
  }
  return checked
}

function checkField(
  value: JsonValue,
  type: DescMessage,
  field: DescField,
  key: string,
  path: Path,
  check: JsonCheck,
): JsonValue {
  if (field.fieldKind === 'message') return checkMessage(value, type, field.message, key, path, check)
  if (field.fieldKind === 'list' && field.listKind === 'message' && Array.isArray(value)) {
    const { message } = field
    return value.map((item, i) => checkMessage(item, undefined, message, key, [...path, i], check))
  }
  if (field.fieldKind === 'map' && field.mapKind === 'message' && isObject(value)) {
    const { message } = field
    const entries = Object.entries(value)
    return Object.fromEntries(
      entries.map(([name, item]) => [name, checkMessage(item, undefined, message, key, [...path, name], check)]),
    )
  }
  return checkLeaf(value, type, key, path, check)
}

function checkMessage(
  value: JsonValue,
  parent: DescMessage | undefined,
  type: DescMessage,
  key: string,
  path: Path,
  check: JsonCheck,
): JsonValue {
  if (type.typeName === 'google.protobuf.Any') return checkAny(value, path, check)
  if (type.typeName.startsWith('google.protobuf.')) {
    return parent === undefined ? value : checkLeaf(value, parent, key, path, check)
  }
  return checkJson(value, type, path, check)
}

function checkAny(value: JsonValue, path: Path, check: JsonCheck): JsonValue {
  if (!isObject(value) || typeof value['@type'] !== 'string') {
    check.mistakes.push({ path, problem: 'has no "@type"; give "type.googleapis.com/" and the name of a message' })
    return {}
  }
  const { '@type': typeUrl, ...rest } = value
  const name = typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
  const type = check.registry.getMessage(name)
  if (type === undefined) {
    if (!check.isForeign(name)) check.mistakes.push({ path, problem: `unknown type ${name}` })
    return { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct', type_url: typeUrl, value: rest }
  }
  const checked = checkJson(rest, type, path, check)
  if (/^(udpa|xds)\.type\.v[13]\.TypedStruct$/.test(name) && isObject(checked)) checkStruct(checked, path, check)
  return isObject(checked) ? { '@type': typeUrl, ...checked } : {}
}

function checkStruct(struct: JsonObject, path: Path, check: JsonCheck): void {
  const url = struct['type_url'] ?? struct['typeUrl']
  if (typeof url !== 'string') return
  const name = url.slice(url.lastIndexOf('/') + 1)
  const type = check.registry.getMessage(name)
  if (type !== undefined) checkJson(struct['value'] ?? {}, type, [...path, 'value'], check)
  else if (!check.isForeign(name)) check.mistakes.push({ path, problem: `unknown type ${name}` })
}

/** Scalars, enums, durations and the like: the parser itself is the best judge. */
function checkLeaf(value: JsonValue, type: DescMessage, key: string, path: Path, check: JsonCheck): JsonValue {
  try {
    fromJson(type, { [key]: value }, { registry: check.registry })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    check.mistakes.push({ path, problem: reason.replace(/^cannot decode field \S+ from JSON: /, '') })
  }
  return value
}

function fieldOf(type: DescMessage, key: string): DescField | undefined {
  return type.fields.find((field) => field.name === key || field.jsonName === key)
}

function unknownField(type: DescMessage, key: string): string {
  const names = type.fields.map((field) => field.name)
  const near = names.find((name) => plain(name) === plain(key)) ?? names.find((name) => distance(name, key) <= 2)
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return `unknown field of ${type.typeName}${hint}`
}

function plain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase()
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(substituted, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describe(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return `${typeof value} ${JSON.stringify(value)}`
}
