/** A runtime with listeners, clusters and peers for one test, and all of it gone afterwards. */
import type { Protocol } from '@aeraki/protocols'
import type {
  ClusterConfig,
  EndpointConfig,
  EndpointsConfig,
  ListenerConfig,
  LocalityEndpoints,
  RouteConfig,
  RouteTableConfig,
} from '../../src/config/model.ts'
import { createRuntime, type RealRuntime } from '../../src/create-runtime.ts'
import type { ProxyLimits } from '../../src/limits.ts'
import { KvClient, KvServer, type Behaviour } from './kv-peers.ts'
import { kvProtocol } from './kv-protocol.ts'

export interface HarnessOptions {
  readonly protocol?: Protocol
  readonly limits?: Partial<ProxyLimits>
  readonly idleTimeoutMs?: number
}

/** Node's and Bun's test context, as far as it is needed. */
interface TestContext {
  after(hook: () => Promise<void>): void
}

export const statPrefix = 'test'

export class Harness {
  readonly protocol: Protocol
  readonly runtime: RealRuntime
  readonly #options: HarnessOptions
  readonly #servers: KvServer[] = []
  readonly #clients: KvClient[] = []

  constructor(context: TestContext, options: HarnessOptions = {}) {
    this.#options = options
    this.protocol = options.protocol ?? kvProtocol('multiplexed')
    this.runtime = createRuntime({ protocol: () => this.protocol, limits: options.limits ?? {} })
    context.after(() => this.close())
  }

  async server(behaviour: Behaviour, port = 0): Promise<KvServer> {
    const server = await KvServer.start(behaviour, port)
    this.#servers.push(server)
    return server
  }

  /** A listener on a port of its own with these routes (by RDS, so that they can be replaced). */
  async listen(routes: readonly RouteConfig[], name = 'listener'): Promise<number> {
    this.routes(routes)
    await this.runtime.setListener(this.listener(name))
    return this.port(name)
  }

  listener(name = 'listener', port = 0): ListenerConfig {
    return {
      name,
      address: { host: '127.0.0.1', port },
      substitute: undefined,
      direction: 'outbound',
      filter: {
        statPrefix,
        protocol: this.protocol.name,
        routes: { kind: 'rds', name: 'routes' },
        idleTimeoutMs: this.#options.idleTimeoutMs ?? 0,
      },
    }
  }

  port(name = 'listener'): number {
    const found = this.runtime.snapshot().listeners.find(({ config }) => config.name === name)
    if (found?.bound === undefined) throw new Error(`${name} is not bound`)
    return found.bound.port
  }

  routes(routes: readonly RouteConfig[]): void {
    this.runtime.setRouteTable(table(routes))
  }

  async client(port = this.port()): Promise<KvClient> {
    const client = await KvClient.connect(port)
    this.#clients.push(client)
    return client
  }

  /** Value of a counter or gauge of the filter. */
  stat(name: string): number {
    return this.value(`meta_protocol.${this.protocol.name}.${statPrefix}.${name}`)
  }

  clusterStat(of: string, name: string): number {
    return this.value(`cluster.${of}.${name}`)
  }

  value(name: string): number {
    const value = this.runtime.stats.values().get(name)
    if (value === undefined) throw new Error(`there is no ${name}`)
    return value
  }

  async close(): Promise<void> {
    await this.runtime.close(0)
    await Promise.all(this.#clients.map((client) => client.close()))
    await Promise.all(this.#servers.map((server) => server.stop()))
  }
}

export function table(routes: readonly RouteConfig[], name = 'routes'): RouteTableConfig {
  return { name, routes }
}

export function route(
  to: string,
  match: Readonly<Record<string, string>> = {},
  more: Partial<RouteConfig> = {},
): RouteConfig {
  return {
    name: to,
    match: Object.entries(match).map(([name, value]) => ({
      name,
      matcher: { kind: 'exact', value, ignoreCase: false },
      invert: false,
    })),
    destinations: [{ cluster: to, weight: 1 }],
    timeoutMs: undefined,
    requestMutation: undefined,
    responseMutation: undefined,
    hashPolicy: [],
    mirrors: [],
    ...more,
  }
}

export function endpoint(port: number, more: Partial<EndpointConfig> = {}): EndpointConfig {
  return { address: { host: '127.0.0.1', port }, weight: 1, health: 'healthy', ...more }
}

export function locality(members: readonly EndpointConfig[], priority = 0): LocalityEndpoints {
  return { region: 'r', zone: `z${priority}`, subZone: '', priority, weight: undefined, endpoints: members }
}

export function endpoints(name: string, localities: readonly LocalityEndpoints[]): EndpointsConfig {
  return { name, localities }
}

/** A static cluster of the endpoints on these ports. */
export function cluster(name: string, ports: readonly number[], more: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name,
    policy: 'round-robin',
    connectTimeoutMs: 2000,
    limits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 100_000 },
    outlier: undefined,
    overprovisioningFactor: 140,
    panicThreshold: 0,
    endpoints: { kind: 'static', assignment: endpoints(name, [locality(ports.map((port) => endpoint(port)))]) },
    ...more,
  }
}

/** Waits until it is so; a test that never gets there is ended by its runner. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 2)
    })
  }
}
