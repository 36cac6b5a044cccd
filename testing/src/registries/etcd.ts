/** etcd, Debian's (the peers `etcd` and `etcdctl`): one member or a cluster, and its own command-line client. */
import { spawn } from 'node:child_process'
import { freePort } from '../ports.ts'
import { needPeer } from '../peers.ts'
import type { Certificates } from './certificates.ts'
import { type ServerProcess, serverProcess } from './server.ts'

export interface EtcdServer extends ServerProcess {
  readonly port: number
  /** 127.0.0.1:PORT */
  readonly address: string
}

export interface EtcdOptions {
  /** It then takes TLS alone, and asks clients for a certificate. */
  readonly tls?: Certificates
  /** More flags. */
  readonly flags?: readonly string[]
}

/** Not started yet. */
export async function etcdServer(options: EtcdOptions = {}): Promise<EtcdServer> {
  const [server] = await servers(1, options)
  if (server === undefined) throw new Error('no server')
  return server
}

/** Three members, not started yet. Start them together: each waits for a majority. */
export async function etcdCluster(): Promise<EtcdServer[]> {
  return await servers(3, {})
}

async function servers(count: number, { tls, flags = [] }: EtcdOptions): Promise<EtcdServer[]> {
  const members: { name: string; port: number; peer: string }[] = []
  for (let index = 0; index < count; index += 1) {
    const [port, peer] = [await freePort(), await freePort()]
    members.push({ name: `m${index}`, port, peer: `http://127.0.0.1:${peer}` })
  }
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join()
  return members.map(({ name, port, peer }) => {
    const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
    const secure =
      tls === undefined
        ? []
        : [
            `--cert-file=${tls.server.cert}`,
            `--key-file=${tls.server.key}`,
            `--trusted-ca-file=${tls.ca}`,
            '--client-cert-auth',
          ]
    const server = serverProcess({
      name: 'etcd',
      port,
      command: (folder) => [
        needPeer('etcd').path,
        `--name=${name}`,
        `--data-dir=${folder}/data`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=${cluster}`,
        '--unsafe-no-fsync',
        ...secure,
        ...flags,
      ],
      // Debian's refuses to run on some architectures without.
      env: { ETCD_UNSUPPORTED_ARCH: process.arch },
    })
    return { ...server, port, address: `127.0.0.1:${port}` }
  })
}

/** Runs etcdctl, with `input` on its standard input; resolves with what it printed. */
export function etcdctl(address: string, args: readonly string[], input = '', tls?: Certificates): Promise<string> {
  const secure = tls === undefined ? [] : [`--cacert=${tls.ca}`, `--cert=${tls.client.cert}`, `--key=${tls.client.key}`]
  return new Promise((resolve, reject) => {
    const child = spawn(
      needPeer('etcdctl').path,
      [`--endpoints=${address}`, '--command-timeout=60s', ...secure, ...args],
      {
        env: { ...process.env, ETCDCTL_API: '3' },
      },
    )
    let [out, complaints] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(out)
      else reject(new Error(`etcdctl ${args.join(' ')}: ${complaints}`))
    })
    child.stdin.end(input)
  })
}
