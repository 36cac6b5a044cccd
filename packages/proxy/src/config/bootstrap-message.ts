/** A bootstrap's JSON as a message, as long as the lean types know all that is in it. */
import { fromJson, type JsonValue } from '@bufbuild/protobuf'
import {
  BootstrapSchema,
  type Bootstrap as BootstrapMessage,
} from '@aeraki/xds/gen-lean/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { checkJson, type JsonCheck } from './json-check.ts'
import { isForeign, registry } from './registry.ts'

/** Undefined: there is a mistake, or something that this proxy doesn't read. The full types tell which. */
export function leanBootstrap(json: JsonValue): BootstrapMessage | undefined {
  const check: JsonCheck = { registry, isForeign, mistakes: [] }
  const checked = checkJson(json, BootstrapSchema, [], check)
  if (check.mistakes.length > 0) return undefined
  try {
    return fromJson(BootstrapSchema, checked, { registry })
  } catch {
    return undefined
  }
}
