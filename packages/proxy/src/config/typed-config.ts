/**
 * `typed_config` comes in three forms: the message itself in an Any, or its JSON in a `udpa.type.v1.TypedStruct` or
 * `xds.type.v3.TypedStruct` (what EnvoyFilters patch in, since Istio can't know our types).
 */
import { fromBinary, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf'
import { anyUnpack, type Any } from '@bufbuild/protobuf/wkt'
import { TypedStructSchema as UdpaTypedStructSchema } from '@aeraki/xds/gen-lean/udpa/type/v1/typed_struct_pb.ts'
import { TypedStructSchema as XdsTypedStructSchema } from '@aeraki/xds/gen-lean/xds/type/v3/typed_struct_pb.ts'
import type { Place } from './refusal.ts'
import { messageFromJson } from './registry.ts'

/** The type name inside, without `type.googleapis.com/`, whichever the form. */
export function typeOf(any: Any): string {
  const struct = typedStruct(any)
  return nameOf(struct === undefined ? any.typeUrl : struct.typeUrl)
}

/** Throws `ResourceError` when the bytes or the JSON are not a message of this type. */
export function unpackAs<Desc extends DescMessage>(any: Any, schema: Desc, place: Place): MessageShape<Desc> {
  const struct = typedStruct(any)
  try {
    if (struct === undefined) return fromBinary(schema, any.value)
    return messageFromJson(schema, struct.value ?? {})
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw place.invalid(`is not a ${schema.typeName}: ${reason}`)
  }
}

function typedStruct(any: Any): { readonly typeUrl: string; readonly value?: JsonObject | undefined } | undefined {
  const name = nameOf(any.typeUrl)
  if (name === XdsTypedStructSchema.typeName) return anyUnpack(any, XdsTypedStructSchema)
  if (name === UdpaTypedStructSchema.typeName) return anyUnpack(any, UdpaTypedStructSchema)
  return undefined
}

function nameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
}
