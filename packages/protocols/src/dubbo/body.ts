import type { KeyValue } from '../contract.ts'

/**
 * Reads the body of a request or response in one serialization, as far as it is asked. One object per decoder and
 * serialization, pointed at frame after frame.
 */
export interface Body {
  /** Forgets everything; parses nothing. */
  reset(bytes: Buffer, at: number, end: number, side: 'request' | 'response'): void
  /** Before the arguments: these never walk them. */
  path(): string | undefined
  version(): string | undefined
  method(): string | undefined
  /** Value of a string attachment, names compared without case. Skips the arguments (or the response's value). */
  attachment(lowerCaseName: string): string | undefined
  /** All string attachments, with the keys' own case. */
  attachments(): Map<string, string>
  /** Of a response with status 20: 0 to 5 as in header.ts; undefined when it can't be told. */
  resultKind(): number | undefined
  /**
   * Prepares to write the body with these attachments set. Returns the most bytes that it can need, or 0 when this
   * body can't carry attachments.
   */
  prepare(set: readonly KeyValue[]): number
  /** Writes what was prepared to `to.bytes` from `at`; returns where it ends. */
  write(to: Buffer, at: number): number
}

/** How many arguments a JVM parameter descriptor such as `Ljava/lang/String;[I` names; -1 when it is none. */
export function argumentCount(descriptor: string): number {
  let count = 0
  let at = 0
  while (at < descriptor.length) {
    while (descriptor.charCodeAt(at) === 0x5b) at += 1
    if (descriptor.charCodeAt(at) === 0x4c) {
      const end = descriptor.indexOf(';', at)
      if (end < 0) return -1
      at = end + 1
    } else if ('VZBCDFIJS'.includes(descriptor.charAt(at)) && at < descriptor.length) {
      at += 1
    } else {
      return -1
    }
    count += 1
  }
  return count
}
