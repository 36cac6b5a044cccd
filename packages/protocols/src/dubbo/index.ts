import type { Protocol } from '../contract.ts'
import { attributeDocs } from './attributes.ts'
import { writeError, writeHeartbeat, writeHeartbeatReply } from './encode.ts'
import { dubboDecoder } from './frame.ts'

/** Dubbo 2 (`dubbo://`), all its serializations. See docs/protocols/dubbo.md. */
export const dubbo: Protocol = {
  name: 'dubbo',
  connection: 'multiplexed',
  responseOrder: 'any',
  virtualService: true,
  attributes: attributeDocs,
  decoder: dubboDecoder,
  writeError,
  writeHeartbeatReply,
  writeHeartbeat,
}
