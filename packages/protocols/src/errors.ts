import { AerakiError } from '@aeraki/api/errors'

export type ProtocolErrorCode =
  | 'PROTOCOL_BAD_MAGIC'
  | 'PROTOCOL_MALFORMED'
  | 'PROTOCOL_FRAME_TOO_LARGE'
  | 'PROTOCOL_UNSUPPORTED'

/** Bytes that are not the protocol. Closes the one connection they came on. */
export class ProtocolError extends AerakiError {
  declare readonly code: ProtocolErrorCode

  constructor(code: ProtocolErrorCode, message: string) {
    super(code, message)
  }
}
