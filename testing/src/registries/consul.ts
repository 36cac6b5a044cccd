/** A Consul agent in development mode (the peer `consul`). */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { needPeer } from '../peers.ts'
import { type ServerProcess, serverProcess } from './server.ts'

export interface ConsulAgent extends ServerProcess {
  readonly port: number
  /** http://127.0.0.1:PORT */
  readonly url: string
  /** Asks its HTTP interface; resolves with the JSON of the answer, rejects unless it is a success. */
  request(method: string, path: string, body?: unknown, token?: string): Promise<unknown>
}

export interface ConsulOptions {
  /** Access is then denied without a token; this is one for everything. */
  readonly managementToken?: string
  readonly datacenter?: string
}

/** Not started yet. It keeps nothing when it stops. */
export async function consulAgent(options: ConsulOptions = {}): Promise<ConsulAgent> {
  const [port = 0, dns = 0, grpc = 0, server = 0, lan = 0, wan = 0] = await freePorts(6)
  const token = options.managementToken
  const settings = {
    ports: { http: port, dns, grpc, server, serf_lan: lan, serf_wan: wan, grpc_tls: -1 },
    datacenter: options.datacenter ?? 'dc1',
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    log_level: 'WARN',
    ...(token === undefined
      ? {}
      : { acl: { enabled: true, default_policy: 'deny', tokens: { initial_management: token, agent: token } } }),
  }
  const agent = serverProcess({
    name: 'consul',
    port,
    command: (folder) => [needPeer('consul').path, 'agent', '-dev', `-config-file=${join(folder, 'agent.json')}`],
  })
  writeFileSync(join(agent.folder, 'agent.json'), JSON.stringify(settings))
  const url = `http://127.0.0.1:${port}`
  return {
    ...agent,
    port,
    url,
    async request(method, path, body, as = token) {
      const answer = await fetch(url + path, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: as === undefined ? {} : { 'x-consul-token': as },
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return text === '' ? undefined : JSON.parse(text)
    },
  }
}
