/** A real ZooKeeper server (Debian `zookeeper`) alone, and its own command-line client. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needPeer } from '../peers.ts'
import { freePort } from '../ports.ts'

export interface ZooKeeperServer {
  readonly host: '127.0.0.1'
  readonly port: number
  stop(): Promise<void>
}

const longestStartMs = 30_000
const longestSessionMs = 30_000

/** Needs the peers `java` and `zookeeper`. Resolves when it answers. */
export async function startZooKeeper(): Promise<ZooKeeperServer> {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-zookeeper-'))
  const port = await freePort()
  const config = join(folder, 'zoo.cfg')
  const settings = [
    'tickTime=2000',
    `dataDir=${folder}`,
    'clientPortAddress=127.0.0.1',
    `clientPort=${port}`,
    'admin.enableServer=false',
    'maxClientCnxns=0',
  ]
  writeFileSync(config, `${settings.join('\n')}\n`)
  const child = java('org.apache.zookeeper.server.ZooKeeperServerMain', [config])
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)))
  let over = false
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      over = true
      resolve()
    })
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  const giveUpAt = performance.now() + longestStartMs
  while (!(await isServing(port))) {
    if (over || performance.now() > giveUpAt) {
      await stop()
      throw new Error(`ZooKeeper does not start: ${said}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { host: '127.0.0.1', port, stop }
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

/** By the four-letter word `srvr`, which every server answers. */
function isServing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    // Not ended after the word: a server that sees the end first never answers.
    const socket = connect(port, '127.0.0.1', () => socket.write('srvr'))
    let said = ''
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('data', (chunk) => (said += chunk.toString()))
    socket.on('error', () => {})
    socket.once('close', () => resolve(said.includes('Mode:')))
  })
}
