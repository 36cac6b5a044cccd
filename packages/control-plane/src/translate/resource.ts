/** A message as the ADS server wants it: serialised once, versioned by its bytes. */
import { createHash } from 'node:crypto'
import { create, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import type { Resource } from '@aeraki/xds'

export function toResource<Desc extends DescMessage>(
  schema: Desc,
  name: string,
  message: MessageShape<Desc>,
): Resource {
  const any = toAny(schema, message)
  return { name, version: createHash('sha256').update(any.value).digest('base64url').slice(0, 16), any }
}

export function toAny<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Any {
  return create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value: toBinary(schema, message) })
}
