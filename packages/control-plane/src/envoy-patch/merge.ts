/**
 * MERGE: as protobuf merges messages. Fields that the patch sets win, messages are merged field by field, lists grow, map
 * entries are set. Durations and wrapped scalars are values, and win as a whole.
 */
import { type DescMessage, fromBinary, fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf'
import type { Message, MessageShape } from '@bufbuild/protobuf'
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect'
import { type Any, anyPack } from '@bufbuild/protobuf/wkt'
import { isTypedStruct, knownTypes, typeNameOf } from './json.ts'

/** Changes `target`. */
export function mergeInto<Desc extends DescMessage>(
  schema: Desc,
  target: MessageShape<Desc>,
  patch: MessageShape<Desc>,
): void {
  mergeReflected(reflect(schema, target), reflect(schema, patch))
}

function mergeReflected(target: ReflectMessage, patch: ReflectMessage): void {
  for (const field of patch.fields) {
    if (!patch.isSet(field)) continue
    switch (field.fieldKind) {
      case 'list':
        for (const item of patch.get(field)) target.get(field).add(item)
        break
      case 'map':
        for (const [key, value] of patch.get(field)) target.get(field).set(key, value)
        break
      case 'message':
        if (isValue(field.message) || !target.isSet(field)) target.set(field, patch.get(field))
        else mergeReflected(target.get(field), patch.get(field))
        break
      default:
        target.set(field, patch.get(field))
    }
  }
}

/** Well-known types: Duration, wrappers, Any, Struct. */
function isValue({ typeName }: DescMessage): boolean {
  return typeName.startsWith('google.protobuf.')
}

/**
 * The configuration of a filter with a patch merged into it, in the form that it had: a TypedStruct stays one. Throws an
 * Error when the two are of different types.
 */
export function mergeAny(target: Any, patch: Any): Any {
  const base = read(target)
  const change = read(patch)
  if (base.typeName !== change.typeName)
    throw new Error(`is of type ${change.typeName}, the filter of ${base.typeName}`)
  const schema = knownTypes.getMessage(base.typeName)
  if (schema === undefined) {
    if (base.wrapper === undefined || change.json === undefined) throw new Error(`type ${base.typeName} is not known`)
    return wrap(base, mergeJson(base.json ?? {}, change.json))
  }
  const message = base.message(schema)
  mergeInto(schema, message, change.message(schema))
  if (base.wrapper === undefined) return anyPack(schema, message)
  const json = toJson(schema, message, { registry: knownTypes })
  return wrap(base, isObject(json) ? json : {})
}

interface Config {
  /** Of what is in the TypedStruct, if it is one. */
  readonly typeName: string
  readonly typeUrl: string
  readonly wrapper: DescMessage | undefined
  /** Of a TypedStruct. */
  readonly json: JsonObject | undefined
  message<Desc extends DescMessage>(schema: Desc): MessageShape<Desc>
}

function read(any: Any): Config {
  const outer = knownTypes.getMessage(typeNameOf(any.typeUrl))
  if (outer === undefined || !isTypedStruct(outer)) {
    return {
      typeName: typeNameOf(any.typeUrl),
      typeUrl: any.typeUrl,
      wrapper: undefined,
      json: undefined,
      message: (schema) => fromBinary(schema, any.value),
    }
  }
  const struct = fromBinary(outer, any.value) as Message & { typeUrl: string; value?: JsonObject }
  const json = struct.value ?? {}
  return {
    typeName: typeNameOf(struct.typeUrl),
    typeUrl: struct.typeUrl,
    wrapper: outer,
    json,
    message: (schema) => fromJson(schema, json, { registry: knownTypes }),
  }
}

function wrap({ wrapper, typeUrl }: Config, value: JsonObject): Any {
  if (wrapper === undefined) throw new Error('is no TypedStruct')
  return anyPack(wrapper, fromJson(wrapper, { typeUrl, value }))
}

/** Keys that differ in their spelling alone (`stat_prefix`, `statPrefix`) are one; the base's stays. */
export function mergeJson(base: JsonObject, patch: JsonObject): JsonObject {
  const spelling = new Map(Object.keys(base).map((key) => [camelCase(key), key]))
  const merged: Record<string, JsonValue> = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    const known = spelling.get(camelCase(key)) ?? key
    const before = merged[known]
    if (before !== undefined && isObject(before) && isObject(value)) merged[known] = mergeJson(before, value)
    else if (Array.isArray(before) && Array.isArray(value)) merged[known] = [...before, ...value]
    else merged[known] = value
  }
  return merged
}

function camelCase(key: string): string {
  return key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
