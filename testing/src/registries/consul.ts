/** A Consul server of its own (the peer `consul`), or several in datacenters that know each other. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { needPeer } from '../peers.ts'
import type { Certificates } from './certificates.ts'
import { type ServerProcess, serverProcess } from './server.ts'

export interface ConsulAgent extends ServerProcess {
  /** http://127.0.0.1:PORT, or https where it has certificates. */
  readonly url: string
  /** Where servers of other datacenters meet it. */
  readonly wan: string
  /** Asks its HTTP interface; resolves with the JSON of the answer, rejects unless it is a success. */
  request(method: string, path: string, body?: unknown, token?: string): Promise<unknown>
  /** All that it holds, and back to it. */
  snapshot(): Promise<ArrayBuffer>
  restore(snapshot: ArrayBuffer): Promise<void>
}

export interface ConsulOptions {
  /** Access is then denied without a token; this is one for everything. */
  readonly managementToken?: string
  readonly datacenter?: string
  /** Servers of other datacenters, by their `wan`. */
  readonly join?: readonly string[]
  /** It then has an interface with TLS, and asks clients for a certificate. */
  readonly tls?: Certificates
  /** What it keeps when it stops: all, or nothing, as in development mode. Default nothing. */
  readonly keeps?: 'nothing' | 'all'
}

/** Not started yet. When it has started it has a leader. */
export async function consulAgent(options: ConsulOptions = {}): Promise<ConsulAgent> {
  const [port = 0, https = 0, dns = 0, grpc = 0, server = 0, lan = 0, wan = 0] = await freePorts(7)
  const { managementToken: token, tls, datacenter = 'dc1', join: others = [], keeps = 'nothing' } = options
  const settings = {
    ports: {
      http: port,
      https: tls === undefined ? -1 : https,
      dns,
      grpc,
      server,
      serf_lan: lan,
      serf_wan: wan,
      grpc_tls: -1,
    },
    node_name: `node-${datacenter}`,
    datacenter,
    primary_datacenter: others.length === 0 ? datacenter : undefined,
    retry_join_wan: others,
    retry_interval_wan: '1s',
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    log_level: 'WARN',
    ...(tls === undefined ? {} : { tls: { https: { ...filesOf(tls), verify_incoming: true } } }),
    ...(token === undefined
      ? {}
      : { acl: { enabled: true, default_policy: 'deny', tokens: { initial_management: token, agent: token } } }),
    ...(keeps === 'nothing' ? {} : { server: true, bootstrap_expect: 1, performance: { raft_multiplier: 1 } }),
  }
  const url = `http://127.0.0.1:${port}`
  const process = serverProcess({
    name: 'consul',
    port,
    command: (folder) => [
      needPeer('consul').path,
      'agent',
      ...(keeps === 'nothing' ? ['-dev'] : [`-data-dir=${join(folder, 'data')}`]),
      `-config-file=${join(folder, 'agent.json')}`,
    ],
    serves: () => hasNode(url, token),
  })
  writeFileSync(join(process.folder, 'agent.json'), JSON.stringify(settings))
  return {
    ...process,
    url: tls === undefined ? url : `https://127.0.0.1:${https}`,
    wan: `127.0.0.1:${wan}`,
    async request(method, path, body, as = token) {
      const answer = await fetch(url + path, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: headersOf(as),
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return text === '' ? undefined : JSON.parse(text)
    },
    async snapshot() {
      const answer = await fetch(`${url}/v1/snapshot`, { headers: headersOf(token) })
      if (!answer.ok) throw new Error(`snapshot: ${answer.status} ${await answer.text()}`)
      return await answer.arrayBuffer()
    },
    async restore(snapshot) {
      const answer = await fetch(`${url}/v1/snapshot`, { method: 'PUT', body: snapshot, headers: headersOf(token) })
      if (!answer.ok) throw new Error(`restore: ${answer.status} ${await answer.text()}`)
    },
  }
}

/** It knows itself, which is some time after it takes connections: there must be a leader first. */
async function hasNode(url: string, token: string | undefined): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/v1/catalog/nodes`, { headers: headersOf(token) })
    const nodes: unknown = answer.ok ? await answer.json() : []
    return Array.isArray(nodes) && nodes.length > 0
  } catch {
    return false
  }
}

function headersOf(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { 'x-consul-token': token }
}

function filesOf({ ca, server }: Certificates): Record<string, string> {
  return { ca_file: ca, cert_file: server.cert, key_file: server.key }
}
