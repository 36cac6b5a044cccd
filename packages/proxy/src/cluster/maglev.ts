import type { Balanced } from './balancer.ts'
import { remainder, xxHash64, type Hash64 } from './xxhash64.ts'

/** Envoy's default; a prime. */
const tableSize = 65_537

interface Filler {
  readonly index: number
  readonly skip: number
  readonly share: number
  position: number
  credit: number
}

/**
 * Maglev hashing (https://research.google/pubs/pub44824/, section 3.4): a table in which each endpoint owns slots in
 * proportion to its weight; a look-up is one array access. Each endpoint fills slots in its own permutation.
 */
export class MaglevTable<Item extends Balanced> {
  readonly #items: readonly Item[]
  readonly #slots: Int32Array

  constructor(items: readonly Item[]) {
    this.#items = items
    this.#slots = fill(items)
  }

  find(hash: Hash64): Item {
    return this.#items[this.#slots[remainder(hash, tableSize)] as number] as Item
  }
}

function fill(items: readonly Balanced[]): Int32Array {
  const heaviest = Math.max(...items.map(({ weight }) => weight))
  const fillers = items.map(({ key, weight }, index): Filler => ({
    index,
    position: remainder(xxHash64(key), tableSize),
    skip: remainder(xxHash64(key, { high: 0, low: 1 }), tableSize - 1) + 1,
    share: weight / heaviest,
    credit: 0,
  }))
  const slots = new Int32Array(tableSize).fill(-1)
  let left = tableSize
  while (left > 0) {
    for (const filler of fillers) {
      filler.credit += filler.share
      if (filler.credit < 1) continue
      filler.credit -= 1
      while (slots[filler.position] !== -1) filler.position = (filler.position + filler.skip) % tableSize
      slots[filler.position] = filler.index
      left -= 1
      if (left === 0) break
    }
  }
  return slots
}
