import { bunApi } from './bun-api.ts'
import { createBunIo } from './bun.ts'
import type { Io } from './io.ts'
import { createNodeIo } from './node.ts'

/** The driver for the runtime that this process runs on. */
export function selectIo(): Io {
  const bun = bunApi()
  return bun === undefined ? createNodeIo() : createBunIo(bun)
}
