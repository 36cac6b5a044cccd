import type { AttributeDoc } from '../contract.ts'
import { asciiString } from '../intern.ts'
import type { Envelope } from './envelope.ts'

/** What a rule can match on. */
export const thriftAttributes: readonly AttributeDoc[] = [
  { name: 'method', description: 'The called method, without the service of a multiplexed call.', example: 'sayHello' },
  {
    name: 'service',
    description: 'The service of a multiplexed call (TMultiplexedProtocol); no other call says one.',
    example: 'HelloService',
  },
  {
    name: '<header>',
    description: 'Every info header of a THeader frame, except ones that are named method or service.',
    example: 'batchJob: true',
  },
]

/** Separates service and method in the name of a multiplexed call. */
const separator = 0x3a

/** The message's name as it was sent. */
export function messageName(bytes: Buffer, envelope: Envelope): string {
  return text(bytes, envelope.nameAt, envelope.nameLength)
}

export function methodName(bytes: Buffer, envelope: Envelope): string {
  const split = separatorAt(bytes, envelope)
  if (split < 0) return messageName(bytes, envelope)
  return text(bytes, split + 1, envelope.nameAt + envelope.nameLength - split - 1)
}

export function serviceName(bytes: Buffer, envelope: Envelope): string | undefined {
  const split = separatorAt(bytes, envelope)
  return split < 0 ? undefined : text(bytes, envelope.nameAt, split - envelope.nameAt)
}

/** The name in a reply: servers take the service away from it, and clients expect it so. */
export function replyName(operation: string): string {
  return operation.slice(operation.indexOf(':') + 1)
}

/** Names are interned: the same bytes give the same string, without decoding them again. */
export function text(bytes: Buffer, at: number, length: number): string {
  return asciiString(bytes, at, length) ?? bytes.toString('utf8', at, at + length)
}

function separatorAt(bytes: Buffer, envelope: Envelope): number {
  const end = envelope.nameAt + envelope.nameLength
  for (let at = envelope.nameAt; at < end; at += 1) {
    if (bytes[at] === separator) return at
  }
  return -1
}
