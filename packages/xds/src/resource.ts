/** Makes a `Resource` of a message: serialised once, versioned by its bytes, shared by every client from then on. */
import { create, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { inKeyOrder } from './deterministic.ts'
import type { Resource } from './provider.ts'
import { contentVersion } from './version.ts'

/**
 * `typeUrl` is what clients subscribe to, usually `type.googleapis.com/` and the message's name. Messages that are equal
 * give equal bytes and so the same version, in whatever order their maps were filled.
 */
export function resource<Desc extends DescMessage>(
  name: string,
  typeUrl: string,
  schema: Desc,
  message: MessageShape<Desc>,
): Resource {
  const value = toBinary(schema, inKeyOrder(schema, message))
  return { name, version: contentVersion(value), any: create(AnySchema, { typeUrl, value }) }
}
