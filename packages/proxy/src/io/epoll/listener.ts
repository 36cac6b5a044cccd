/** A listening socket of the epoll driver. */
import type { AcceptHandler, Listener, ListenOptions, SocketAddress } from '../io.ts'
import { EpollConnection, type Shared } from './connection.ts'
import { errors, numbers, systemError } from './libc.ts'
import { isNothingToDo, type Continuation, type Pollable } from './poller.ts'
import { fromSockaddr, maxSockaddrBytes, toSockaddr } from '../sockaddr.ts'

export const streamSocket = numbers.SOCK_STREAM | numbers.SOCK_NONBLOCK | numbers.SOCK_CLOEXEC

/** As Node has it. */
const defaultBacklog = 511

/** After so many new connections those that are there have a turn. */
const maxAcceptsAtOnce = 64

/** Where the process has no file descriptors left: when to try again. */
const shortageMs = 100

/** Throws the system's error. */
export function openListener(
  shared: Shared,
  address: SocketAddress,
  options: ListenOptions,
  accept: AcceptHandler,
): Listener {
  const { libc } = shared
  const { calls } = libc
  const where = `${address.host}:${address.port}`
  const sockaddr = toSockaddr(address)
  if (sockaddr === undefined) throw systemError('listen', errors.EINVAL, where)
  const fd = calls.socket(sockaddr.family, streamSocket, 0)
  if (fd < 0) throw systemError('listen', libc.errno(), where)
  try {
    const { SOL_SOCKET, SO_REUSEADDR, SO_REUSEPORT } = numbers
    check(calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4))
    if (options.reusePort === true) check(calls.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, one, 4))
    check(calls.bind(fd, sockaddr.bytes, sockaddr.bytes.length))
    check(calls.listen(fd, options.backlog ?? defaultBacklog))
    return new EpollListener(shared, fd, address.host, accept)
  } catch (error) {
    calls.close(fd)
    throw error
  }

  function check(result: number): void {
    if (result < 0) throw systemError('listen', libc.errno(), where)
  }
}

class EpollListener implements Listener, Pollable, Continuation {
  readonly #fd: number
  readonly address: SocketAddress
  readonly #shared: Shared
  readonly #accept: AcceptHandler
  #closed = false
  #retry: NodeJS.Timeout | undefined

  constructor(shared: Shared, fd: number, host: string, accept: AcceptHandler) {
    this.#shared = shared
    this.#fd = fd
    this.#accept = accept
    const bytes = new Uint8Array(maxSockaddrBytes)
    if (shared.libc.calls.getsockname(fd, bytes, Uint32Array.of(bytes.length)) < 0)
      throw systemError('getsockname', shared.libc.errno())
    this.address = { host, port: fromSockaddr(bytes).port }
    shared.poller.add(fd, this, numbers.EPOLLIN)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#retry)
    this.#shared.poller.remove(this.#fd)
    this.#shared.libc.calls.close(this.#fd)
  }

  onEvents(): void {
    this.#acceptAll()
  }

  continueReading(): void {
    if (!this.#closed) this.#acceptAll()
  }

  #acceptAll(): void {
    const { libc, poller } = this.#shared
    for (let accepted = 0; accepted < maxAcceptsAtOnce && !this.#closed; accepted += 1) {
      const fd = libc.calls.accept4(this.#fd, nobody, nobodysLength, numbers.SOCK_NONBLOCK | numbers.SOCK_CLOEXEC)
      if (fd >= 0) {
        this.#welcome(fd)
        continue
      }
      const errno = libc.errno()
      if (isNothingToDo(errno)) return
      if (isShortage(errno)) {
        this.#retry = setTimeout(() => this.continueReading(), shortageMs)
        return
      }
      // Any other error is that of one connection, which is gone: accept(2).
    }
    poller.continueLater(this)
  }

  #welcome(fd: number): void {
    let connection: EpollConnection
    try {
      connection = new EpollConnection(this.#shared, fd)
    } catch {
      // The kernel has no room for it in the epoll instance, and it has been closed.
      return
    }
    connection.handler = this.#accept(connection)
  }
}

/** The peer's address is asked for by those few who want to know. */
const nobody = new Uint8Array(maxSockaddrBytes)
const nobodysLength = new Uint32Array(1)
const one = Int32Array.of(1)

/** Errors that pass when somebody closes something. */
function isShortage(errno: number): boolean {
  return errno === errors.EMFILE || errno === errors.ENFILE || errno === errors.ENOBUFS || errno === errors.ENOMEM
}
