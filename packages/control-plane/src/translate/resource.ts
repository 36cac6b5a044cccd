/** Messages as resources of the ADS server, and as parts of other messages. */
import { create, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { resource, type Resource } from '@aeraki/xds'

export function toResource<Desc extends DescMessage>(
  schema: Desc,
  name: string,
  message: MessageShape<Desc>,
): Resource {
  return resource(name, typeUrlOf(schema), schema, message)
}

export function toAny<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Any {
  return create(AnySchema, { typeUrl: typeUrlOf(schema), value: toBinary(schema, message) })
}

function typeUrlOf(schema: DescMessage): string {
  return `type.googleapis.com/${schema.typeName}`
}
