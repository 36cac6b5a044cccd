import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = join(dirname(fileURLToPath(import.meta.url)), 'golden')

/** A frame that Apache Dubbo 3.3 sent; see capture.ts. */
export function golden(name: string): Buffer {
  return readFileSync(join(folder, `${name}.bin`))
}
