/** The little of fastjson2's JSONB that the proxy writes itself: strings. Grammar in body.ts. */

/** Writes a value of the fastjson2 serialization, its length and a UTF-8 string, at `at`; returns where it ends. */
export function writeJsonbString(bytes: Buffer, at: number, text: string): number {
  const end = writeString(bytes, at + 4, text)
  bytes.writeUInt32BE(end - at - 4, at)
  return end
}

/** More bytes than `writeString` needs for this text. */
export function stringBound(text: string): number {
  return 6 + 3 * text.length
}

/** A string without the length in front. */
export function writeString(bytes: Buffer, at: number, text: string): number {
  const length = Buffer.byteLength(text)
  bytes[at] = 0x7a
  const start = writeInt(bytes, at + 1, length)
  return start + bytes.write(text, start)
}

/** An int of four bytes: readers take any form of a number for a length. */
function writeInt(bytes: Buffer, at: number, value: number): number {
  bytes[at] = 0x48
  bytes.writeInt32BE(value, at + 1)
  return at + 5
}
