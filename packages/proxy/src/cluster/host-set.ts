/** The endpoints of a cluster, arranged for choosing: made anew when endpoints or their health change. */
import type { ClusterConfig, EndpointsConfig } from '../config/model.ts'
import { createBalancer, type Balancer, type Random } from './balancer.ts'
import type { Endpoint } from './endpoint.ts'
import { priorityLoads } from './priority-load.ts'
import { WeightedSchedule } from './weighted-schedule.ts'
import type { Hash64 } from './xxhash64.ts'

/** Endpoints by priority, as an assignment names them. */
export interface Priority {
  readonly priority: number
  readonly localities: readonly Locality[]
}

export interface Locality {
  /** 0: not weighted. */
  readonly weight: number
  readonly endpoints: readonly Endpoint[]
}

/** A share of the traffic, and who gets it. */
interface Segment {
  /** 1 to 100: the sum of the shares up to and with this one. */
  readonly upTo: number
  readonly balancer: Balancer<Endpoint>
}

export function arrange(
  config: EndpointsConfig,
  endpointOf: (key: string) => Endpoint | undefined,
  keyOf: (address: { host: string; port: number }) => string,
): readonly Priority[] {
  const byPriority = new Map<number, Locality[]>()
  for (const { priority, weight, endpoints } of config.localities) {
    const known = endpoints.map(({ address }) => endpointOf(keyOf(address))).filter((each) => each !== undefined)
    const locality: Locality = { weight: weight ?? 0, endpoints: known }
    const others = byPriority.get(priority)
    if (others === undefined) byPriority.set(priority, [locality])
    else others.push(locality)
  }
  return [...byPriority.keys()]
    .sort((a, b) => a - b)
    .map((priority) => ({ priority, localities: byPriority.get(priority) ?? [] }))
}

export class HostSet {
  readonly #segments: readonly Segment[]
  readonly #only: Balancer<Endpoint> | undefined
  readonly #priorities: readonly Priority[]
  readonly #random: Random

  constructor(cluster: ClusterConfig, priorities: readonly Priority[], random: Random) {
    this.#priorities = priorities
    this.#random = random
    const endpoints = priorities.map(({ localities }) => localities.flatMap((locality) => locality.endpoints))
    const loads = priorityLoads(
      endpoints.map((each) => ({
        total: each.length,
        healthy: each.filter(isHealthy).length,
        degraded: each.filter(isDegraded).length,
      })),
      cluster.overprovisioningFactor,
      cluster.panicThreshold,
    )
    const segments: Segment[] = []
    let upTo = 0
    const add = (share: number, { localities }: Priority, eligible: (endpoint: Endpoint) => boolean): void => {
      const balancer = share > 0 ? localityBalancer(cluster, localities, eligible, random) : undefined
      if (balancer === undefined) return
      upTo += share
      segments.push({ upTo, balancer })
    }
    priorities.forEach((priority, index) => {
      const load = loads[index]
      if (load !== undefined) add(load.healthy, priority, load.panic ? () => true : isHealthy)
    })
    priorities.forEach((priority, index) => {
      const load = loads[index]
      if (load !== undefined) add(load.degraded, priority, load.panic ? () => true : isDegraded)
    })
    this.#segments = segments
    this.#only = segments.length === 1 ? segments[0]?.balancer : undefined
  }

  /** Undefined: no endpoint may be used. */
  choose(hash: Hash64 | undefined): Endpoint | undefined {
    if (this.#only !== undefined) return this.#only.pick(hash)
    const segments = this.#segments
    if (segments.length === 0) return undefined
    const total = (segments[segments.length - 1] as Segment).upTo
    const wanted = hash === undefined ? Math.floor(this.#random() * total) : hash.low % total
    for (const { upTo, balancer } of segments) if (wanted < upTo) return balancer.pick(hash)
    return undefined
  }

  /** Another one than these, of the first priority that has one: for a request whose endpoint could not be reached. */
  chooseOther(excluded: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    for (const { localities } of this.#priorities) {
      const others = localities
        .flatMap(({ endpoints }) => endpoints)
        .filter((endpoint) => isHealthy(endpoint) && !excluded(endpoint))
      if (others.length > 0) return others[Math.floor(this.#random() * others.length)]
    }
    return undefined
  }
}

function isHealthy(endpoint: Endpoint): boolean {
  return endpoint.health === 'healthy' && !endpoint.ejected
}

function isDegraded(endpoint: Endpoint): boolean {
  return endpoint.health === 'degraded' && !endpoint.ejected
}

/** Where localities have weights, one is chosen first: by its weight, less the part of it that is not available. */
function localityBalancer(
  cluster: ClusterConfig,
  localities: readonly Locality[],
  eligible: (endpoint: Endpoint) => boolean,
  random: Random,
): Balancer<Endpoint> | undefined {
  const hashed = cluster.policy === 'ring-hash' || cluster.policy === 'maglev'
  const weighted = localities.filter(({ weight }) => weight > 0)
  if (hashed || weighted.length < 2) {
    const all = localities.flatMap(({ endpoints }) => endpoints).filter(eligible)
    return all.length === 0 ? undefined : createBalancer(cluster.policy, all, random)
  }
  const choices = weighted.flatMap(({ weight, endpoints }) => {
    const available = endpoints.filter(eligible)
    if (available.length === 0) return []
    const share = Math.min(1, (cluster.overprovisioningFactor / 100) * (available.length / endpoints.length))
    return [{ weight: weight * share, balancer: createBalancer(cluster.policy, available, random) }]
  })
  if (choices.length === 0) return undefined
  const schedule = new WeightedSchedule(choices, random)
  return { pick: (hash) => schedule.pick().balancer.pick(hash) }
}
