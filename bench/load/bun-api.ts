/** The few calls of Bun's API that the load and its backend use; they run on Bun alone. https://bun.sh/docs/api/tcp */
export interface BunSocket<Data> {
  data: Data
  /** How many bytes the kernel took. */
  write(bytes: Uint8Array): number
  setNoDelay(on: boolean): boolean
  end(): void
}

export interface BunHandlers<Data> {
  open?(socket: BunSocket<Data>): void
  data(socket: BunSocket<Data>, chunk: Buffer): void
  drain(socket: BunSocket<Data>): void
  close(socket: BunSocket<Data>): void
  error(socket: BunSocket<Data>, error: Error): void
}

interface Sockets {
  listen<Data>(options: { hostname: string; port: number; backlog: number; socket: BunHandlers<Data> }): {
    readonly port: number
  }
  connect<Data>(options: {
    hostname: string
    port: number
    data: Data
    socket: BunHandlers<Data>
  }): Promise<BunSocket<Data>>
}

export const bun = (globalThis as unknown as { readonly Bun: Sockets }).Bun
