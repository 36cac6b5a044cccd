/**
 * A real Kubernetes API server over a real etcd, without nodes and controllers: what is written there stays as it was
 * written. The binaries are the peer `kubernetes` (testing/kubernetes/build.sh).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { needPeer } from '../peers.ts'

export interface Cluster {
  readonly port: number
  /** A kubeconfig of an administrator. */
  readonly adminConfig: string
  /** A kubeconfig of a user, known by its token alone; `port`: that of a relay in between. */
  configFor(user: TestUser, port?: number): string
  /** Runs kubectl as the administrator. Throws with what it said. */
  kubectl(args: readonly string[], input?: string): string
  /** The same, without throwing. */
  tryKubectl(args: readonly string[], input?: string): { readonly status: number; readonly output: string }
  /** `kubectl apply --server-side` of YAML or JSON. */
  apply(manifest: string): void
  /** Changes that a user asked for, as the server's audit log has them: only those that it carried out. */
  writesOf(user: TestUser): readonly AuditedWrite[]
  /** SIGKILL, as when its machine dies. */
  killServer(): Promise<void>
  /** After `killServer`: on the same port. Resolves when it is ready. */
  startServer(): Promise<void>
  stop(): Promise<void>
}

/** But for `admin`: the service accounts of istio-system. */
export type TestUser = 'admin' | 'aeraki' | 'aeraki-registry'

export interface AuditedWrite {
  readonly verb: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
  readonly code: number
}

const users: Readonly<Record<TestUser, { readonly name: string; readonly groups: string }>> = {
  admin: { name: 'admin', groups: 'system:masters' },
  aeraki: { name: 'system:serviceaccount:istio-system:aeraki', groups: 'system:serviceaccounts' },
  'aeraki-registry': { name: 'system:serviceaccount:istio-system:aeraki-registry', groups: 'system:serviceaccounts' },
}

/** Takes some ten seconds. */
export async function startCluster(): Promise<Cluster> {
  const binaries = process.env['KBIN'] ?? needPeer('kubernetes').path
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-kubernetes-'))
  const [etcdPort, peerPort, port] = await freePorts(3)
  if (etcdPort === undefined || peerPort === undefined || port === undefined) throw new Error('no free ports')
  writeFileSync(
    join(folder, 'tokens.csv'),
    Object.entries(users)
      .map(([token, { name, groups }]) => `${token},${name},${name},"${groups}"\n`)
      .join(''),
  )
  writeFileSync(join(folder, 'audit.yaml'), auditPolicy)
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(join(folder, 'account.key'), keys.privateKey.export({ type: 'pkcs8', format: 'pem' }))

  const etcdUrl = `http://127.0.0.1:${etcdPort}`
  const peerUrl = `http://127.0.0.1:${peerPort}`
  const etcd = spawn(
    join(binaries, 'etcd'),
    [
      '--data-dir',
      join(folder, 'etcd'),
      '--listen-client-urls',
      etcdUrl,
      '--advertise-client-urls',
      etcdUrl,
      '--listen-peer-urls',
      peerUrl,
      '--initial-advertise-peer-urls',
      peerUrl,
      '--initial-cluster',
      `default=${peerUrl}`,
      '--unsafe-no-fsync',
      '--log-level',
      'error',
    ],
    { stdio: 'ignore' },
  )
  let server: ChildProcess | undefined
  const log = join(folder, 'server.log')

  function configFor(user: TestUser, at = port): string {
    const path = join(folder, `${user}-${at}.kubeconfig`)
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user, namespace: 'default' } }],
      clusters: [
        { name: 'test', cluster: { server: `https://127.0.0.1:${at}`, 'certificate-authority': 'apiserver.crt' } },
      ],
      users: [{ name: user, user: { token: user } }],
    }
    writeFileSync(path, JSON.stringify(config))
    return path
  }

  function tryKubectl(args: readonly string[], input?: string): { status: number; output: string } {
    const run = spawnSync(join(binaries, 'kubectl'), ['--kubeconfig', configFor('admin'), ...args], {
      encoding: 'utf8',
      input: input ?? '',
      env: { ...process.env, HOME: folder },
    })
    return { status: run.status ?? 1, output: `${run.stdout}${run.stderr}` }
  }

  function kubectl(args: readonly string[], input?: string): string {
    const { status, output } = tryKubectl(args, input)
    if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output}`)
    return output
  }

  async function startServer(): Promise<void> {
    const said = spawn(
      join(binaries, 'kube-apiserver'),
      [
        `--etcd-servers=${etcdUrl}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        `--secure-port=${port}`,
        `--cert-dir=${folder}`,
        `--token-auth-file=${join(folder, 'tokens.csv')}`,
        '--authorization-mode=RBAC',
        '--service-account-issuer=https://aeraki.test',
        `--service-account-key-file=${join(folder, 'account.key')}`,
        `--service-account-signing-key-file=${join(folder, 'account.key')}`,
        '--service-cluster-ip-range=10.96.0.0/16',
        '--disable-admission-plugins=ServiceAccount',
        '--endpoint-reconciler-type=none',
        `--audit-policy-file=${join(folder, 'audit.yaml')}`,
        `--audit-log-path=${join(folder, 'audit.log')}`,
        '--audit-log-mode=blocking',
        '--v=0',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    server = said
    let last = ''
    said.stderr.on('data', (chunk: Buffer) => {
      last = (last + chunk.toString('utf8')).slice(-4000)
      writeFileSync(log, last)
    })
    for (let tries = 0; tries < 300; tries++) {
      if (said.exitCode !== null) throw new Error(`kube-apiserver ended: ${last}`)
      if (await isReady(port ?? 0)) return
      await setTimeout(200)
    }
    throw new Error(`kube-apiserver does not get ready: ${last}`)
  }

  async function killServer(): Promise<void> {
    await kill(server)
    server = undefined
  }

  async function stop(): Promise<void> {
    await killServer()
    await kill(etcd)
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    await startServer()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    port,
    adminConfig: configFor('admin'),
    configFor,
    kubectl,
    tryKubectl,
    apply: (manifest) => void kubectl(['apply', '--server-side', '-f', '-'], manifest),
    writesOf: (user) => writesIn(readFileSync(join(folder, 'audit.log'), 'utf8'), users[user].name),
    killServer,
    startServer,
    stop,
  }
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: ['${users.aeraki.name}', '${users['aeraki-registry'].name}']
    verbs: [create, update, patch, delete]
  - level: None
`

interface AuditEvent {
  readonly verb: string
  readonly user: { readonly username: string }
  readonly objectRef?: {
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code?: number }
}

function writesIn(text: string, user: string): AuditedWrite[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter((event) => event.user.username === user)
    .map(({ verb, objectRef = {}, responseStatus }) => ({
      verb,
      resource: objectRef.resource ?? '',
      subresource: objectRef.subresource ?? '',
      namespace: objectRef.namespace ?? '',
      name: objectRef.name ?? '',
      code: responseStatus?.code ?? 0,
    }))
    .filter(({ code }) => code < 300)
}

async function isReady(port: number): Promise<boolean> {
  const { request } = await import('node:https')
  return await new Promise((resolve) => {
    const options = {
      port,
      host: '127.0.0.1',
      path: '/readyz',
      rejectUnauthorized: false,
      headers: { authorization: 'Bearer admin' },
    }
    const asked = request(options, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.on('error', () => resolve(false))
    asked.end()
  })
}

async function kill(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      async (server) =>
        await new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
        }),
    ),
  )
  for (const server of servers) server.close()
  return ports
}
