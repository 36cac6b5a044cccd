/**
 * Where a connection that iptables has redirected was meant to go. Linux keeps it in the connection tracking table and
 * gives it as a socket option: SO_ORIGINAL_DST (linux/netfilter_ipv4.h) and IP6T_SO_ORIGINAL_DST, both number 80, filled
 * with a sockaddr_in or sockaddr_in6:
 *
 *   sockaddr_in    u16 family, u16 port (network order), 4 bytes address
 *   sockaddr_in6   u16 family, u16 port (network order), u32 flow, 16 bytes address
 *
 * JavaScript has no getsockopt: on Node `koffi` calls it (an optional dependency), on Bun `bun:ffi`.
 */
import { AerakiError } from '@aeraki/api/errors'
import type { Address } from '../config/model.ts'

/** Undefined: the socket is gone, or was not redirected by the local machine. */
export type OriginalDestination = (fd: number, family: 'v4' | 'v6') => Address | undefined

type GetSockOpt = (fd: number, level: number, option: number, value: Buffer, length: Uint32Array) => number

const option = 80
const levels = { v4: 0, v6: 41 }
const sizes = { v4: 16, v6: 28 }

/** Rejects with `AerakiError` PROXY_INTERCEPT_UNAVAILABLE where there is no way to ask. */
export async function originalDestination(): Promise<OriginalDestination> {
  if (process.platform !== 'linux') throw unavailable(`this is ${process.platform}, and only Linux can tell`)
  const getSockOpt = process.versions['bun'] === undefined ? await withKoffi() : await withBun()
  return (fd, family) => {
    const value = Buffer.alloc(sizes[family])
    if (getSockOpt(fd, levels[family], option, value, Uint32Array.of(value.length)) !== 0) return undefined
    return { host: family === 'v4' ? ipv4(value, 4) : ipv6(value, 8), port: value.readUInt16BE(2) }
  }
}

function ipv4(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join('.')
}

/** In the form that `net` and URL have: lower case, the longest run of zeros left out. */
function ipv6(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
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

interface BunFfi {
  dlopen(
    name: string,
    symbols: { readonly getsockopt: { readonly args: readonly string[]; readonly returns: string } },
  ): { readonly symbols: { readonly getsockopt: GetSockOpt } }
}

async function withBun(): Promise<GetSockOpt> {
  // A name that only Bun can resolve, and that neither Node nor the type checker should try.
  const name = 'bun:ffi'
  const ffi = (await import(name)) as BunFfi
  const symbols = { getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' } }
  const failures: unknown[] = []
  for (const library of ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`]) {
    try {
      return ffi.dlopen(library, symbols).symbols.getsockopt
    } catch (error) {
      failures.push(error)
    }
  }
  throw unavailable('the C library does not load', failures[0])
}

function unavailable(reason: string, cause?: unknown): AerakiError {
  return new AerakiError(
    'PROXY_INTERCEPT_UNAVAILABLE',
    `can't tell where an intercepted connection was meant to go: ${reason}; run without --intercept`,
    { cause },
  )
}
