/** A Spring Cloud application that registers itself in ZooKeeper, as they all do (the peer `spring-zookeeper`). */
import { freePort } from '../ports.ts'
import { needPeer } from '../peers.ts'
import { type ServerProcess, serverProcess } from './server.ts'

export interface SpringZookeeperApplicationOptions {
  readonly name: string
  /** `host:port`, separated by commas. */
  readonly servers: string
  readonly metadata?: Readonly<Record<string, string>>
  /** Default `UP`. */
  readonly status?: 'UP' | 'OUT_OF_SERVICE'
}

/** Not started yet. `stop` ends it as `kill -9` does: what it registered goes with its session, after four seconds. */
export async function springZookeeperApplication({
  name,
  servers,
  metadata = {},
  status = 'UP',
}: SpringZookeeperApplicationOptions): Promise<ServerProcess & { port: number }> {
  const port = await freePort()
  const properties = {
    'spring.main.banner-mode': 'off',
    'server.port': port,
    'spring.application.name': name,
    'spring.cloud.zookeeper.connect-string': servers,
    'spring.cloud.zookeeper.session-timeout': '4s',
    'spring.cloud.zookeeper.discovery.instance-host': '127.0.0.1',
    'spring.cloud.zookeeper.discovery.initial-status': status,
    ...Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [`spring.cloud.zookeeper.discovery.metadata.${key}`, value]),
    ),
  }
  const server = serverProcess({
    name: 'spring-zookeeper',
    port,
    patience: 120_000,
    command: () => [
      needPeer('java').path,
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-Xmx128m',
      ...Object.entries(properties).map(([key, value]) => `-D${key}=${value}`),
      '-cp',
      `${needPeer('spring-zookeeper').path}/lib/*`,
      'io.aeraki.testing.spring.Application',
    ],
  })
  return { ...server, port }
}
