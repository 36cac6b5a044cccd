/**
 * Strings that come again and again (service, method and header names) without decoding them again and again: a
 * direct-mapped cache from bytes to the string they spell. A miss replaces what was in the slot, so hostile variety
 * costs the time of decoding and no memory.
 */
const slotCount = 1024
const maxLength = 128
const slots: (string | undefined)[] = Array.from({ length: slotCount })

/** The string of these bytes where all are ASCII; undefined when one is not. The range must be within `bytes`. */
export function asciiString(bytes: Buffer, at: number, length: number): string | undefined {
  if (length === 0) return ''
  if (length > maxLength) return isAscii(bytes, at, length) ? bytes.toString('latin1', at, at + length) : undefined
  const slot = slotOf(bytes, at, length)
  const cached = slots[slot]
  if (cached !== undefined && spells(bytes, at, length, cached)) return cached
  if (!isAscii(bytes, at, length)) return undefined
  const text = bytes.toString('latin1', at, at + length)
  slots[slot] = text
  return text
}

/** Whether these bytes are this text, ASCII letters compared without case. `lowerCase` is in lower case. */
export function equalsIgnoreCase(bytes: Buffer, at: number, length: number, lowerCase: string): boolean {
  if (length !== lowerCase.length) return false
  for (let index = 0; index < length; index += 1) {
    let byte = bytes[at + index] as number
    if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20
    if (byte !== lowerCase.charCodeAt(index)) return false
  }
  return true
}

/** `first/second` as one string object for the same pair. */
export function operationName(service: string, method: string): string {
  let methods = operations.get(service)
  if (methods === undefined) {
    if (operations.size >= slotCount) operations.clear()
    methods = new Map()
    operations.set(service, methods)
  }
  let name = methods.get(method)
  if (name === undefined) {
    if (methods.size >= slotCount) methods.clear()
    name = `${service}/${method}`
    methods.set(method, name)
  }
  return name
}

const operations = new Map<string, Map<string, string>>()

function spells(bytes: Buffer, at: number, length: number, text: string): boolean {
  if (text.length !== length) return false
  for (let index = 0; index < length; index += 1) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false
  }
  return true
}

function isAscii(bytes: Buffer, at: number, length: number): boolean {
  for (let index = at; index < at + length; index += 1) {
    if ((bytes[index] as number) >= 0x80) return false
  }
  return true
}

/** The length and some bytes, mostly of the end, where names of one package differ. */
function slotOf(bytes: Buffer, at: number, length: number): number {
  const last = at + length - 1
  let hash = length
  hash = (hash * 31 + (bytes[at] as number)) | 0
  hash = (hash * 31 + (bytes[at + (length >> 1)] as number)) | 0
  hash = (hash * 31 + (bytes[at + length - 1 - (length >> 2)] as number)) | 0
  hash = (hash * 31 + (bytes[length > 2 ? last - 2 : at] as number)) | 0
  hash = (hash * 31 + (bytes[length > 1 ? last - 1 : at] as number)) | 0
  hash = (hash * 31 + (bytes[last] as number)) | 0
  return (hash ^ (hash >>> 10)) & (slotCount - 1)
}
