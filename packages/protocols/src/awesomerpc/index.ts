import type { Protocol } from '../contract.ts'
import { attributeDocs } from './attributes.ts'
import { writeError, writeHeartbeat, writeHeartbeatReply } from './encode.ts'
import { awesomeDecoder } from './frame.ts'

/** The tutorial's protocol: see docs/protocols/awesomerpc.md. */
export const awesomerpc: Protocol = {
  name: 'awesomerpc',
  connection: 'multiplexed',
  responseOrder: 'any',
  attributes: attributeDocs,
  decoder: awesomeDecoder,
  writeError,
  writeHeartbeatReply,
  writeHeartbeat,
}
