/** The little of Hessian 2.0 that the proxy writes itself: strings. Grammar in scanner.ts. */

/** More bytes than `writeString` needs for this text. */
export function stringBound(text: string): number {
  return 3 + 3 * text.length + 3 * Math.ceil(text.length / chunkUnits)
}

/** As large as Java's own chunks. */
const chunkUnits = 0x8000

/** Writes a string at `at`, surrogates one by one as Java does; returns where it ends. */
export function writeString(bytes: Buffer, at: number, text: string): number {
  let from = 0
  let left = text.length
  let to = at
  while (left > chunkUnits) {
    // A chunk does not end between the halves of a surrogate pair.
    const last = text.charCodeAt(from + chunkUnits - 1)
    const units = last >= 0xd800 && last <= 0xdbff ? chunkUnits - 1 : chunkUnits
    bytes[to] = 0x52
    bytes[to + 1] = units >> 8
    bytes[to + 2] = units & 0xff
    to = writeUnits(bytes, to + 3, text, from, from + units)
    from += units
    left -= units
  }
  if (left < 32) {
    bytes[to] = left
    to += 1
  } else if (left < 1024) {
    bytes[to] = 0x30 + (left >> 8)
    bytes[to + 1] = left & 0xff
    to += 2
  } else {
    bytes[to] = 0x53
    bytes[to + 1] = left >> 8
    bytes[to + 2] = left & 0xff
    to += 3
  }
  return writeUnits(bytes, to, text, from, text.length)
}

function writeUnits(bytes: Buffer, at: number, text: string, from: number, end: number): number {
  let to = at
  for (let index = from; index < end; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) {
      bytes[to] = unit
      to += 1
    } else if (unit < 0x800) {
      bytes[to] = 0xc0 | (unit >> 6)
      bytes[to + 1] = 0x80 | (unit & 0x3f)
      to += 2
    } else {
      bytes[to] = 0xe0 | (unit >> 12)
      bytes[to + 1] = 0x80 | ((unit >> 6) & 0x3f)
      bytes[to + 2] = 0x80 | (unit & 0x3f)
      to += 3
    }
  }
  return to
}
