/** The zlib transform of header frames, with bounds: see `inflateHead` for what is inflated and what never is. */
import { createRequire } from 'node:module'
import type { Limits } from '../contract.ts'
import { malformed, tooLarge } from './wire.ts'

/** Few frames are compressed, and the module takes megabytes on Bun: it is loaded with the first that is. */
function zlib(): typeof import('node:zlib') {
  return (loaded ??= createRequire(import.meta.url)('node:zlib') as typeof import('node:zlib'))
}

let loaded: typeof import('node:zlib') | undefined

/**
 * Compressed bytes that are looked at for a message's head. They inflate to 530 KB at the very most, so that a bomb
 * costs no more than that, whatever it would grow to.
 */
const headBytes = 512
const maxHeadBytes = 1024 * 1024

/** The beginning of the message: enough for its type, id and name, unless the name is very long. */
export function inflateHead(payload: Buffer): Buffer {
  const { Z_FINISH, Z_SYNC_FLUSH } = zlib().constants
  const whole = payload.length <= headBytes
  return inflate(payload.subarray(0, headBytes), maxHeadBytes, whole ? Z_FINISH : Z_SYNC_FLUSH)
}

/** The whole message, at most `maxFrameBytes`. */
export function inflateAll(payload: Buffer, limits: Limits): Buffer {
  return inflate(payload, limits.maxFrameBytes, zlib().constants.Z_FINISH)
}

export function deflate(message: Buffer): Buffer {
  return zlib().deflateSync(message)
}

function inflate(payload: Buffer, maxOutputLength: number, finishFlush: number): Buffer {
  try {
    return zlib().inflateSync(payload, { finishFlush, maxOutputLength })
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(maxOutputLength + 1, maxOutputLength)
    throw malformed(`zlib: ${error instanceof Error ? error.message : String(error)}`)
  }
}
