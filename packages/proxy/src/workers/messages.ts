/**
 * What the main thread and a worker say to each other. Orders are carried out in the order in which they were given;
 * those with a `call` are answered when they are done, which may be later than orders given after them.
 */
import type { LogRecord } from '@logtape/logtape'
import type { ClusterConfig, EndpointsConfig, ListenerConfig, RouteTableConfig } from '../config/model.ts'
import type { InterceptStats } from '../intercept/sockets.ts'
import type { EndpointSnapshot } from '../runtime.ts'
import type { StatsReport } from './stats-report.ts'

export type Order =
  | { readonly kind: 'set-route-table'; readonly table: RouteTableConfig }
  | { readonly kind: 'remove-route-table'; readonly name: string }
  | { readonly kind: 'set-cluster'; readonly cluster: ClusterConfig }
  | { readonly kind: 'remove-cluster'; readonly name: string }
  | { readonly kind: 'set-endpoints'; readonly endpoints: EndpointsConfig }
  | { readonly kind: 'remove-endpoints'; readonly name: string }
  | { readonly kind: 'serve-intercepted'; readonly listeners: ReadonlyMap<string, string> }
  | (Question & { readonly call: number })

/** Orders that are answered: a report with a `Report`, the others when they are done. */
export type Question =
  /** Answered when all orders before have been carried out, or are under way where they take time. */
  | { readonly kind: 'applied' }
  | { readonly kind: 'set-listener'; readonly config: ListenerConfig }
  | { readonly kind: 'remove-listener'; readonly name: string; readonly drainMs: number | undefined }
  | { readonly kind: 'intercept'; readonly port: number }
  | { readonly kind: 'stop-intercepting' }
  | { readonly kind: 'report' }
  | { readonly kind: 'close'; readonly graceMs: number }

/** What a worker knows of itself. */
export interface Report {
  /** Connections by the name of the listener, if there are any. */
  readonly connections: ReadonlyMap<string, number>
  /** By the name of the cluster: endpoints that were ever used. */
  readonly endpoints: ReadonlyMap<string, readonly EndpointNumbers[]>
  readonly stats: StatsReport
  readonly intercepted: InterceptStats | undefined
}

export interface EndpointNumbers extends Pick<
  EndpointSnapshot,
  'address' | 'connections' | 'activeRequests' | 'totalRequests' | 'failedRequests'
> {
  readonly ejected: boolean
}

export type Word =
  /** It takes orders. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly call: number; readonly report: Report | undefined }
  | { readonly kind: 'failed'; readonly call: number; readonly code: string; readonly message: string }
  | { readonly kind: 'log'; readonly record: LogRecord }
