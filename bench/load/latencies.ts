/** Latencies in microseconds, to 1/128 of their value: a log-linear histogram, so that recording is one addition. */
const subBucketBits = 7
const subBuckets = 1 << subBucketBits

export class Latencies {
  readonly #buckets = new Float64Array((32 - subBucketBits) * subBuckets)
  #count = 0

  record(us: number): void {
    const index = bucketOf(us < 0 ? 0 : us | 0)
    this.#buckets[index] = (this.#buckets[index] as number) + 1
    this.#count += 1
  }

  /** @param share from 0 to 1 */
  quantile(share: number): number {
    let left = this.#count * share
    for (let index = 0; index < this.#buckets.length; index += 1) {
      left -= this.#buckets[index] as number
      if (left <= 0) return valueOf(index)
    }
    return 0
  }
}

function bucketOf(us: number): number {
  if (us < subBuckets) return us
  const shift = 31 - Math.clz32(us) - subBucketBits
  return (shift + 1) * subBuckets + ((us >> shift) - subBuckets)
}

function valueOf(index: number): number {
  if (index < subBuckets) return index
  const shift = Math.floor(index / subBuckets) - 1
  return ((index % subBuckets) + subBuckets) * 2 ** shift
}
