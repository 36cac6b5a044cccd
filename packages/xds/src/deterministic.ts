/**
 * Protobuf leaves the order of map entries open, and protobuf-es writes them as they were inserted. Bytes that are
 * hashed need one order: that of the keys.
 */
import type { DescField, DescMessage, MessageShape } from '@bufbuild/protobuf'

type Fields = Record<string, unknown>
interface OneofValue {
  readonly case: string
  readonly value: unknown
}

/** The message itself when nothing has to move, else a copy; the original is never changed. */
export function inKeyOrder<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): MessageShape<Desc> {
  return sortMessage(schema, message) as unknown as MessageShape<Desc>
}

function sortMessage(schema: DescMessage, message: Fields): Fields {
  if (!mayHaveMaps(schema)) return message
  let copy: Fields | undefined
  for (const field of schema.fields) {
    const holder = field.oneof?.localName
    if (holder === undefined) {
      const value = message[field.localName]
      const sorted = sortField(field, value)
      if (sorted !== value) (copy ??= { ...message })[field.localName] = sorted
    } else {
      const oneof = message[holder] as OneofValue | undefined
      if (oneof?.case !== field.localName) continue
      const sorted = sortField(field, oneof.value)
      if (sorted !== oneof.value) (copy ??= { ...message })[holder] = { case: oneof.case, value: sorted }
    }
  }
  return copy ?? message
}

function sortField(field: DescField, value: unknown): unknown {
  if (value === undefined || value === null) return value
  switch (field.fieldKind) {
    case 'map': {
      const { message } = field
      return sortKeys(value as Fields, message === undefined ? undefined : (item) => sortValue(message, item))
    }
    case 'list': {
      const { message } = field
      if (message === undefined) return value
      return sortList(value as readonly unknown[], (item) => sortValue(message, item))
    }
    case 'message':
      return sortValue(field.message, value)
    default:
      return value
  }
}

/** google.protobuf.Struct is a plain JSON object, and wrapped scalars may be bare values. */
function sortValue(schema: DescMessage, value: unknown): unknown {
  if (schema.typeName === 'google.protobuf.Struct' && isObject(value) && value['$typeName'] === undefined)
    return sortJson(value)
  return isObject(value) ? sortMessage(schema, value) : value
}

function sortJson(value: unknown): unknown {
  if (Array.isArray(value)) return sortList(value, sortJson)
  return isObject(value) ? sortKeys(value, sortJson) : value
}

function sortKeys(map: Fields, sortItem: ((item: unknown) => unknown) | undefined): Fields {
  const keys = Object.keys(map)
  const sorted: Fields = {}
  let same = true
  for (const [index, key] of keys.toSorted().entries()) {
    const item = sortItem === undefined ? map[key] : sortItem(map[key])
    if (key !== keys[index] || item !== map[key]) same = false
    sorted[key] = item
  }
  return same ? map : sorted
}

function sortList(list: readonly unknown[], sortItem: (item: unknown) => unknown): readonly unknown[] {
  const sorted = list.map((item) => sortItem(item))
  return sorted.every((item, index) => item === list[index]) ? list : sorted
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
}

const withMaps = new Map<DescMessage, boolean>()

/** Whether the message or one within it has a map; worked out once per type. */
function mayHaveMaps(schema: DescMessage): boolean {
  const known = withMaps.get(schema)
  if (known !== undefined) return known
  const seen = new Set<DescMessage>()
  const found = reachesMap(schema, seen)
  withMaps.set(schema, found)
  return found
}

function reachesMap(schema: DescMessage, seen: Set<DescMessage>): boolean {
  if (seen.has(schema)) return false
  seen.add(schema)
  if (schema.typeName === 'google.protobuf.Struct') return true
  return schema.fields.some(
    (field) => field.fieldKind === 'map' || (field.message !== undefined && reachesMap(field.message, seen)),
  )
}
