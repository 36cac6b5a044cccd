/**
 * Hosts whose ServiceEntries would have one name, such as `orders.eu` and `orders-eu`. While there are several of them, each
 * has a name with a hash: no name goes from one host to another, and equal hosts give equal names whoever came first.
 */
import { createHash } from 'node:crypto'
import { entryName } from '../names.ts'

export class Twins {
  readonly #byName = new Map<string, Set<string>>()

  /** Hosts other than this one whose names are others from now on. */
  set(host: string, present: boolean): Iterable<string> {
    const name = entryName(host)
    const hosts = this.#byName.get(name) ?? new Set<string>()
    if (hosts.has(host) === present) return []
    const before = [...hosts].filter((each) => each !== host)
    if (present) hosts.add(host)
    else hosts.delete(host)
    if (hosts.size > 0) this.#byName.set(name, hosts)
    else this.#byName.delete(name)
    return before.length === 1 ? before : []
  }

  /** Undefined: the usual one. */
  nameOf(host: string): string | undefined {
    const name = entryName(host)
    if ((this.#byName.get(name)?.size ?? 0) < 2) return undefined
    return `${name}-${createHash('sha256').update(host).digest('hex').slice(0, 12)}`
  }
}
