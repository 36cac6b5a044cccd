/** How a proxy is started: the runtime and the script. */
import { fileURLToPath } from 'node:url'
import { chooseRuntime, type RuntimeChoice } from '@aeraki/proxy'

export interface ProxyProgram {
  readonly runtime: RuntimeChoice
  readonly program: string
  /** To go before the proxy's own arguments. */
  readonly args: readonly string[]
}

/** Throws `AerakiError` when the runtime that is asked for is not there. */
export function proxyProgram(preference: string | undefined): ProxyProgram {
  const runtime = chooseRuntime({ preference })
  const script = fileURLToPath(new URL('main.ts', import.meta.resolve('@aeraki/proxy')))
  return { runtime, program: runtime.path, args: [script] }
}
