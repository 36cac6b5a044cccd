/** Which protocol a codec is of: codecs have a name of their own on the wire, and an ApplicationProtocol refers to it. */
import type { ObjectOf } from '@aeraki/api'
import { protocolByName, protocols } from '@aeraki/protocols'
import type { Finding } from './findings.ts'
import type { PortProtocol } from './model.ts'

const prefix = 'aeraki.meta_protocol.codec.'

/** The protocol of a port; undefined where neither the catalogue nor an ApplicationProtocol knows it. */
export function portProtocol(name: string, declaredCodec: string | undefined): PortProtocol | undefined {
  const codec = declaredCodec ?? (protocolByName(name) === undefined ? undefined : `${prefix}${name}`)
  if (codec === undefined) return undefined
  return { name, codec, multiplexing: protocolOf(codec)?.connection === 'multiplexed' }
}

/** What an ApplicationProtocol leads to is the codec's: its own name is the operator's. */
function protocolOf(codec: string) {
  return codec.startsWith(prefix) ? protocolByName(codec.slice(prefix.length)) : undefined
}

/** The object is served all the same: another data plane may have the codec. */
export function unknownCodec({ spec }: ObjectOf<'ApplicationProtocol'>): Finding[] {
  if (protocolOf(spec.codec) !== undefined) return []
  return [
    {
      severity: 'warning',
      code: 'MESH_UNKNOWN_CODEC',
      field: 'spec.codec',
      value: spec.codec,
      message: `the MetaProtocol Proxy has no such codec: it refuses the listeners of ports of protocol ${spec.protocol}`,
      remedy: `use one of ${protocols.map((protocol) => prefix + protocol.name).join(', ')}`,
    },
  ]
}
