/**
 * The system calls of the epoll driver, through `bun:ffi`, and the numbers they need: those of Linux on x64 and arm64.
 * See the manual pages epoll(7), tcp(7), unix(7) of section 7, and the headers that are named below.
 */
import { getSystemErrorMap } from 'node:util'
import { openLibc, type Signature } from '../bun-ffi.ts'

/** Views are handed over as pointers that are valid during the call. Results below zero: see `Libc.error`. */
export interface Syscalls {
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  listen(fd: number, backlog: number): number
  accept4(fd: number, address: Uint8Array, length: Uint32Array, flags: number): number
  connect(fd: number, address: Uint8Array, length: number): number
  getsockname(fd: number, address: Uint8Array, length: Uint32Array): number
  getpeername(fd: number, address: Uint8Array, length: Uint32Array): number
  getsockopt(fd: number, level: number, option: number, value: Int32Array, length: Uint32Array): number
  setsockopt(fd: number, level: number, option: number, value: Int32Array, length: number): number
  recv(fd: number, bytes: Uint8Array, length: number, flags: number): number
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number
  shutdown(fd: number, how: number): number
  close(fd: number): number
  dup(fd: number): number
  epoll_create1(flags: number): number
  epoll_ctl(epoll: number, operation: number, fd: number, event: Int32Array): number
  epoll_wait(epoll: number, events: Int32Array, count: number, timeoutMs: number): number
}

export interface Libc {
  readonly calls: Syscalls
  /** `errno` of the last call that failed. Ask at once. */
  errno(): number
}

/** asm-generic/errno.h */
export const errors = {
  EINTR: 4,
  EAGAIN: 11,
  ENOMEM: 12,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOBUFS: 105,
  EINPROGRESS: 115,
} as const

/** bits/socket.h, netinet/in.h, netinet/tcp.h, sys/epoll.h, fcntl.h */
export const numbers = {
  SOCK_STREAM: 1,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_REUSEADDR: 2,
  SO_ERROR: 4,
  SO_REUSEPORT: 15,
  IPPROTO_TCP: 6,
  TCP_NODELAY: 1,
  MSG_NOSIGNAL: 0x4000,
  SHUT_WR: 1,
  EPOLL_CLOEXEC: 0o2000000,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLLIN: 0x001,
  EPOLLOUT: 0x004,
  EPOLLERR: 0x008,
  EPOLLHUP: 0x010,
  EPOLLRDHUP: 0x2000,
  EPOLLET: 1 << 31,
} as const

/** 32-bit words of a `struct epoll_event`: it is packed on x64 only. `events` is the first, `data` the last two. */
export const eventWords = process.arch === 'x64' ? 3 : 4

/** Undefined where there is no way to it: another system, another processor, another C library, no `bun:ffi`. */
export function loadLibc(): Libc | undefined {
  const known = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')
  if (!known || process.versions['bun'] === undefined) return undefined
  try {
    const { symbols, read } = openLibc<Syscalls & { [errnoLocation](): number }>(signatures)
    const location = symbols[errnoLocation]()
    return { calls: symbols, errno: () => read.i32(location, 0) }
  } catch {
    return undefined
  }
}

/** The system's error as Node words it: `connect ECONNREFUSED 10.0.0.1:80`, and its `code`. */
export function systemError(call: string, errno: number, where?: string): Error {
  const code = getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`
  const message = where === undefined ? `${call} ${code}` : `${call} ${code} ${where}`
  return Object.assign(new Error(message), { code, errno: -errno, syscall: call })
}

/** Behind the macro `errno`; musl has it, too. Each thread has its own. */
const errnoLocation = '__errno_location'

const int = 'i32'
const view = 'buffer'
const call = (...args: readonly string[]): Signature => ({ args, returns: int })

const signatures = {
  [errnoLocation]: { args: [], returns: 'ptr' },
  socket: call(int, int, int),
  bind: call(int, view, int),
  listen: call(int, int),
  accept4: call(int, view, view, int),
  connect: call(int, view, int),
  getsockname: call(int, view, view),
  getpeername: call(int, view, view),
  getsockopt: call(int, int, int, view, view),
  setsockopt: call(int, int, int, view, int),
  recv: call(int, view, 'usize', int),
  send: call(int, view, 'usize', int),
  shutdown: call(int, int),
  close: call(int),
  dup: call(int),
  epoll_create1: call(int),
  epoll_ctl: call(int, int, int, view),
  epoll_wait: call(int, view, int, int),
}
