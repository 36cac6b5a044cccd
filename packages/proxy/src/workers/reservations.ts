/**
 * The address that all workers are to bind. Sockets with SO_REUSEPORT do not conflict, be they of two listeners or of two
 * proxies, which would then get half of the connections each. So the address is bound without it first, for a moment:
 * that fails where anybody has it, finds a port where none is given, and the substitute where it has to be.
 */
import type { Address, ListenerConfig } from '../config/model.ts'
import { deaf } from '../io/deaf.ts'
import type { Io } from '../io/io.ts'
import { bindEither } from '../listener/binding.ts'

export class Reservations {
  readonly #io: Io
  /** Addresses that workers have bound, or are about to, and the listeners' names. */
  readonly #taken = new Map<string, string>()

  constructor(io: Io) {
    this.#io = io
  }

  /** Rejects with `AerakiError` LISTENER_BIND_FAILED. */
  reserve(config: ListenerConfig): Promise<Address> {
    return bindEither(config, (wanted) => this.#take(wanted, config.name))
  }

  release(address: Address): void {
    this.#taken.delete(key(address))
  }

  /** It is taken from now on, so that of two at the same time one gets it. */
  async #take(wanted: Address, listener: string): Promise<Address> {
    const owner = this.#taken.get(key(wanted))
    if (owner !== undefined) throw Object.assign(new Error(`listener ${owner} has it`), { code: 'EADDRINUSE' })
    if (wanted.port !== 0) this.#taken.set(key(wanted), listener)
    try {
      const address = await this.probe(wanted)
      this.#taken.set(key(address), listener)
      return address
    } catch (error) {
      this.release(wanted)
      throw error
    }
  }

  /** The address with its port, if it is free. Rejects with the system's error. */
  async probe(address: Address): Promise<Address> {
    const socket = await this.#io.listen(address, {}, (connection) => {
      // Not inside the driver's call, which does not know its handler yet.
      queueMicrotask(() => connection.destroy())
      return deaf
    })
    await socket.close()
    return socket.address
  }
}

function key({ host, port }: Address): string {
  return `${host} ${port}`
}
