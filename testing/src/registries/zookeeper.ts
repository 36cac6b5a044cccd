/** Apache ZooKeeper, Debian's (the peer `zookeeper`), one server or an ensemble. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../ports.ts'
import { type ServerProcess, serverProcess } from './server.ts'

export interface ZookeeperServer extends ServerProcess {
  readonly port: number
  /** Of the secure port, where TLS was asked for. */
  readonly securePort: number | undefined
}

export interface ZookeeperOptions {
  /** Default: a free one. */
  readonly port?: number
  /** PEM files: it then listens with TLS on a port of its own, too. */
  readonly tls?: { readonly keyAndCertificates: string; readonly authorities: string }
  /** Milliseconds; sessions can't be shorter than twice and longer than twenty times this. Default 500. */
  readonly tickTime?: number
  /** Of its JVM; default 512m. */
  readonly heap?: string
  /** More lines for its configuration. */
  readonly settings?: readonly string[]
}

/** Debian's jar names what it needs but for TLS. */
const classPath = ['zookeeper', 'netty-all', 'netty-codec', 'netty-resolver', 'netty-tcnative', 'slf4j-jdk14']
  .map((name) => `/usr/share/java/${name}.jar`)
  .join(':')

/** Not started yet. */
export async function zookeeperServer(options: ZookeeperOptions = {}): Promise<ZookeeperServer> {
  const [port, securePort] = [
    options.port ?? (await freePort()),
    options.tls === undefined ? undefined : await freePort(),
  ]
  return withConfiguration(port, securePort, options, [])
}

/** Three servers, not started yet. A majority has to run for any to serve. */
export async function zookeeperEnsemble(): Promise<ZookeeperServer[]> {
  const ids = [1, 2, 3]
  const ports = await Promise.all(ids.map(async () => [await freePort(), await freePort(), await freePort()] as const))
  const members = ports.map(([, peer, election], index) => `server.${ids[index]}=127.0.0.1:${peer}:${election}`)
  const quorum = ['initLimit=10', 'syncLimit=5', ...members]
  return ports.map(([port], index) => {
    const server = withConfiguration(port, undefined, {}, quorum)
    writeFileSync(join(server.folder, 'data/myid'), String(ids[index]))
    return server
  })
}

function withConfiguration(
  port: number,
  securePort: number | undefined,
  { tls, tickTime = 500, heap = '512m', settings = [] }: ZookeeperOptions,
  quorum: readonly string[],
): ZookeeperServer {
  const server = serverProcess({
    name: 'zookeeper',
    port,
    serves,
    command: (folder) => [
      '/usr/bin/java',
      '-XX:TieredStopAtLevel=1',
      `-Xmx${heap}`,
      '-Dzookeeper.jmx.log4j.disable=true',
      '-cp',
      classPath,
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
      join(folder, 'zoo.cfg'),
    ],
  })
  mkdirSync(join(server.folder, 'data'))
  const lines = [
    `dataDir=${join(server.folder, 'data')}`,
    `clientPort=${port}`,
    'clientPortAddress=127.0.0.1',
    `tickTime=${tickTime}`,
    'maxClientCnxns=0',
    'admin.enableServer=false',
    ...(tls === undefined || securePort === undefined
      ? []
      : [
          `secureClientPort=${securePort}`,
          'serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory',
          'ssl.clientAuth=none',
          `ssl.keyStore.location=${tls.keyAndCertificates}`,
          'ssl.keyStore.type=PEM',
          `ssl.trustStore.location=${tls.authorities}`,
          'ssl.trustStore.type=PEM',
        ]),
    ...settings,
    ...quorum,
  ]
  writeFileSync(join(server.folder, 'zoo.cfg'), `${lines.join('\n')}\n`)
  return { ...server, port, securePort }
}

/**
 * By the four-letter word `srvr`, which every server answers. A session that is asked for before is never given, and not
 * refused either; the word must not be followed by the end of the connection, or it is not answered.
 */
function serves(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('srvr'))
    let said = ''
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('data', (chunk) => (said += chunk.toString()))
    socket.on('error', () => socket.destroy())
    socket.once('close', () => resolve(said.includes('Mode:')))
  })
}
