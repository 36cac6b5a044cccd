/** Requests that wait for a connection, oldest first. Their frames are kept, mutations made, with the client's ids. */
import type { Frame, FrameReceiver } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { Core } from '../core.ts'
import type { Exchange, ExchangeHolder } from '../exchange/exchange.ts'

export class WaitingRequests implements ExchangeHolder {
  readonly #core: Core
  readonly #cluster: Cluster
  #queue: Exchange[] = []

  constructor(core: Core, cluster: Cluster) {
    this.#core = core
    this.#cluster = cluster
  }

  get length(): number {
    return this.#queue.length
  }

  /** Fails the exchange where too many wait. */
  add(exchange: Exchange, frame: Frame | undefined): void {
    const { stats, config } = this.#cluster
    if (this.#cluster.pendingRequests >= config.limits.maxPendingRequests) {
      stats.pendingOverflow.value += 1
      this.#core.exchanges.fail(
        exchange,
        'overflow',
        `too many requests wait for a connection to cluster ${this.#cluster.name}`,
      )
      return
    }
    if (frame !== undefined) {
      const kept = this.#core.buffers.take()
      exchange.kept = kept
      frame.write(kept, exchange.idHigh, exchange.idLow, exchange.route?.requestMutation)
    }
    this.#count(1)
    stats.pendingTotal.value += 1
    exchange.state = 'waiting'
    exchange.holder = this
    this.#queue.push(exchange)
  }

  /** The next one (of this tag, if one is given), which is then the caller's. */
  shift(tag?: number): Exchange | undefined {
    const at = tag === undefined ? 0 : this.#queue.findIndex((exchange) => exchange.tag === tag)
    const exchange = this.#queue[at]
    if (exchange === undefined) return undefined
    this.#queue.splice(at, 1)
    this.#count(-1)
    exchange.holder = undefined
    return exchange
  }

  /** All of them; they are then the caller's. */
  takeAll(): readonly Exchange[] {
    const all = this.#queue
    this.#queue = []
    this.#count(-all.length)
    for (const exchange of all) exchange.holder = undefined
    return all
  }

  abandon(exchange: Exchange): void {
    const at = this.#queue.indexOf(exchange)
    if (at < 0) return
    this.#queue.splice(at, 1)
    this.#count(-1)
  }

  #count(change: number): void {
    this.#cluster.pendingRequests += change
    this.#cluster.stats.pendingActive.value += change
  }
}

/** Decodes the request that an exchange kept, and hands it over as the frame it was. */
export function replay(core: Core, exchange: Exchange, use: (frame: Frame) => void): void {
  const { kept, protocol } = exchange
  if (kept === undefined || protocol === undefined) return
  const receiver: FrameReceiver = {
    onFrame: (frame) => {
      use(frame)
      return true
    },
  }
  const { maxFrameBytes, maxAttributes } = core.limits
  // A new decoder: some learn from the first frame how a connection speaks. Mutations may have made the frame longer.
  const limits = { maxFrameBytes: Math.max(maxFrameBytes, kept.length), maxAttributes }
  protocol.decoder('request', limits).push(kept.view(), receiver)
}
