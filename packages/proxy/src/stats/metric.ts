/**
 * What is counted. A metric is bound once, when the configuration names it, and is then a plain object with a number:
 * counting is `metric.value += 1`, with no look-up and no call.
 */

/** Only ever grows. */
export class Counter {
  readonly kind = 'counter'
  value = 0
}

/** Goes up and down. */
export class Gauge {
  readonly kind = 'gauge'
  value = 0
  /** What the values of several workers make together: what all of them know (members of a cluster) is no sum. */
  readonly join: 'sum' | 'max'

  constructor(join: Gauge['join'] = 'sum') {
    this.join = join
  }
}

/** Sub-buckets of each power of two: values are known to 1/32. */
const subBucketBits = 5
const subBuckets = 1 << subBucketBits
/** Values are kept in thousandths, in 31 bits: up to 2,147,483, which is 35 minutes in milliseconds. */
const scale = 1000
const largest = 0x7fff_ffff
const bucketCount = (32 - subBucketBits) * subBuckets

/** Of a histogram that has recorded nothing: most of them never do. */
const noBuckets = new Float64Array()

/** Log-linear: a constant relative error of 3 percent, 7 kB from the first record on, two additions to record. */
export class Histogram {
  readonly kind = 'histogram'
  sum = 0
  count = 0
  #buckets = noBuckets

  record(value: number): void {
    this.sum += value
    this.count += 1
    const scaled = Math.min(value * scale, largest) | 0
    this.#add(bucketOf(scaled < 0 ? 0 : scaled), 1)
  }

  /** The buckets that have any, and how many. */
  *buckets(): Iterable<readonly [bucket: number, count: number]> {
    for (const [bucket, count] of this.#buckets.entries()) if (count > 0) yield [bucket, count]
  }

  /** Adds what another one has recorded: its sum, and its buckets. */
  add(sum: number, buckets: Iterable<readonly [bucket: number, count: number]>): void {
    this.sum += sum
    for (const [bucket, count] of buckets) {
      this.count += count
      this.#add(bucket, count)
    }
  }

  /** How many were at most this. */
  atMost(value: number): number {
    const last = bucketOf(Math.min(value * scale, largest) | 0)
    let count = 0
    if (this.count === 0) return count
    for (let index = 0; index <= last; index += 1) count += this.#buckets[index] as number
    return count
  }

  /** The value below which this share (0 to 1) lies; 0 when there are none. */
  quantile(share: number): number {
    const wanted = share * this.count
    let count = 0
    if (this.count === 0) return count
    for (let index = 0; index < bucketCount; index += 1) {
      count += this.#buckets[index] as number
      if (count > 0 && count >= wanted) return upperBound(index) / scale
    }
    return 0
  }

  #add(bucket: number, count: number): void {
    if (this.#buckets === noBuckets) this.#buckets = new Float64Array(bucketCount)
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + count
  }
}

export type Metric = Counter | Gauge | Histogram

/** 0..31 one by one, then 32 buckets for each power of two. */
function bucketOf(scaled: number): number {
  if (scaled < subBuckets) return scaled
  const shift = 31 - Math.clz32(scaled) - subBucketBits
  return (shift + 1) * subBuckets + ((scaled >> shift) - subBuckets)
}

function upperBound(index: number): number {
  if (index < subBuckets) return index
  const shift = Math.floor(index / subBuckets) - 1
  return ((index % subBuckets) + subBuckets + 1) * 2 ** shift - 1
}
