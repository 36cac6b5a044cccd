/**
 * Which JavaScript runtime the proxy is to run on: Bun where its optional npm package is installed (its native sockets
 * cost half the CPU per request), else Node. Only the one who starts the proxy asks; the proxy itself runs on either.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'

export type RuntimeName = 'node' | 'bun'
export const runtimePreferences = ['auto', 'node', 'bun'] as const
export type RuntimePreference = (typeof runtimePreferences)[number]

export interface RuntimeChoice {
  readonly name: RuntimeName
  /** The executable. */
  readonly path: string
  /** Why this one, for the log. */
  readonly reason: string
}

export interface ChooseRuntimeOptions {
  /** Default: the environment's AERAKI_RUNTIME, else `auto`. */
  readonly preference?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Finds Bun's executable; for tests. */
  readonly findBun?: () => string | undefined
}

/** Throws `AerakiError` PROXY_RUNTIME_UNKNOWN, or PROXY_RUNTIME_MISSING when `bun` is demanded and not installed. */
export function chooseRuntime(options: ChooseRuntimeOptions = {}): RuntimeChoice {
  const fromEnv = (options.env ?? process.env)['AERAKI_RUNTIME']
  const preference = options.preference ?? (fromEnv === undefined || fromEnv === '' ? 'auto' : fromEnv)
  const said = options.preference === undefined && fromEnv === preference ? 'AERAKI_RUNTIME' : '--runtime'
  if (!isPreference(preference)) {
    throw new AerakiError('PROXY_RUNTIME_UNKNOWN', `${said} "${preference}": give auto, node or bun`)
  }
  if (preference === 'node') return { name: 'node', path: nodePath(), reason: `${said} says so` }
  const bun = (options.findBun ?? findBun)()
  if (bun !== undefined) {
    return { name: 'bun', path: bun, reason: preference === 'bun' ? `${said} says so` : 'it is installed' }
  }
  if (preference === 'bun') {
    throw new AerakiError(
      'PROXY_RUNTIME_MISSING',
      `${said} "bun": Bun is not installed here; "npm install" brings it as an optional dependency on Linux and macOS, or say node`,
    )
  }
  return { name: 'node', path: nodePath(), reason: 'Bun is not installed' }
}

function isPreference(value: string): value is RuntimePreference {
  return runtimePreferences.some((each) => each === value)
}

/** The Node that runs this; under Bun `process.execPath` is Bun's, and PATH has to tell. */
function nodePath(): string {
  return process.versions['bun'] === undefined ? process.execPath : 'node'
}

/**
 * The executable inside `@oven/bun-<platform>-<arch>`, the package that `bun` has as an optional dependency. The `bun`
 * package's own launcher needs an install script, which this repository does not run.
 */
export function findBun(): string | undefined {
  const require = createRequire(import.meta.url)
  const arch = process.arch === 'arm64' ? 'aarch64' : process.arch
  const names = [`@oven/bun-${process.platform}-${arch}`, `@oven/bun-${process.platform}-${arch}-baseline`]
  for (const name of names) {
    try {
      const path = join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'bun')
      if (existsSync(path)) return path
    } catch {
      // Not installed: try the next one.
    }
  }
  return undefined
}
