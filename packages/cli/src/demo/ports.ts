/**
 * Which port the demo's service has. One number serves for all of its addresses, so that the YAML has to change in one
 * place when 20880 is taken.
 */
import { createServer, type Server } from 'node:net'
import { AerakiError } from '@aeraki/api/errors'

/** An address that nothing but demos bind: whoever has it, has the port. */
const LOCK_HOST = '127.77.255.254'
const ATTEMPTS = 200

export interface ClaimedPort {
  readonly port: number
  release(): void
}

/**
 * The first port from `wanted` up that nobody listens on, at any address of the machine. It is kept from other demos until
 * it is released.
 */
export async function claimPort(wanted: number): Promise<ClaimedPort> {
  for (let port = wanted; port < wanted + ATTEMPTS; port++) {
    // The wildcard address conflicts with every listener there is.
    const probe = await listen('0.0.0.0', port)
    if (probe === undefined) continue
    await new Promise((resolve) => probe.close(resolve))
    const lock = await listen(LOCK_HOST, port)
    if (lock === undefined) continue
    lock.unref()
    return { port, release: () => lock.close() }
  }
  throw new AerakiError(
    'DEMO_NO_PORT',
    `all ports from ${wanted} to ${wanted + ATTEMPTS - 1} are taken: stop what listens on one of them`,
  )
}

/** A port that was free a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = await listen(host, 0)
  const address = server?.address()
  if (server === undefined || address === null || typeof address !== 'object') {
    throw new AerakiError('DEMO_NO_PORT', `no port is free on ${host}`)
  }
  await new Promise((resolve) => server.close(resolve))
  return address.port
}

function listen(host: string, port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen({ host, port, exclusive: true }, () => resolve(server))
  })
}
