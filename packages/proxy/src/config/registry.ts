/**
 * The message types that this proxy reads, lean: without the fields that it doesn't read. In bytes such fields are kept as
 * unknown ones. In JSON an unknown field is a mistake or not, which the full set knows; that is loaded for this question
 * alone, as its descriptors take more memory than all else that the proxy loads.
 */
import { createRequire } from 'node:module'
import {
  createRegistry,
  fromBinary,
  fromJson,
  toBinary,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  type Registry,
} from '@bufbuild/protobuf'
import { MetaProtocolProxySchema } from '@aeraki/xds/gen-lean/aeraki/meta_protocol_proxy_pb.ts'
import { RouterSchema } from '@aeraki/xds/gen-lean/aeraki/router_pb.ts'
import { TypedStructSchema as UdpaTypedStructSchema } from '@aeraki/xds/gen-lean/udpa/type/v1/typed_struct_pb.ts'
import { TypedStructSchema as XdsTypedStructSchema } from '@aeraki/xds/gen-lean/xds/type/v3/typed_struct_pb.ts'

/** What may stand in an Any. */
export const registry = createRegistry(
  MetaProtocolProxySchema,
  RouterSchema,
  UdpaTypedStructSchema,
  XdsTypedStructSchema,
)

/** Types of no registry here, not even of the full one, that many bootstraps have. */
export const foreignTypes: ReadonlySet<string> = new Set([
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
])

export function isForeign(typeName: string): boolean {
  return foreignTypes.has(typeName)
}

export function loadFullRegistry(): Registry {
  const require = createRequire(import.meta.url)
  const { fullRegistry } = require('./full-registry.ts') as typeof import('./full-registry.ts')
  return fullRegistry
}

/** By the lean type when that knows every field, else by the full one, which throws when it doesn't either. */
export function messageFromJson<Desc extends DescMessage>(schema: Desc, json: JsonValue): MessageShape<Desc> {
  try {
    return fromJson(schema, json, { registry })
  } catch {
    return fromFullJson(schema, json, loadFullRegistry())
  }
}

/** Parses with all fields; those that the lean type lacks are unknown ones afterwards. */
export function fromFullJson<Desc extends DescMessage>(
  schema: Desc,
  json: JsonValue,
  full: Registry,
): MessageShape<Desc> {
  const type = fullType(schema, full)
  return fromBinary(schema, toBinary(type, fromJson(type, json, { registry: full })))
}

export function fullType(schema: DescMessage, full: Registry): DescMessage {
  const type = full.getMessage(schema.typeName)
  if (type === undefined) throw new Error(`the full registry lacks ${schema.typeName}`)
  return type
}
