/** What the demo asks a proxy's admin pages: where it listens, what it has been configured with, what is in force. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AerakiError } from '@aeraki/api/errors'
import { describeRoutes, type ClusterStatus, type RouteConfigDump } from './rule-words.ts'

const POLL_MS = 50
/** On a machine that is busy with other things a proxy may take its time to start. */
const LISTENING_WITHIN_MS = 30_000

interface SocketAddress {
  readonly socket_address: { readonly address: string; readonly port_value: number }
}

interface ListenerStatus {
  readonly local_address?: SocketAddress
  readonly direction?: string
  readonly state: string
  readonly bound_address?: SocketAddress
  readonly error?: string
}

interface DumpEntry {
  readonly name?: string
  readonly version_info?: string
  readonly active_state?: { readonly version_info?: string }
  readonly cluster?: { readonly name?: string }
  readonly route_config?: RouteConfigDump
  readonly endpoint_config?: { readonly cluster_name?: string }
}

type ConfigDump = { readonly configs: readonly Readonly<Record<string, unknown>>[] }

export class ProxyAdmin {
  readonly #name: string
  readonly #address: string
  readonly #crashed: Promise<never>
  /** By list of the dump: its resources with their versions, as they were seen last. */
  readonly #seen = new Map<string, string>()
  #updates = 0

  constructor(name: string, address: string, crashed: Promise<never>) {
    this.#name = name
    this.#address = address
    this.#crashed = crashed
  }

  /** Resolves when the proxy has its first answers from the control plane. */
  async live(): Promise<void> {
    const deadline = performance.now() + LISTENING_WITHIN_MS
    while (performance.now() < deadline) {
      const response = await this.#fetch('/ready').catch(() => undefined)
      if (response?.ok === true) return
      await Promise.race([sleep(POLL_MS), this.#crashed])
    }
    throw new AerakiError('DEMO_NOT_LISTENING', `${this.#name} did not become ready`)
  }

  /** Resolves with the bound address of the listener of this direction and port, once it is open. */
  async listening(direction: 'inbound' | 'outbound', port: number): Promise<string> {
    const deadline = performance.now() + LISTENING_WITHIN_MS
    let last = 'its admin pages did not answer'
    while (performance.now() < deadline) {
      const statuses = await this.#listeners().catch(() => undefined)
      const found = statuses?.find(
        (status) => status.direction === direction && status.local_address?.socket_address.port_value === port,
      )
      if (found?.state === 'listening' && found.bound_address !== undefined) {
        const { address, port_value } = found.bound_address.socket_address
        return `${address}:${port_value}`
      }
      // The proxy tries again, but whoever has the port may have it for long.
      if (found?.state === 'failed' && found.error?.includes('EADDRINUSE') === true) {
        throw new AerakiError('DEMO_PORT_TAKEN', found.error)
      }
      if (statuses !== undefined) last = `its listeners are ${JSON.stringify(statuses)}`
      await Promise.race([sleep(POLL_MS), this.#crashed])
    }
    throw new AerakiError(
      'DEMO_NOT_LISTENING',
      `${this.#name} has no open ${direction} listener on port ${port}: ${last}`,
    )
  }

  /**
   * How many configurations the proxy has been seen to take: one for each kind of resource (listeners, clusters,
   * endpoints, routes) whose names or versions are other than when it was asked last.
   */
  async updates(): Promise<number> {
    const dump = await this.#dump()
    for (const [list, entries] of dump) {
      const now = entries.map((entry) => `${nameOf(entry)}@${versionOf(entry)}`).join('\n')
      if (this.#seen.get(list) !== now) this.#updates++
      this.#seen.set(list, now)
    }
    return this.#updates
  }

  /** The routes that are in force, and the endpoints by priority where a route leaves the choice to locality; in words. */
  async rulesInForce(): Promise<string[]> {
    const [dump, clusters] = await Promise.all([this.#dump(), this.#clusters()])
    const tables = (dump.get('dynamic_route_configs') ?? []).flatMap((entry) => entry.route_config ?? [])
    return describeRoutes(tables, clusters)
  }

  async #listeners(): Promise<readonly ListenerStatus[]> {
    const { listener_statuses } = (await this.#get('/listeners?format=json')) as {
      listener_statuses: readonly ListenerStatus[]
    }
    return listener_statuses
  }

  async #clusters(): Promise<readonly ClusterStatus[]> {
    const { cluster_statuses } = (await this.#get('/clusters?format=json')) as {
      cluster_statuses: readonly ClusterStatus[]
    }
    return cluster_statuses
  }

  /** What came over xDS, by list. Warming and active are one list: a change of state is no new configuration. */
  async #dump(): Promise<ReadonlyMap<string, readonly DumpEntry[]>> {
    const { configs } = (await this.#get('/config_dump')) as ConfigDump
    const lists = new Map<string, DumpEntry[]>()
    for (const config of configs) {
      for (const [key, value] of Object.entries(config)) {
        if (!key.startsWith('dynamic_') || !Array.isArray(value)) continue
        const list = key.replace(/_(active|warming)_/, '_')
        lists.set(list, [...(lists.get(list) ?? []), ...(value as DumpEntry[])])
      }
    }
    for (const entries of lists.values()) entries.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    return lists
  }

  async #get(path: string): Promise<unknown> {
    const response = await this.#fetch(path)
    if (!response.ok) throw new Error(`${this.#name}: ${path} answered ${response.status}`)
    return await response.json()
  }

  async #fetch(path: string): Promise<Response> {
    return await fetch(`http://${this.#address}${path}`, { signal: AbortSignal.timeout(5000) })
  }
}

function nameOf(entry: DumpEntry): string {
  return entry.name ?? entry.cluster?.name ?? entry.route_config?.name ?? entry.endpoint_config?.cluster_name ?? ''
}

function versionOf(entry: DumpEntry): string {
  return entry.version_info ?? entry.active_state?.version_info ?? ''
}
