/** A route as the data path uses it: everything that can be known before a request comes is. */
import type { Mutation } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { Hash64 } from '../cluster/xxhash64.ts'
import { xxHash64 } from '../cluster/xxhash64.ts'
import type { RouteConfig } from '../config/model.ts'
import type { Attributes } from './table.ts'

/** A cluster by its name: the object stays, the cluster in it comes, changes and goes. */
export interface ClusterSlot {
  readonly name: string
  cluster: Cluster | undefined
}

export interface Mirror {
  readonly slot: ClusterSlot
  readonly fraction: number
}

export class Route {
  readonly config: RouteConfig
  readonly timeoutMs: number
  readonly requestMutation: Mutation | undefined
  readonly responseMutation: Mutation | undefined
  readonly mirrors: readonly Mirror[]
  readonly #slots: readonly ClusterSlot[]
  /** Sums of the weights up to and with each destination. */
  readonly #sums: readonly number[]
  readonly #hashNames: readonly string[]

  constructor(config: RouteConfig, slotOf: (name: string) => ClusterSlot, defaultTimeoutMs: number) {
    this.config = config
    this.timeoutMs = config.timeoutMs ?? defaultTimeoutMs
    this.requestMutation = noneIfEmpty(config.requestMutation)
    this.responseMutation = noneIfEmpty(config.responseMutation)
    this.mirrors = config.mirrors.map(({ cluster, fraction }) => ({ slot: slotOf(cluster), fraction }))
    const weighted = config.destinations.length > 1
    const destinations = config.destinations.filter(({ weight }) => weight > 0 || !weighted)
    this.#slots = destinations.map(({ cluster }) => slotOf(cluster))
    let sum = 0
    this.#sums = destinations.map(({ weight }) => (sum += weight))
    this.#hashNames = config.hashPolicy
  }

  /** Undefined: the route has no destination with a weight. */
  choose(random: () => number): ClusterSlot | undefined {
    const slots = this.#slots
    if (slots.length <= 1) return slots[0]
    const sums = this.#sums
    const wanted = random() * (sums[sums.length - 1] as number)
    for (let index = 0; index < sums.length; index += 1) if ((sums[index] as number) > wanted) return slots[index]
    return slots[slots.length - 1]
  }

  /**
   * As the incumbent: over the sorted values of the policy's attributes, one that is missing counting as empty.
   * Undefined: no policy.
   */
  hash(request: Attributes): Hash64 | undefined {
    if (this.#hashNames.length === 0) return undefined
    const values = this.#hashNames.map((name) => request.attribute(name) ?? '').sort()
    let hash: Hash64 = { high: 0, low: 0 }
    for (const value of values) hash = xxHash64(value, hash)
    return hash
  }
}

function noneIfEmpty(mutation: Mutation | undefined): Mutation | undefined {
  return mutation === undefined || mutation.set.length === 0 ? undefined : mutation
}
