/** Which address a listener is bound to, and why it can't be. */
import { AerakiError } from '@aeraki/api/errors'
import type { Address, ListenerConfig } from '../config/model.ts'

/**
 * Binds the listener's address, or its substitute where the address is none of this machine.
 *
 * @param bind rejects with the system's error
 * Rejects with `AerakiError` LISTENER_BIND_FAILED.
 */
export async function bindEither<Socket>(
  config: ListenerConfig,
  bind: (address: Address) => Promise<Socket>,
): Promise<Socket> {
  const { address, substitute } = config
  try {
    return await bind(address)
  } catch (error) {
    if (substitute === undefined || codeOf(error) !== 'EADDRNOTAVAIL') throw bindFailed(config, address, error)
  }
  try {
    return await bind(substitute)
  } catch (error) {
    throw bindFailed(config, substitute, error)
  }
}

/** False: its connections come from elsewhere, see `Runtime.intercept`. */
export function opensSocket(config: ListenerConfig): boolean {
  return config.bindToPort !== false
}

export function sameAddresses(a: ListenerConfig, b: ListenerConfig): boolean {
  return (
    sameAddress(a.address, b.address) && sameAddress(a.substitute, b.substitute) && opensSocket(a) === opensSocket(b)
  )
}

function sameAddress(a: Address | undefined, b: Address | undefined): boolean {
  return a?.host === b?.host && a?.port === b?.port
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code
}

const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process or listener has it: stop that one, or give another port',
  EADDRNOTAVAIL: 'it is no address of this machine: give one that is, or a substitute',
  EACCES: 'ports below 1024 need the capability CAP_NET_BIND_SERVICE: give a higher port',
}

function bindFailed({ name }: ListenerConfig, { host, port }: Address, cause: unknown): AerakiError {
  const code = codeOf(cause) ?? String(cause)
  const remedy = remedies[code]
  const message = `listener ${name} can't bind ${host}:${port}: ${code}${remedy === undefined ? '' : `; ${remedy}`}`
  return new AerakiError('LISTENER_BIND_FAILED', message, { cause })
}
