/** A real ZooKeeper server (Debian `zookeeper`) alone, and its own command-line client. */
import { type ChildProcess, spawn } from 'node:child_process'
import { needPeer } from '../peers.ts'
import { zookeeperServer } from '../registries/zookeeper.ts'

export interface ZooKeeperServer {
  readonly host: '127.0.0.1'
  readonly port: number
  stop(): Promise<void>
}

const longestSessionMs = 30_000

/** Needs the peers `java` and `zookeeper`. Resolves when it answers. */
export async function startZooKeeper(): Promise<ZooKeeperServer> {
  const server = await zookeeperServer()
  await server.start()
  return { host: '127.0.0.1', port: server.port, stop: () => server.close() }
}

/** Gives lines such as `get /path` to zkCli, in one session; resolves with all that it printed. */
export function zookeeperCli(port: number, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = java('org.apache.zookeeper.ZooKeeperMain', ['-server', `127.0.0.1:${port}`])
    const patience = setTimeout(() => child.kill('SIGKILL'), longestSessionMs)
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    }
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(patience)
      if (signal === null) resolve(said)
      else reject(new Error(`zkCli was killed (${code ?? signal}); it had said: ${said}`))
    })
    child.stdin?.on('error', () => {})
    child.stdin?.end(`${lines.join('\n')}\nquit\n`)
  })
}

function java(main: string, args: readonly string[]): ChildProcess {
  const classes = ['-Xmx128m', '-cp', needPeer('zookeeper').path]
  return spawn(needPeer('java').path, [...classes, main, ...args], { stdio: 'pipe' })
}
