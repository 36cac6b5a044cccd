/** Choosing one of a fixed list of endpoints. A new list gets a new balancer. */
import type { LoadBalancingPolicy } from '../config/model.ts'
import { HashRing } from './ring-hash.ts'
import { MaglevTable } from './maglev.ts'
import { WeightedSchedule } from './weighted-schedule.ts'
import type { Hash64 } from './xxhash64.ts'

/** What balancers look at. */
export interface Balanced {
  /** `host:port`: what the hash policies hash. */
  readonly key: string
  /** At least 1. */
  readonly weight: number
  readonly activeRequests: number
}

export interface Balancer<Item> {
  /** @param hash of the request's hash policy; undefined: it has none. The list is never empty. */
  pick(hash: Hash64 | undefined): Item
}

/** From 0 to 1, not including it. */
export type Random = () => number

export function createBalancer<Item extends Balanced>(
  policy: LoadBalancingPolicy,
  items: readonly Item[],
  random: Random,
): Balancer<Item> {
  const first = items[0]
  if (first === undefined) throw new RangeError('a balancer needs an endpoint')
  if (items.length === 1) return { pick: () => first }
  const equal = items.every(({ weight }) => weight === first.weight)
  switch (policy) {
    case 'round-robin':
      return equal ? new RoundRobin(items, random) : new WeightedSchedule(items, random)
    case 'random':
      return equal ? new EqualRandom(items, random) : new WeightedRandom(items, random)
    case 'least-request':
      return new LeastRequest(items, equal ? new EqualRandom(items, random) : new WeightedRandom(items, random))
    case 'ring-hash':
      return new Hashed(new HashRing(items), new EqualRandom(items, random))
    default:
      return new Hashed(new MaglevTable(items), new EqualRandom(items, random))
  }
}

class RoundRobin<Item> implements Balancer<Item> {
  readonly #items: readonly Item[]
  #next: number

  /** Proxies that start together do not all begin with the same endpoint. */
  constructor(items: readonly Item[], random: Random) {
    this.#items = items
    this.#next = Math.floor(random() * items.length)
  }

  pick(): Item {
    const item = this.#items[this.#next] as Item
    this.#next = this.#next + 1 === this.#items.length ? 0 : this.#next + 1
    return item
  }
}

class EqualRandom<Item> implements Balancer<Item> {
  readonly #items: readonly Item[]
  readonly #random: Random

  constructor(items: readonly Item[], random: Random) {
    this.#items = items
    this.#random = random
  }

  pick(): Item {
    return this.#items[Math.floor(this.#random() * this.#items.length)] as Item
  }
}

class WeightedRandom<Item extends Balanced> implements Balancer<Item> {
  readonly #items: readonly Item[]
  readonly #random: Random
  /** Sums of the weights up to and with each item. */
  readonly #sums: Float64Array

  constructor(items: readonly Item[], random: Random) {
    this.#items = items
    this.#random = random
    this.#sums = new Float64Array(items.length)
    let sum = 0
    items.forEach(({ weight }, index) => {
      sum += weight
      this.#sums[index] = sum
    })
  }

  pick(): Item {
    const sums = this.#sums
    const wanted = this.#random() * (sums[sums.length - 1] as number)
    let low = 0
    let high = sums.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) > wanted) high = middle
      else low = middle + 1
    }
    return this.#items[low] as Item
  }
}

/** The power of two choices: of two at random, the one with fewer requests in flight for its weight. */
class LeastRequest<Item extends Balanced> implements Balancer<Item> {
  readonly #random: Balancer<Item>
  readonly #items: readonly Item[]

  constructor(items: readonly Item[], random: Balancer<Item>) {
    this.#items = items
    this.#random = random
  }

  pick(): Item {
    const one = this.#random.pick(undefined)
    let other = this.#random.pick(undefined)
    if (other === one && this.#items.length === 2) other = this.#items[this.#items[0] === one ? 1 : 0] as Item
    return (other.activeRequests + 1) * one.weight < (one.activeRequests + 1) * other.weight ? other : one
  }
}

/** Without a hash, any. */
class Hashed<Item> implements Balancer<Item> {
  readonly #table: { find(hash: Hash64): Item }
  readonly #random: Balancer<Item>

  constructor(table: { find(hash: Hash64): Item }, random: Balancer<Item>) {
    this.#table = table
    this.#random = random
  }

  pick(hash: Hash64 | undefined): Item {
    return hash === undefined ? this.#random.pick(undefined) : this.#table.find(hash)
  }
}
