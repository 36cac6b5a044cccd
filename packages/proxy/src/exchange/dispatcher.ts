/** The way of a request: route, cluster, endpoint, upstream connection. */
import type { Frame } from '@aeraki/protocols'
import type { Cluster } from '../cluster/cluster.ts'
import type { Endpoint } from '../cluster/endpoint.ts'
import type { Core } from '../core.ts'
import type { DownstreamConnection } from '../downstream/connection.ts'
import type { FilterState } from '../listener/filter.ts'
import type { ClusterSlot, Route } from '../route/route.ts'
import { createPool, type UpstreamPool } from '../upstream/pool.ts'
import type { Exchange } from './exchange.ts'

export class Dispatcher {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  /** Throws `ProtocolError` on a frame that turns out malformed; the client's connection is then to be closed. */
  dispatch(client: DownstreamConnection, filter: FilterState, frame: Frame): void {
    const { stats } = filter
    stats.request.value += 1
    if (frame.kind === 'oneway') stats.requestOneway.value += 1
    else stats.requestTwoway.value += 1
    const { table } = filter.routes
    const route = table === undefined ? undefined : table.match(frame)
    const exchange = this.#core.exchanges.begin(client, filter, frame, frame.operation())
    if (route === undefined) {
      const why =
        table === undefined ? `there is no route table ${filter.routes.name} yet` : 'no route matches the request'
      this.#core.exchanges.fail(exchange, 'route-not-found', why)
      return
    }
    exchange.route = route
    this.#send(exchange, route, route.choose(this.#core.random), frame)
    if (route.mirrors.length > 0) this.#mirror(filter, route, frame)
  }

  /** The exchange's endpoint could not be reached, nothing has been sent: on to the next, a few times. */
  retry(exchange: Exchange, reason: string): void {
    const { exchanges, limits } = this.#core
    const { cluster, endpoint } = exchange
    if (endpoint !== undefined) {
      exchange.tried ??= []
      exchange.tried.push(endpoint)
    }
    const tried = exchange.tried ?? []
    const next = tried.length < limits.maxConnectAttempts ? cluster?.chooseOther(tried) : undefined
    if (cluster === undefined || next === undefined) {
      exchanges.fail(
        exchange,
        'connection-failure',
        `no connection to ${tried.map(({ key }) => key).join(', ')}: ${reason}`,
      )
      return
    }
    cluster.stats.requestsRetried.value += 1
    exchanges.unassign(exchange)
    exchanges.assign(exchange, cluster, next)
    this.#pool(cluster, next, exchange).send(exchange, undefined)
  }

  #send(exchange: Exchange, route: Route, slot: ClusterSlot | undefined, frame: Frame): void {
    const { exchanges, requestTimers } = this.#core
    const cluster = slot?.cluster
    if (cluster === undefined) {
      exchanges.fail(exchange, 'cluster-not-found', `there is no cluster ${slot?.name ?? 'in the route'}`)
      return
    }
    exchange.cluster = cluster
    if (cluster.activeRequests >= cluster.config.limits.maxRequests) {
      cluster.stats.requestsOverflow.value += 1
      exchanges.fail(exchange, 'overflow', `cluster ${cluster.name} has too many requests in flight`)
      return
    }
    const endpoint = cluster.choose(route.hash(frame))
    if (endpoint === undefined) {
      cluster.stats.noHealthyUpstream.value += 1
      exchanges.fail(exchange, 'no-healthy-upstream', `no healthy endpoint in cluster ${cluster.name}`)
      return
    }
    exchanges.assign(exchange, cluster, endpoint)
    const { timeoutMs } = route
    if (timeoutMs > 0 && !exchange.oneway) requestTimers.start(exchange, timeoutMs)
    this.#pool(cluster, endpoint, exchange).send(exchange, frame)
    if (exchange.oneway && exchange.state === 'waiting' && timeoutMs > 0) requestTimers.start(exchange, timeoutMs)
  }

  /** Copies are sent and forgotten; what can't be sent at once or soon is not sent. */
  #mirror(filter: FilterState, route: Route, frame: Frame): void {
    for (const { slot, fraction } of route.mirrors) {
      const { cluster } = slot
      if (cluster === undefined || (fraction < 1 && this.#core.random() >= fraction)) continue
      if (cluster.mirrorsInFlight >= this.#core.limits.maxMirrorsInFlight) {
        cluster.stats.mirrorOverflow.value += 1
        continue
      }
      cluster.mirrorsInFlight += 1
      const exchange = this.#core.exchanges.beginMirror(filter, route, frame.kind === 'oneway')
      try {
        this.#send(exchange, route, slot, frame)
      } catch (error) {
        this.#core.exchanges.reset(exchange)
        throw error
      }
    }
  }

  #pool(cluster: Cluster, endpoint: Endpoint, exchange: Exchange): UpstreamPool {
    const { pools } = endpoint
    const { protocol } = exchange
    for (let index = 0; index < pools.length; index += 1) {
      const pool = pools[index] as UpstreamPool
      if (pool.protocol === protocol) return pool
    }
    const pool = createPool(this.#core, cluster, endpoint, protocol as NonNullable<typeof protocol>)
    pools.push(pool)
    return pool
  }
}
