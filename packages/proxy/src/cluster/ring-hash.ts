import type { Balanced } from './balancer.ts'
import { compareHashes, xxHash64, type Hash64 } from './xxhash64.ts'

/** Envoy's default minimum_ring_size. */
const minRingSize = 1024
/** Of one endpoint, however light the others are. */
const maxPointsEach = 4096

/**
 * Consistent hashing: each endpoint has points on a ring, in proportion to its weight; a request goes to the first point
 * at or after its hash. When an endpoint leaves, only its requests move. Points are hashed as Envoy does
 * (`host:port_0`, `host:port_1`, ...).
 */
export class HashRing<Item extends Balanced> {
  readonly #points: readonly { readonly hash: Hash64; readonly item: Item }[]

  constructor(items: readonly Item[]) {
    const total = items.reduce((sum, { weight }) => sum + weight, 0)
    const lightest = Math.min(...items.map(({ weight }) => weight))
    const perWeight = Math.max(minRingSize / total, 1 / lightest)
    this.#points = items
      .flatMap((item) => {
        const count = Math.min(maxPointsEach, Math.ceil(item.weight * perWeight))
        return Array.from({ length: count }, (_, index) => ({ hash: xxHash64(`${item.key}_${index}`), item }))
      })
      .sort((a, b) => compareHashes(a.hash, b.hash))
  }

  find(hash: Hash64): Item {
    const points = this.#points
    let low = 0
    let high = points.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareHashes((points[middle] as { hash: Hash64 }).hash, hash) < 0) low = middle + 1
      else high = middle
    }
    const point = points[low === points.length ? 0 : low] as { item: Item }
    return point.item
  }
}
