/**
 * What one registry says of every host: its slice. What the registry loses is not believed at once:
 *
 *     live --(no healthy registration any more)--> vanishing --(grace is over)--> gone
 *      ^                                               |
 *      +-----------(registered again)------------------+
 *
 * A vanishing host keeps the registrations that it had last. Its grace goes on for as long as the registry can't be
 * reached or has not been read in full since, and is longer when more than half of the registry's hosts vanished: then
 * the registry is more likely to be wrong than its services to be gone.
 */
import type { ConnectionState, Registration, RegistrySink, Rejection, UnitContents } from '../contract.ts'

export interface Slice {
  readonly kind: 'live' | 'vanishing'
  readonly registrations: readonly Registration[]
}

export interface Graces {
  /** Milliseconds. */
  readonly grace: number
  readonly massGrace: number
}

export interface SliceCounts {
  readonly units: number
  readonly hosts: number
  readonly vanishing: number
  readonly accepted: number
  readonly rejected: number
}

/** Of one provider, as the registry lists it. */
export interface ProviderReport {
  readonly unit: string
  readonly provider: string
  /** Undefined for what could not be read so far. */
  readonly host: string | undefined
  readonly rejection: Rejection | undefined
}

type HostState =
  | { readonly kind: 'live' }
  | { readonly kind: 'vanishing'; readonly since: number; readonly last: readonly Registration[] }

export interface SlicesOptions extends Graces {
  /** Called when what these hosts' slices hold has changed. */
  readonly onChange: (hosts: ReadonlySet<string>) => void
  readonly onConnection?: (state: ConnectionState) => void
  readonly onSynced?: () => void
  /** Milliseconds since any moment; for tests. */
  readonly now?: () => number
}

export class Slices implements RegistrySink {
  readonly #options: SlicesOptions
  readonly #now: () => number
  readonly #units = new Map<string, UnitContents>()
  /** Healthy registrations by host, and below by unit. */
  readonly #hosts = new Map<string, Map<string, Registration[]>>()
  readonly #states = new Map<string, HostState>()
  readonly #vanishing = new Set<string>()
  #connection: ConnectionState = { kind: 'connecting', attempt: 0 }
  /** Read in full since the connection was made. */
  #fresh = false
  #synced = false

  constructor(options: SlicesOptions) {
    this.#options = options
    // The wall clock may be set: no grace ends early for that.
    this.#now = options.now ?? (() => performance.now())
  }

  unit(key: string, contents: UnitContents): void {
    this.#settle(this.#replace(key, contents))
  }

  synced(units: Iterable<string>): void {
    const present = new Set(units)
    const touched = new Set<string>()
    for (const key of this.#units.keys()) {
      if (!present.has(key)) for (const host of this.#replace(key, nothing)) touched.add(host)
    }
    this.#fresh = true
    this.#synced = true
    this.#settle(touched)
    this.#options.onSynced?.()
  }

  connection(state: ConnectionState): void {
    this.#connection = state
    if (state.kind !== 'connected') this.#fresh = false
    this.#options.onConnection?.(state)
  }

  get state(): ConnectionState {
    return this.#connection
  }

  /** Has been read in full at least once. */
  get everSynced(): boolean {
    return this.#synced
  }

  /** What is known may be old: the registry can't be reached, or has not been read in full since it could not. */
  get stale(): boolean {
    return this.#synced && !this.#fresh
  }

  of(host: string): Slice | undefined {
    const state = this.#states.get(host)
    if (state?.kind === 'vanishing') return { kind: 'vanishing', registrations: state.last }
    if (state === undefined) return undefined
    return { kind: 'live', registrations: [...(this.#hosts.get(host)?.values() ?? [])].flat() }
  }

  hosts(): Iterable<string> {
    return this.#states.keys()
  }

  /** Forgets the hosts whose grace is over. */
  expire(): void {
    if (this.#vanishing.size === 0 || !this.#fresh) return
    const { grace, massGrace } = this.#options
    const wait = this.#vanishing.size * 2 > this.#states.size ? Math.max(grace, massGrace) : grace
    const now = this.#now()
    const gone = new Set<string>()
    for (const host of this.#vanishing) {
      const state = this.#states.get(host)
      if (state?.kind === 'vanishing' && state.since + wait <= now) gone.add(host)
    }
    for (const host of gone) {
      this.#vanishing.delete(host)
      this.#states.delete(host)
    }
    if (gone.size > 0) this.#options.onChange(gone)
  }

  counts(): SliceCounts {
    let accepted = 0
    let rejected = 0
    for (const { registrations, rejections } of this.#units.values()) {
      const sick = registrations.filter(({ health }) => health === 'unhealthy').length
      accepted += registrations.length - sick
      rejected += rejections.length + sick
    }
    const { size: hosts } = this.#states
    return { units: this.#units.size, hosts, vanishing: this.#vanishing.size, accepted, rejected }
  }

  *providers(): Iterable<ProviderReport> {
    for (const [unit, { registrations, rejections }] of this.#units) {
      for (const { provider, host, health } of registrations) {
        yield { unit, provider, host, rejection: health === 'healthy' ? undefined : unhealthy(provider) }
      }
      for (const rejection of rejections) yield { unit, provider: rejection.provider, host: undefined, rejection }
    }
  }

  /** Returns the hosts that it touches. */
  #replace(key: string, contents: UnitContents): Set<string> {
    const touched = new Set((this.#units.get(key)?.registrations ?? []).map(({ host }) => host))
    const byHost = Map.groupBy(
      contents.registrations.filter(({ health }) => health === 'healthy'),
      ({ host }) => host,
    )
    for (const host of byHost.keys()) touched.add(host)
    for (const host of touched) {
      const units = this.#hosts.get(host) ?? new Map<string, Registration[]>()
      const last = units.get(key) ?? []
      const now = byHost.get(host)
      if (now === undefined) units.delete(key)
      else units.set(key, now)
      if (units.size > 0) {
        this.#hosts.set(host, units)
        this.#states.set(host, { kind: 'live' })
        this.#vanishing.delete(host)
      } else {
        this.#hosts.delete(host)
        this.#vanish(host, last)
      }
    }
    if (contents.registrations.length + contents.rejections.length > 0) this.#units.set(key, contents)
    else this.#units.delete(key)
    return touched
  }

  #vanish(host: string, last: readonly Registration[]): void {
    if (this.#states.get(host)?.kind !== 'live') return
    this.#states.set(host, { kind: 'vanishing', since: this.#now(), last })
    this.#vanishing.add(host)
  }

  #settle(touched: ReadonlySet<string>): void {
    if (touched.size > 0) this.#options.onChange(touched)
    if (this.#options.grace === 0) this.expire()
  }
}

const nothing: UnitContents = { registrations: [], rejections: [] }

function unhealthy(provider: string): Rejection {
  return { provider, code: 'REGISTRATION_UNHEALTHY', reason: 'the registry says that it is not healthy' }
}
