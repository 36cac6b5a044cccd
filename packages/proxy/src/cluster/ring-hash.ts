import type { Balanced } from './balancer.ts'
import { compareHashes, xxHash64, type Hash64 } from './xxhash64.ts'

/** Envoy's default minimum_ring_size. */
const minRingSize = 1024
/** Less than Envoy's 8 M: a hundred-thousandth of the weight still gets a point. */
const maxRingSize = 128 * 1024

interface Point<Item> {
  readonly hash: Hash64
  readonly item: Item
}

/**
 * Consistent hashing: each endpoint has points on a ring, in proportion to its weight; a request goes to the first point
 * at or after its hash. When an endpoint leaves, few other requests than its own move. The points are Envoy's (the hashes
 * of `host:port_0`, `host:port_1`, ..., in the same numbers), so that proxies of both kinds agree.
 */
export class HashRing<Item extends Balanced> {
  readonly #points: readonly Point<Item>[]

  constructor(items: readonly Item[]) {
    const total = items.reduce((sum, { weight }) => sum + weight, 0)
    const lightest = Math.min(...items.map(({ weight }) => weight)) / total
    const size = Math.min(Math.ceil(lightest * minRingSize) / lightest, maxRingSize)
    const points: Point<Item>[] = []
    let target = 0
    for (const item of items) {
      target += (size * item.weight) / total
      for (let index = 0; points.length < target; index += 1) {
        points.push({ hash: xxHash64(`${item.key}_${index}`), item })
      }
    }
    this.#points = points.sort((a, b) => compareHashes(a.hash, b.hash))
  }

  find(hash: Hash64): Item {
    const points = this.#points
    let low = 0
    let high = points.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareHashes((points[middle] as Point<Item>).hash, hash) < 0) low = middle + 1
      else high = middle
    }
    const point = points[low === points.length ? 0 : low] as Point<Item>
    return point.item
  }
}
