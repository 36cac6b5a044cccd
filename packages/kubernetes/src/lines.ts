/** Splits a stream of bytes at newlines. */
import { once } from 'node:events'
import type { Readable } from 'node:stream'

/** No object is larger: the API server refuses requests above 3 MiB, and etcd values above 1.5 MiB. */
const longestLine = 32 * 1024 * 1024

/** Resolves at the end of the stream; what `onLine` throws ends it. Throws for a line that does not end. */
export async function forEachLine(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let parts: Buffer[] = []
  let size = 0
  const take = (chunk: Buffer): void => {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const last = chunk.subarray(start, end)
      const line = parts.length === 0 ? last : Buffer.concat([...parts, last])
      parts = []
      size = 0
      start = end + 1
      if (line.length > 0) onLine(line.toString('utf8'))
    }
    if (start === chunk.length) return
    parts.push(chunk.subarray(start))
    size += chunk.length - start
    if (size > longestLine) throw new Error(`a line has more than ${longestLine} bytes`)
  }
  stream.on('data', (chunk: Buffer) => {
    try {
      take(chunk)
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  })
  await once(stream, 'end')
}
