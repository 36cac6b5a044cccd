/** Statistics of the process and of its configuration, beside those of the data path. */
import { resourceKinds, type ResourceKind } from '../config/resource-log.ts'
import type { AdminContext } from './context.ts'

export interface ServerMetric {
  readonly kind: 'counter' | 'gauge'
  /** Envoy's. */
  readonly name: string
  readonly value: number
}

/** Envoy's names of the four services. */
const services: Readonly<Record<ResourceKind, string>> = {
  listener: 'listener_manager.lds',
  cluster: 'cluster_manager.cds',
  endpoints: 'cluster_manager.eds',
  routes: 'rds',
}

const states = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING']

export function* serverMetrics(context: AdminContext): Iterable<ServerMetric> {
  const memory = process.memoryUsage()
  yield gauge('server.live', context.state() === 'LIVE' ? 1 : 0)
  yield gauge('server.state', states.indexOf(context.state()))
  yield gauge('server.uptime', Math.floor((Date.now() - context.startedAt.getTime()) / 1000))
  yield gauge('server.concurrency', context.concurrency)
  yield gauge('server.memory_allocated', memory.heapUsed)
  yield gauge('server.memory_physical_size', memory.rss)
  yield gauge('control_plane.connected_state', context.controlPlane()?.kind === 'connected' ? 1 : 0)
  for (const kind of resourceKinds) {
    const { accepted, rejected } = context.resources.updates[kind]
    yield counter(`${services[kind]}.update_success`, accepted)
    yield counter(`${services[kind]}.update_rejected`, rejected)
  }
  const { listeners, clusters } = context.runtime.snapshot()
  const inState = (state: string): number => listeners.filter((listener) => listener.state === state).length
  yield gauge('listener_manager.total_listeners_active', inState('listening'))
  yield gauge('listener_manager.total_listeners_warming', context.warming().size)
  yield gauge('listener_manager.total_listeners_failed', inState('failed'))
  yield gauge('cluster_manager.active_clusters', clusters.length)
  const intercepted = context.intercepted()
  if (intercepted === undefined) return
  yield counter('intercept.accepted', intercepted.accepted)
  yield counter('intercept.unknown_destination', intercepted.unknown)
}

function gauge(name: string, value: number): ServerMetric {
  return { kind: 'gauge', name, value }
}

function counter(name: string, value: number): ServerMetric {
  return { kind: 'counter', name, value }
}
