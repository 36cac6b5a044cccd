/** The few calls of Bun's socket API that the benchmark's load and backend use; they run on Bun alone. */
export interface BunSocket<Data> {
  data: Data
  write(bytes: Uint8Array): number
  end(): void
}

interface Handlers<Data> {
  open?(socket: BunSocket<Data>): void
  data(socket: BunSocket<Data>, chunk: Buffer): void
  drain(socket: BunSocket<Data>): void
  close(socket: BunSocket<Data>): void
  error(socket: BunSocket<Data>, error: Error): void
}

interface Sockets {
  listen<Data>(options: { hostname: string; port: number; socket: Handlers<Data> }): { port: number }
  connect<Data>(options: {
    hostname: string
    port: number
    data: Data
    socket: Handlers<Data>
  }): Promise<BunSocket<Data>>
}

export const bun = (globalThis as unknown as { readonly Bun: Sockets }).Bun

/** What a connection has read and not used, and has to write. */
export class Channel {
  rest: Buffer = Buffer.alloc(0)
  #out: Buffer[] = []
  #unsent: Buffer | undefined

  append(bytes: Buffer): void {
    this.#out.push(bytes)
  }

  flush(socket: BunSocket<unknown>): void {
    if (this.#unsent !== undefined && this.#out.length === 0) return this.#send(socket, this.#unsent)
    if (this.#out.length === 0) return
    const all = this.#unsent === undefined ? this.#out : [this.#unsent, ...this.#out]
    this.#out = []
    this.#send(socket, all.length === 1 ? (all[0] as Buffer) : Buffer.concat(all))
  }

  #send(socket: BunSocket<unknown>, bytes: Buffer): void {
    const sent = Math.max(0, socket.write(bytes))
    this.#unsent = sent === bytes.length ? undefined : bytes.subarray(sent)
  }

  /** Calls back with each whole Dubbo frame; keeps the rest. */
  frames(chunk: Buffer, onFrame: (bytes: Buffer, at: number) => void): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    let at = 0
    while (bytes.length - at >= 16) {
      const length = 16 + bytes.readUInt32BE(at + 12)
      if (bytes.length - at < length) break
      onFrame(bytes, at)
      at += length
    }
    this.rest = at === bytes.length ? none : Buffer.from(bytes.subarray(at))
  }
}

const none = Buffer.alloc(0)
