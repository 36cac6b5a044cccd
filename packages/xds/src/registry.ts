/**
 * Every generated message type, and JSON of whatever comes over xDS. Not in index.ts: loading all types takes a third
 * of a second and 25 MB, which a proxy can do without. Import it as '@aeraki/xds/registry'.
 */
import {
  create,
  createFileRegistry,
  createRegistry,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  type Registry,
  toJson as messageToJson,
} from '@bufbuild/protobuf'
import { type Any, AnySchema, anyUnpack, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { files } from './gen/files.ts'

export const registry: Registry = createRegistry(...files)

/**
 * Proto JSON with the field names of the .proto files, as in Envoy's config dumps. An Any within it of a type that isn't
 * generated prints as its "@type" alone; bytes that don't parse print as `{"@type", "value": base64}`.
 */
export function toJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonValue {
  return messageToJson(schema, message, { registry: lenient, useProtoFieldName: true })
}

/** `toJson` of what is in an Any; never throws. */
export function anyToJson(any: Any): JsonValue {
  try {
    if (anyUnpack(any, registry) !== undefined) return toJson(AnySchema, any)
  } catch {
    // Printed as it is, below.
  }
  return { '@type': any.typeUrl, value: Buffer.from(any.value).toString('base64') }
}

/** Has a message without fields for every type that nobody knows. */
const lenient: Registry = {
  kind: 'registry',
  [Symbol.iterator]: () => registry[Symbol.iterator](),
  get: (name) => registry.get(name),
  getMessage: (name) => registry.getMessage(name) ?? opaque(name),
  getEnum: (name) => registry.getEnum(name),
  getExtension: (name) => registry.getExtension(name),
  getExtensionFor: (extendee, number) => registry.getExtensionFor(extendee, number),
  getService: (name) => registry.getService(name),
}

function opaque(typeName: string): DescMessage | undefined {
  const dot = typeName.lastIndexOf('.')
  const file = create(FileDescriptorProtoSchema, {
    name: `${typeName}.proto`,
    syntax: 'proto3',
    package: typeName.slice(0, Math.max(dot, 0)),
    messageType: [{ name: typeName.slice(dot + 1) }],
  })
  return createFileRegistry(file, () => undefined).getMessage(typeName)
}
