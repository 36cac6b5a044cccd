/**
 * What patches carry: proto3 JSON of Envoy's messages, with field names as in the .proto files or in lowerCamelCase.
 *
 * An Any of a type that this program does not need to look into is kept as it was written, in a TypedStruct, which Envoy
 * reads as it reads the message itself. So every extension that the Envoy at the other end has can be configured.
 *
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/extension#config-overview-extension-typed-struct
 */
import {
  createRegistry,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
} from '@bufbuild/protobuf'
import { DurationSchema, StructSchema } from '@bufbuild/protobuf/wkt'
import { envoyProtocols } from '@aeraki/protocols/envoy'
import { TcpProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import { TypedStructSchema as UdpaTypedStructSchema } from '@aeraki/xds/gen/udpa/type/v1/typed_struct_pb.ts'
import { TypedStructSchema } from '@aeraki/xds/gen/xds/type/v3/typed_struct_pb.ts'

/** The types of an Any that are read: filters that our own listeners are made of, what holds any other, and what protocols name. */
export const knownTypes = createRegistry(
  TcpProxySchema,
  TypedStructSchema,
  UdpaTypedStructSchema,
  StructSchema,
  DurationSchema,
  ...envoyProtocols.flatMap(({ clusterTypes = [] }) => clusterTypes),
)

/** The JSON as a message. Throws an Error that names the field and what is wrong with it. */
export function messageOf<Desc extends DescMessage>(schema: Desc, json: JsonObject): MessageShape<Desc> {
  return fromJson(schema, wrapUnknown(json), { registry: knownTypes })
}

/** Puts every Any of an unknown type into a TypedStruct. What stands in a TypedStruct is Envoy's to read. */
export function wrapUnknown(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(wrapUnknown)
  if (json === null || typeof json !== 'object') return json
  const { '@type': typeUrl, ...fields } = json
  if (typeof typeUrl !== 'string') return mapValues(json, wrapUnknown)
  const known = knownTypes.getMessage(typeNameOf(typeUrl))
  if (known === undefined) return typedStruct(typeUrl, fields)
  return isTypedStruct(known) ? json : mapValues(json, wrapUnknown)
}

export function typedStruct(typeUrl: string, value: JsonObject): JsonObject {
  return { '@type': `type.googleapis.com/${TypedStructSchema.typeName}`, type_url: typeUrl, value }
}

export function isTypedStruct({ typeName }: DescMessage): boolean {
  return typeName === TypedStructSchema.typeName || typeName === UdpaTypedStructSchema.typeName
}

/** Of `type.googleapis.com/a.b.C`: `a.b.C`. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
}

function mapValues(object: JsonObject, change: (value: JsonValue) => JsonValue): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]))
}
