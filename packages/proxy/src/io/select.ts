import { AerakiError } from '@aeraki/api/errors'
import { bunApi } from './bun-api.ts'
import { createBunIo } from './bun.ts'
import { createEpollIo } from './epoll/epoll.ts'
import type { Io } from './io.ts'
import { createNodeIo } from './node.ts'

let selected: Io | undefined

/**
 * The fastest driver for what this process runs on; one per thread. The environment's AERAKI_SOCKETS=runtime demands the
 * runtime's own sockets. Throws `AerakiError` PROXY_SOCKETS_UNKNOWN when it demands anything else.
 */
export function selectIo(): Io {
  selected ??= select()
  return selected
}

function select(): Io {
  const bun = bunApi()
  const epoll = mayUseEpoll(process.env['AERAKI_SOCKETS'] ?? '')
  if (bun === undefined) return createNodeIo()
  return (epoll ? createEpollIo(bun) : undefined) ?? createBunIo(bun)
}

function mayUseEpoll(demanded: string): boolean {
  if (demanded !== '' && demanded !== 'runtime')
    throw new AerakiError(
      'PROXY_SOCKETS_UNKNOWN',
      `AERAKI_SOCKETS is "${demanded}": leave it out, or set it to "runtime"`,
    )
  return demanded === ''
}
