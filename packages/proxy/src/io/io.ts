import type { ByteBuffer } from '@aeraki/protocols'

/**
 * The one interface between the proxy and the operating system's sockets, with three drivers: `epoll/` (system calls,
 * on Bun and Linux), `bun.ts` (Bun's native sockets, where that can't be) and `node.ts` (`node:net`). Nothing else in the
 * proxy knows which runtime it is on.
 *
 * Contract, the same for all drivers (packages/proxy/test/io.test.ts runs on each):
 *  - callbacks of one connection never run inside a call to one of its methods;
 *  - `onData`'s chunk belongs to the driver and is valid until the callback returns;
 *  - after `onClose` no other callback comes; it comes exactly once for each connection that was opened;
 *  - TCP_NODELAY is set: the proxy does its own batching.
 */
export interface Io {
  readonly runtime: 'node' | 'bun'
  /** Runs once, soon, and after all sockets that were ready have been read. */
  afterReads(run: () => void): void
  /** Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, ...). Port 0 picks one. */
  listen(address: SocketAddress, options: ListenOptions, handler: AcceptHandler): Promise<Listener>
  /** Returns at once; `handler.onOpen` or `handler.onClose` (never opened) follows. */
  connect(address: SocketAddress, options: ConnectOptions, handler: ConnectionHandler): Connection
}

export interface SocketAddress {
  /** An IPv4 or IPv6 address. */
  readonly host: string
  readonly port: number
}

export interface ListenOptions {
  /** Length of the kernel's accept queue. */
  readonly backlog?: number
  /** Shares the address with other sockets that say so, too; the kernel spreads connections over them (SO_REUSEPORT). */
  readonly reusePort?: boolean
}

export interface ConnectOptions {
  /** Milliseconds until an attempt is given up with ETIMEDOUT. */
  readonly timeoutMs: number
}

export interface Listener {
  readonly address: SocketAddress
  /** Stops accepting; open connections live on. */
  close(): Promise<void>
}

/** Called for each accepted connection; returns what handles it. */
export type AcceptHandler = (connection: Connection) => ConnectionHandler

export interface ConnectionHandler {
  /** Outgoing connections only: it is established. */
  onOpen(): void
  onData(chunk: Uint8Array): void
  /** The peer has ended its side (half-close); writing is still possible. May be left out when this side has ended. */
  onEnd(): void
  /** Everything that `write` took has gone to the kernel, after a `write` that returned false. */
  onDrain(): void
  /** The connection is gone. `error` is undefined after a clean end. */
  onClose(error: Error | undefined): void
}

export interface Connection {
  readonly remote: SocketAddress
  readonly local: SocketAddress
  /**
   * Takes the bytes (copying what the kernel does not) and returns whether the kernel took all of them; after false,
   * `onDrain` will come. The caller may reuse `bytes` when it returns.
   */
  write(bytes: Uint8Array): boolean
  /**
   * `write` for all bytes of a buffer, which is empty afterwards. Without a copy: where the kernel does not take all at
   * once, the driver may keep the buffer's memory and give it other.
   */
  send(buffer: ByteBuffer): boolean
  /** Bytes taken but not yet in the kernel. */
  readonly pendingBytes: number
  pause(): void
  resume(): void
  /** Sends what is pending, then ends this side. */
  end(): void
  /** Closes at once and discards what is pending. */
  destroy(): void
  /** The file descriptor where the driver can tell (for SO_ORIGINAL_DST), else undefined. */
  readonly fd: number | undefined
}
