/**
 * The part of Bun's socket API that the proxy uses, declared by hand: the type package would bring Bun's globals into
 * code that runs on Node. See https://bun.sh/docs/api/tcp.
 */
export interface BunApi {
  listen<Data>(options: BunListenOptions<Data>): BunListener
  /** Rejects when the connection can't be made; `connectError` is called as well. */
  connect<Data>(options: BunConnectOptions<Data>): Promise<BunSocket<Data>>
}

export type BunListenOptions<Data> = BunTcpOptions<Data> | BunUnixOptions<Data>

export interface BunUnixOptions<Data> {
  /** A path, or a name in the abstract namespace after a zero byte. */
  readonly unix: string
  readonly socket: BunSocketHandlers<Data>
}

export interface BunTcpOptions<Data> {
  readonly hostname: string
  readonly port: number
  readonly allowHalfOpen: boolean
  readonly backlog?: number
  readonly reusePort?: boolean
  readonly socket: BunSocketHandlers<Data>
}

export type BunConnectOptions<Data> = BunDialOptions<Data> | BunAdoptOptions<Data>

export interface BunAdoptOptions<Data> {
  /** Bun's from now on. */
  readonly fd: number
  readonly data: Data
  readonly socket: BunSocketHandlers<Data>
}

export interface BunDialOptions<Data> {
  readonly hostname: string
  readonly port: number
  readonly allowHalfOpen: boolean
  readonly data: Data
  readonly socket: BunSocketHandlers<Data>
}

/** Shared by all sockets of a listener: what belongs to one socket is in its `data`. */
export interface BunSocketHandlers<Data> {
  open(socket: BunSocket<Data>): void
  data(socket: BunSocket<Data>, chunk: Buffer): void
  drain(socket: BunSocket<Data>): void
  end(socket: BunSocket<Data>): void
  close(socket: BunSocket<Data>, error?: Error): void
  error(socket: BunSocket<Data>, error: Error): void
  connectError?(socket: BunSocket<Data>, error: Error): void
}

/** Handlers to start from. */
export const nothing: BunSocketHandlers<undefined> = {
  open: () => undefined,
  data: () => undefined,
  drain: () => undefined,
  end: () => undefined,
  close: () => undefined,
  error: () => undefined,
}

export interface BunListener {
  readonly port: number
  readonly hostname: string
  readonly fd: number
  stop(closeActiveConnections?: boolean): void
}

export interface BunSocket<Data> {
  data: Data
  readonly fd: number
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  /** How many bytes the kernel took; negative when the socket is closed. The rest is the caller's to keep. */
  write(bytes: Uint8Array, byteOffset?: number, byteLength?: number): number
  pause(): void
  resume(): void
  /** Ends this side only. */
  shutdown(): void
  /** Closes. */
  end(): void
  /** Closes with a reset. */
  terminate(): void
  setNoDelay(on: boolean): boolean
}

/** Undefined: this is not Bun. */
export function bunApi(): BunApi | undefined {
  return (globalThis as { readonly Bun?: BunApi }).Bun
}
