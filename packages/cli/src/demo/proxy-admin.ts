/** What the demo asks a proxy's admin pages. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AerakiError } from '@aeraki/api/errors'

const POLL_MS = 50
/** On a machine that is busy with other things a proxy may take its time to start. */
const LISTENING_WITHIN_MS = 30_000

export class ProxyAdmin {
  readonly #name: string
  readonly #address: string
  readonly #crashed: Promise<never>

  constructor(name: string, address: string, crashed: Promise<never>) {
    this.#name = name
    this.#address = address
    this.#crashed = crashed
  }
}
