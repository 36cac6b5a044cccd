/** The part of sofa-rpc-node and js-remoting-for-apache-dubbo that the peers use; neither brings types. */
import { createRequire } from 'node:module'

type Attachments = Readonly<Record<string, unknown>>

interface Server {
  createContext(request: { data: { requestProps: Attachments } }): object
  addService(info: { interfaceName: string; version: string }, methods: Record<string, unknown>): void
  start(): Promise<void>
}

interface Client {
  createConsumer(options: {
    interfaceName: string
    version: string
    group: string
    serverHost: string
    responseTimeout: number
  }): Consumer
}

export interface Consumer {
  ready(): Promise<void>
  invoke(method: string, values: readonly unknown[], options: { requestProps: Attachments }): Promise<unknown>
}

const require = createRequire(import.meta.url)

const protocol: unknown = require('js-remoting-for-apache-dubbo')
const { RpcServer } = require('sofa-rpc-node').server as { RpcServer: new (options: object) => Server }
const { RpcClient } = require('sofa-rpc-node').client as { RpcClient: new (options: object) => Client }

const logger = { info() {}, warn() {}, error: (...words: readonly unknown[]) => console.error(...words) }

export function createServer(port: number): Server {
  const server = new RpcServer({ logger, protocol, port, maxIdleTime: 3_600_000 })
  server.createContext = (request) => ({ attachments: request.data.requestProps })
  return server
}

export function createClient(): Client {
  return new RpcClient({ logger, protocol })
}

export const demoService = 'org.apache.dubbo.samples.basic.api.DemoService'
export const peerService = 'io.aeraki.testing.dubbo.PeerService'
