/** A data path with one outbound listener and a static cluster for each destination, for interop suites. */
import { type AddressInfo, createServer } from 'node:net'
import type { AttributeMatch, ClusterConfig, RouteConfig } from '../../src/config/model.ts'
import { createRuntime } from '../../src/create-runtime.ts'
import type { Runtime } from '../../src/runtime.ts'

export interface SmallMesh {
  /** `127.0.0.1:PORT`, where clients connect. */
  readonly address: string
  readonly runtime: Runtime
  /** Replaces the route table under the live connections. */
  setRoutes(...routes: readonly RouteConfig[]): void
  /** Replaces or adds the cluster of this name with these ports of 127.0.0.1. */
  setCluster(name: string, ports: readonly number[]): void
  close(): Promise<void>
}

const tableName = 'interop_routes'

export async function startSmallMesh(
  protocol: string,
  clusters: Readonly<Record<string, readonly number[]>>,
): Promise<SmallMesh> {
  const runtime = createRuntime()
  const setCluster = (name: string, ports: readonly number[]): void => runtime.setCluster(cluster(name, ports))
  const setRoutes = (...routes: readonly RouteConfig[]): void => runtime.setRouteTable({ name: tableName, routes })
  for (const [name, ports] of Object.entries(clusters)) setCluster(name, ports)
  setRoutes()
  await runtime.setListener({
    name: 'interop',
    address: { host: '127.0.0.1', port: 0 },
    substitute: undefined,
    direction: 'outbound',
    filter: { statPrefix: 'interop', protocol, routes: { kind: 'rds', name: tableName }, idleTimeoutMs: 0 },
  })
  const bound = runtime.snapshot().listeners[0]?.bound
  if (bound === undefined) throw new Error('the listener is not bound')
  return { address: `127.0.0.1:${bound.port}`, runtime, setRoutes, setCluster, close: () => runtime.close(1000) }
}

/** A route to one cluster or, with weights, to several. */
export function route(
  destinations: string | Readonly<Record<string, number>>,
  more: Partial<RouteConfig> = {},
): RouteConfig {
  const weights = typeof destinations === 'string' ? { [destinations]: 100 } : destinations
  return {
    name: 'route',
    match: [],
    destinations: Object.entries(weights).map(([name, weight]) => ({ cluster: name, weight })),
    timeoutMs: undefined,
    requestMutation: undefined,
    responseMutation: undefined,
    hashPolicy: [],
    mirrors: [],
    ...more,
  }
}

export function exact(name: string, value: string): AttributeMatch {
  return { name, matcher: { kind: 'exact', value, ignoreCase: false }, invert: false }
}

/** A port that was free a moment ago, for servers that can't pick one themselves. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}

function cluster(name: string, ports: readonly number[]): ClusterConfig {
  const endpoints = ports.map((port) => ({
    address: { host: '127.0.0.1', port },
    weight: 1,
    health: 'healthy' as const,
  }))
  const locality = { region: '', zone: '', subZone: '', priority: 0, weight: undefined, endpoints }
  return {
    name,
    policy: 'round-robin',
    connectTimeoutMs: 2000,
    limits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024 },
    outlier: undefined,
    overprovisioningFactor: 140,
    panicThreshold: 0,
    endpoints: { kind: 'static', assignment: { name, localities: [locality] } },
  }
}
