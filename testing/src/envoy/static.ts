/** A real Envoy with a configuration that is all in its bootstrap. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startEnvoy } from './process.ts'
import type { FilterJson } from './validate.ts'

export interface StaticListener {
  readonly name: string
  readonly filters: readonly FilterJson[]
}

export interface StaticEnvoyOptions {
  /** Each gets a free port of loopback. */
  readonly listeners: readonly StaticListener[]
  /** Proto3 JSON of envoy.config.cluster.v3.Cluster. */
  readonly clusters: readonly object[]
}

export interface StaticEnvoy {
  portOf(listener: string): number
  /** Values of counters and gauges whose names match. */
  stats(filter: RegExp): Promise<ReadonlyMap<string, number>>
  /** What it wrote to its log. */
  readonly log: string
  stop(): Promise<void>
}

/** How long Envoy may take to listen, in milliseconds. */
const listeningMs = 20_000

/** Resolves when it listens; throws with what it said where it ends instead. */
export async function startStaticEnvoy({ listeners, clusters }: StaticEnvoyOptions): Promise<StaticEnvoy> {
  const loopback = { socket_address: { address: '127.0.0.1', port_value: 0 } }
  const bootstrap = {
    node: { id: 'test', cluster: 'test' },
    admin: { address: loopback },
    static_resources: {
      listeners: listeners.map(({ name, filters }) => ({ name, address: loopback, filter_chains: [{ filters }] })),
      clusters,
    },
  }
  const envoy = await startEnvoy({ bootstrap })
  const giveUpAt = performance.now() + listeningMs
  let ports = await envoy.listeners()
  while (ports.size < listeners.length) {
    if (performance.now() > giveUpAt) {
      await envoy.stop()
      throw new Error(`Envoy does not listen: ${envoy.log}`)
    }
    await sleep(20)
    ports = await envoy.listeners()
  }
  return {
    portOf(listener) {
      const port = ports.get(listener)?.port
      if (port === undefined) throw new Error(`Envoy has no listener ${listener}`)
      return port
    },
    async stats(filter) {
      const all = await envoy.stats('')
      return new Map([...all].filter(([name]) => filter.test(name)))
    },
    get log() {
      return envoy.log
    },
    stop: () => envoy.stop(),
  }
}
