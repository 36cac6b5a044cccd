/**
 * Where a connection that iptables has redirected was meant to go. Linux keeps it in the connection tracking table and
 * gives it as a socket option: SO_ORIGINAL_DST (linux/netfilter_ipv4.h) and IP6T_SO_ORIGINAL_DST, both number 80, filled
 * with a sockaddr (io/sockaddr.ts).
 *
 * JavaScript has no getsockopt: on Node `koffi` calls it (an optional dependency), on Bun `bun:ffi`.
 */
import { AerakiError } from '@aeraki/api/errors'
import type { Address } from '../config/model.ts'
import { openLibc } from '../io/bun-ffi.ts'
import { fromSockaddr } from '../io/sockaddr.ts'

/** Undefined: the socket is gone, or was not redirected by the local machine. */
export type OriginalDestination = (fd: number, family: 'v4' | 'v6') => Address | undefined

type GetSockOpt = (fd: number, level: number, option: number, value: Buffer, length: Uint32Array) => number

const option = 80
const levels = { v4: 0, v6: 41 }
const sizes = { v4: 16, v6: 28 }

/** Rejects with `AerakiError` PROXY_INTERCEPT_UNAVAILABLE where there is no way to ask. */
export async function originalDestination(): Promise<OriginalDestination> {
  if (process.platform !== 'linux') throw unavailable(`this is ${process.platform}, and only Linux can tell`)
  const getSockOpt = process.versions['bun'] === undefined ? await withKoffi() : withBun()
  return (fd, family) => {
    const value = Buffer.alloc(sizes[family])
    if (getSockOpt(fd, levels[family], option, value, Uint32Array.of(value.length)) !== 0) return undefined
    return fromSockaddr(value)
  }
}

async function withKoffi(): Promise<GetSockOpt> {
  try {
    const { default: koffi } = await import('koffi')
    // The running program itself: it has libc, whichever that is.
    return koffi.load(null).func('int getsockopt(int, int, int, _Inout_ uint8_t *, _Inout_ uint32_t *)') as GetSockOpt
  } catch (cause) {
    throw unavailable('the npm package koffi, an optional dependency, does not load', cause)
  }
}

function withBun(): GetSockOpt {
  try {
    const getsockopt = { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' }
    return openLibc<{ readonly getsockopt: GetSockOpt }>({ getsockopt }).symbols.getsockopt
  } catch (cause) {
    throw unavailable('the C library does not load', cause)
  }
}

function unavailable(reason: string, cause?: unknown): AerakiError {
  return new AerakiError(
    'PROXY_INTERCEPT_UNAVAILABLE',
    `can't tell where an intercepted connection was meant to go: ${reason}; run without --intercept`,
    { cause },
  )
}
