/**
 * The driver for Bun on Linux: system calls through `bun:ffi` instead of Bun's own sockets, which copy what they read into
 * new memory for each event. Everything is as it is elsewhere: the runtime's loop still runs, and `bun.ts` is used
 * where this can't be.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { nothing, type BunApi, type BunListener } from '../bun-api.ts'
import type {
  AcceptHandler,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Io,
  Listener,
  ListenOptions,
  SocketAddress,
} from '../io.ts'
import { EpollConnection, FailedConnection, type Shared } from './connection.ts'
import { errors, loadLibc, systemError, type Libc } from './libc.ts'
import { openListener, streamSocket } from './listener.ts'
import { Poller } from './poller.ts'
import { Received } from './received.ts'
import { toSockaddr } from '../sockaddr.ts'

/** Undefined where it does not work: another system, no `bun:ffi`, no /proc. One per thread will do. */
export function createEpollIo(bun: BunApi): Io | undefined {
  const libc = loadLibc()
  if (libc === undefined) return undefined
  const runtimes = runtimesEpoll(bun)
  if (runtimes === undefined) return undefined
  return new EpollIo(libc, new Poller(bun, libc, runtimes))
}

class EpollIo implements Io {
  readonly runtime = 'bun'
  readonly #shared: Shared

  constructor(libc: Libc, poller: Poller) {
    this.#shared = { libc, poller, received: new Received() }
  }

  afterReads(run: () => void): void {
    this.#shared.poller.afterReads(run)
  }

  async listen(address: SocketAddress, options: ListenOptions, accept: AcceptHandler): Promise<Listener> {
    return openListener(this.#shared, address, options, accept)
  }

  connect(address: SocketAddress, options: ConnectOptions, handler: ConnectionHandler): Connection {
    try {
      const connection = new EpollConnection(this.#shared, this.#dial(address), address)
      connection.handler = handler
      connection.giveUpAfter(options.timeoutMs)
      return connection
    } catch (error) {
      return new FailedConnection(address, handler, error as Error)
    }
  }

  /** A socket that is connecting, or is connected already. Throws the system's error. */
  #dial(address: SocketAddress): number {
    const { libc } = this.#shared
    const where = `${address.host}:${address.port}`
    const sockaddr = toSockaddr(address)
    if (sockaddr === undefined) throw systemError('connect', errors.EINVAL, where)
    const fd = libc.calls.socket(sockaddr.family, streamSocket, 0)
    if (fd < 0) throw systemError('connect', libc.errno(), where)
    if (libc.calls.connect(fd, sockaddr.bytes, sockaddr.bytes.length) < 0) {
      const errno = libc.errno()
      if (errno !== errors.EINPROGRESS) {
        libc.calls.close(fd)
        throw systemError('connect', errno, where)
      }
    }
    return fd
  }
}

/**
 * The epoll instance in which the runtime's loop of this thread waits: the one that has a socket of the runtime in it.
 * See `fdinfo` in proc(5).
 */
function runtimesEpoll(bun: BunApi): number | undefined {
  let socket: BunListener | undefined
  try {
    // In the abstract namespace: no file, no port.
    socket = bun.listen<undefined>({ unix: `\0aeraki-${process.pid}-${performance.now()}`, socket: nothing })
    const line = new RegExp(`^tfd:\\s*${socket.fd}\\s`, 'm')
    return readdirSync(fds)
      .map(Number)
      .find((fd) => isEpoll(fd) && line.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')))
  } catch {
    return undefined
  } finally {
    socket?.stop()
  }
}

const fds = '/proc/self/fd'

function isEpoll(fd: number): boolean {
  try {
    return readlinkSync(`${fds}/${fd}`) === 'anon_inode:[eventpoll]'
  } catch {
    // It was the one with which the folder was read.
    return false
  }
}
