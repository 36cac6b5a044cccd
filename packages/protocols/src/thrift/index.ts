/**
 * Apache Thrift: framed, unframed and THeader transports with the binary (also without a version) and the compact
 * protocol, recognised by themselves. docs/protocols/thrift.md says what a rule can match on and what it can't.
 */
import type { ByteSink, Decoder, Limits, LocalError, Protocol, ReplyTo, Side } from '../contract.ts'
import { thriftAttributes } from './attributes.ts'
import { ThriftDecoder } from './decoder.ts'
import { writeException } from './encode.ts'

export const thrift: Protocol = {
  name: 'thrift',
  // Most servers read a connection's next request when they have answered the last one.
  connection: 'exclusive',
  responseOrder: 'request',
  virtualService: true,
  attributes: thriftAttributes,
  decoder(side: Side, limits: Limits): Decoder {
    return new ThriftDecoder(side, limits)
  },
  writeError(out: ByteSink, to: ReplyTo, error: LocalError): void {
    writeException(out, to, error)
  },
  /** Thrift has no heartbeats. */
  writeHeartbeatReply(): void {},
}
