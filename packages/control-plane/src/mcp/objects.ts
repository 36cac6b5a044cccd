/**
 * Objects in the envelope of MCP over xDS, and out of it. The envelope's body is the protobuf message of the spec, whose
 * JSON form is what is written in YAML; but protobuf's JSON knows durations in seconds only ("300s"), Istio's YAML all of Go's.
 */
import { create, type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { type Any, AnySchema, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt'
import { tryParseDuration } from '@aeraki/api'
import { AerakiError } from '@aeraki/api/errors'
import { contentVersion, type Resource, resource } from '@aeraki/xds'
import { ResourceSchema } from '@aeraki/xds/gen/istio/mcp/v1alpha1/resource_pb.ts'
import { kindOfCollection, type McpKind, messageOf } from './collections.ts'

/** What an object to be sent has to have; loaded ones do. */
export interface McpObject {
  readonly kind: McpKind
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly creationTimestamp?: string
  }
  readonly spec: unknown
}

const envelope = `type.googleapis.com/${ResourceSchema.typeName}`

/** `namespace/name`, as clients know it. */
export function mcpName({ metadata }: Pick<McpObject, 'metadata'>): string {
  return `${metadata.namespace}/${metadata.name}`
}

/**
 * Fields that Istio does not know (our own extensions) are left out.
 * Throws `MCP_OBJECT` when the spec is none of its kind.
 */
export function toMcp(object: McpObject): Resource {
  const { kind, metadata, spec } = object
  const name = mcpName(object)
  const schema = messageOf(kind)
  let body: Any
  try {
    const message = fromJson(schema, inSeconds(schema, spec as JsonValue), { ignoreUnknownFields: true })
    body = create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value: toBinary(schema, message) })
  } catch (cause) {
    throw new AerakiError('MCP_OBJECT', `${kind} ${name} can't be sent over MCP: ${reasonOf(cause)}`, { cause })
  }
  const { labels = {}, annotations = {}, creationTimestamp } = metadata
  const content = {
    metadata: {
      name,
      labels,
      annotations,
      ...(creationTimestamp === undefined ? {} : { createTime: timestampFromDate(new Date(creationTimestamp)) }),
    },
    body,
  }
  // Clients replace an object when its version is another one, and only then.
  const version = contentVersion(resource(name, envelope, ResourceSchema, create(ResourceSchema, content)).any.value)
  return resource(
    name,
    envelope,
    ResourceSchema,
    create(ResourceSchema, { ...content, metadata: { ...content.metadata, version } }),
  )
}

/**
 * An object of a collection, in the form that a Kubernetes API server would give it.
 * Throws `MCP_OBJECT` when the bytes are none of the collection's kind, or name no object.
 */
export function fromMcp(typeUrl: string, any: Any): Record<string, unknown> {
  const kind = kindOfCollection(typeUrl)
  if (kind === undefined) throw new AerakiError('MCP_OBJECT', `${typeUrl} is no kind that is known here`)
  try {
    const { metadata, body } = fromBinary(ResourceSchema, any.value)
    const [namespace, name, ...rest] = (metadata?.name ?? '').split('/')
    if (metadata === undefined || namespace === undefined || name === undefined || rest.length > 0) {
      throw new Error(`"${metadata?.name ?? ''}" is no namespace/name`)
    }
    const schema = messageOf(kind)
    const expected = `type.googleapis.com/${schema.typeName}`
    if (body?.typeUrl !== expected) throw new Error(`its body is ${body?.typeUrl ?? 'missing'}, not ${expected}`)
    const { createTime, version, labels, annotations } = metadata
    return {
      apiVersion: typeUrl.slice(0, typeUrl.lastIndexOf('/')),
      kind,
      metadata: {
        name,
        namespace,
        labels,
        annotations,
        ...(version === '' ? {} : { resourceVersion: version }),
        ...(createTime === undefined ? {} : { creationTimestamp: timestampDate(createTime).toISOString() }),
      },
      spec: toJson(schema, fromBinary(schema, body.value)),
    }
  } catch (cause) {
    throw new AerakiError('MCP_OBJECT', `a ${typeUrl} can't be read: ${reasonOf(cause)}`, { cause })
  }
}

const duration = 'google.protobuf.Duration'

/** The same JSON with every duration in seconds. */
function inSeconds(schema: DescMessage, value: JsonValue): JsonValue {
  if (schema.typeName === duration) {
    const ms = typeof value === 'string' ? tryParseDuration(value) : undefined
    return ms === undefined ? value : `${(ms / 1000).toFixed(9).replace(/\.?0+$/, '')}s`
  }
  if (schema.typeName.startsWith('google.protobuf.') || !isObject(value)) return value
  const result: Record<string, JsonValue> = {}
  for (const [key, field] of Object.entries(value)) {
    const description = schema.fields.find(({ jsonName, name }) => jsonName === key || name === key)
    const message = description?.message
    if (message === undefined) result[key] = field
    else if (description?.fieldKind === 'list')
      result[key] = Array.isArray(field) ? field.map((each) => inSeconds(message, each)) : field
    else if (description?.fieldKind === 'map') result[key] = mapValues(field, (each) => inSeconds(message, each))
    else result[key] = inSeconds(message, field)
  }
  return result
}

function mapValues(value: JsonValue, change: (each: JsonValue) => JsonValue): JsonValue {
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, change(each)]))
}

function isObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
