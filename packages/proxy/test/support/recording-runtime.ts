/** A `Runtime` that does nothing but write down what it is told. */
import type { ClusterConfig, EndpointsConfig, ListenerConfig, RouteTableConfig } from '../../src/config/model.ts'
import type { InterceptSockets } from '../../src/intercept/sockets.ts'
import type { Runtime, RuntimeSnapshot } from '../../src/runtime.ts'

export class RecordingRuntime implements Runtime {
  /** `set cluster a`, in order. */
  readonly calls: string[] = []
  readonly listeners = new Map<string, ListenerConfig>()
  readonly tables = new Map<string, RouteTableConfig>()
  readonly clusters = new Map<string, ClusterConfig>()
  readonly endpoints = new Map<string, EndpointsConfig>()
  /** Names of listeners whose address can't be bound. */
  readonly unbindable = new Set<string>()
  closed = false

  async setListener(config: ListenerConfig): Promise<void> {
    this.calls.push(`set listener ${config.name}`)
    if (this.unbindable.has(config.name)) throw new Error(`can't bind ${config.name}`)
    this.listeners.set(config.name, config)
  }
  async removeListener(name: string): Promise<void> {
    this.calls.push(`remove listener ${name}`)
    this.listeners.delete(name)
  }
  setRouteTable(table: RouteTableConfig): void {
    this.calls.push(`set table ${table.name}`)
    this.tables.set(table.name, table)
  }
  removeRouteTable(name: string): void {
    this.calls.push(`remove table ${name}`)
    this.tables.delete(name)
  }
  setCluster(config: ClusterConfig): void {
    this.calls.push(`set cluster ${config.name}`)
    this.clusters.set(config.name, config)
  }
  removeCluster(name: string): void {
    this.calls.push(`remove cluster ${name}`)
    this.clusters.delete(name)
  }
  setEndpoints(endpoints: EndpointsConfig): void {
    this.calls.push(`set endpoints ${endpoints.name}`)
    this.endpoints.set(endpoints.name, endpoints)
  }
  removeEndpoints(name: string): void {
    this.calls.push(`remove endpoints ${name}`)
    this.endpoints.delete(name)
  }
  async intercept(): Promise<InterceptSockets> {
    throw new Error('nothing is intercepted here')
  }
  snapshot(): RuntimeSnapshot {
    return {
      listeners: [...this.listeners.values()].map((config) => ({
        config,
        state: 'listening',
        bound: config.substitute ?? config.address,
        connections: 0,
        error: undefined,
      })),
      clusters: [...this.clusters.values()].map((config) => ({ config, endpoints: [] })),
      routeTables: [...this.tables.values()],
    }
  }
  async close(): Promise<void> {
    this.closed = true
  }

  /** The calls since the last time. */
  take(): readonly string[] {
    return this.calls.splice(0)
  }
}

/** Lets everything happen that needs no timer. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}
