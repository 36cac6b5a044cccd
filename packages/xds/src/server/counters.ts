/** What the ADS server counts. All but `streams` only grow. */

export interface TypeCounters {
  /** Requests of any kind. */
  requests: number
  /** Responses sent. */
  pushes: number
  /** Resources in them. */
  resources: number
  acks: number
  nacks: number
  /** Requests ignored because they answered an older response. */
  stale: number
}

export class Counters {
  /** Open streams, of all clients. */
  streams = 0
  streamsOpened = 0
  /** Streams that ended because the client broke the protocol or a limit. */
  streamsRefused = 0
  readonly #byType = new Map<string, TypeCounters>()

  /** By type URL. Types that clients make up are counted together under '' beyond the first 64. */
  get byType(): ReadonlyMap<string, Readonly<TypeCounters>> {
    return this.#byType
  }

  of(typeUrl: string): TypeCounters {
    const known = this.#byType.get(typeUrl)
    if (known !== undefined) return known
    if (this.#byType.size > maxTypes && typeUrl !== '') return this.of('')
    const made: TypeCounters = { requests: 0, pushes: 0, resources: 0, acks: 0, nacks: 0, stale: 0 }
    this.#byType.set(typeUrl, made)
    return made
  }
}

const maxTypes = 64
