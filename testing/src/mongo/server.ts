/**
 * A server of MongoDB's wire protocol, in memory (mongo-java-server, the peer `mongo`), and a client on MongoDB's own driver for
 * Python. MongoDB itself is in no registry: the server is a third party's, and the driver judges it.
 */
import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { needPeer } from '../peers.ts'

/** What the server says it is; the driver chooses its messages by that: OP_QUERY for 3.4, OP_MSG for 3.6. */
export type MongoVersion = '3.4' | '3.6'

const versions: Readonly<Record<MongoVersion, readonly string[]>> = { '3.4': ['3', '4', '5'], '3.6': ['3', '6', '6'] }

export interface MongoServer {
  readonly port: number
  stop(): Promise<void>
}

/** What the client's code saw of its session: a few documents inserted, changed, deleted and read. */
export interface MongoSession {
  readonly cups: readonly number[]
  readonly names: readonly string[]
}

const client = join(dirname(fileURLToPath(import.meta.url)), '../../mongo/client.py')

/** Needs the peers `java` and `mongo`. */
export async function startMongoServer(version: MongoVersion): Promise<MongoServer> {
  const jvm = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx128m', '-cp', `${needPeer('mongo').path}/lib/*`]
  const main = ['io.aeraki.testing.mongo.Server', ...versions[version]]
  const child = spawn(needPeer('java').path, [...jvm, ...main], { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()))
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  if (first.done === true) throw new Error(`the server of MongoDB's protocol ended: ${complaints}`)
  const { port } = JSON.parse(first.value) as { readonly port: number }
  return {
    port,
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Needs the peer `python`. Rejects with what the driver said. */
export async function mongoSession(port: number): Promise<MongoSession> {
  const { stdout } = await promisify(execFile)(needPeer('python').path, [client, String(port)], { timeout: 60_000 })
  return JSON.parse(stdout) as MongoSession
}
