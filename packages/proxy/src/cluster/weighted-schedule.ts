import type { Balancer, Random } from './balancer.ts'

interface Entry<Item> {
  readonly item: Item
  readonly period: number
  deadline: number
}

/**
 * Weighted round robin by earliest deadline first: an item of weight w comes w times as often as one of weight 1, as
 * evenly spread as can be. A binary heap: a pick costs the logarithm of the number of items.
 */
export class WeightedSchedule<Item extends { readonly weight: number }> implements Balancer<Item> {
  readonly #heap: Entry<Item>[] = []

  constructor(items: readonly Item[], random: Random) {
    for (const item of items) {
      const period = 1 / item.weight
      // A random phase, or all proxies would begin with the heaviest.
      this.#heap.push({ item, period, deadline: period * random() })
    }
    for (let index = this.#heap.length >> 1; index >= 0; index -= 1) this.#sink(index)
  }

  pick(): Item {
    const top = this.#heap[0] as Entry<Item>
    top.deadline += top.period
    this.#sink(0)
    return top.item
  }

  #sink(from: number): void {
    const heap = this.#heap
    let at = from
    for (;;) {
      let least = at
      const left = 2 * at + 1
      for (let child = left; child <= left + 1 && child < heap.length; child += 1) {
        if ((heap[child] as Entry<Item>).deadline < (heap[least] as Entry<Item>).deadline) least = child
      }
      if (least === at) return
      const entry = heap[at] as Entry<Item>
      heap[at] = heap[least] as Entry<Item>
      heap[least] = entry
      at = least
    }
  }
}
