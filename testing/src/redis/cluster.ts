/** A real Redis Cluster on loopback, made by `redis-cli --cluster create`. */
import { freePorts } from '../ports.ts'
import { type RedisServer, startRedisServer } from './server.ts'
import { redisCluster, type TlsFiles } from './tools.ts'

export interface RedisClusterOptions {
  /** At least 3. */
  readonly masters: number
  readonly replicasPerMaster: number
  readonly password?: string
  readonly tls?: TlsFiles
}

export interface RedisCluster {
  /** In the order in which they were started; who is a master is for the cluster to say. */
  readonly nodes: readonly RedisServer[]
  stop(): Promise<void>
}

/** Resolves when every slot is served and every replica in sync. */
export async function startRedisCluster(options: RedisClusterOptions): Promise<RedisCluster> {
  const { masters, replicasPerMaster, password, tls } = options
  const access = { ...(password === undefined ? {} : { password }), ...(tls === undefined ? {} : { tls }) }
  const busPorts = await freePorts(masters * (1 + replicasPerMaster))
  const nodes: RedisServer[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    for (const busPort of busPorts) {
      const config = [
        ['cluster-enabled', 'yes'],
        ['cluster-port', String(busPort)],
        ['cluster-config-file', 'nodes.conf'],
        ['cluster-node-timeout', '5000'],
        ['repl-diskless-sync-delay', '0'],
      ]
      nodes.push(await startRedisServer({ config, ...access }))
    }
    const addresses = nodes.map(({ host, port }) => `${host}:${port}`)
    await redisCluster(
      ['create', ...addresses, '--cluster-replicas', String(replicasPerMaster), '--cluster-yes'],
      access,
    )
    for (const node of nodes) await ready(node)
    return { nodes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function ready(node: RedisServer): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const info = await node.ask('cluster', 'info')
    const replication = await node.ask('info', 'replication')
    const synced = replication.includes('role:master') || replication.includes('master_link_status:up')
    if (info.includes('cluster_state:ok') && synced) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the cluster's node at port ${node.port} does not come up`)
}
