/**
 * A real istiod without Kubernetes (testing/istio/build.sh): its configuration comes from folders and from servers that
 * speak MCP-over-xDS, and it serves proxies, and clients of configuration, as in a cluster.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePorts } from '../ports.ts'
import { needPeer } from '../peers.ts'

export interface IstiodOptions {
  /** Addresses of meshConfig.configSources: `fs:///folder` or `xds://host:port`. */
  readonly configSources: readonly string[]
  /** Further environment, such as ENABLE_XDS_API_GENERATOR_AUTH. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Istiod {
  /** Plaintext. */
  readonly grpcPort: number
  /** Where clients say who they are by a certificate. */
  readonly tlsPort: number
  readonly log: string
  /** A certificate of the mesh's authority for `cluster.local/ns/<namespace>/sa/<account>`; PEM. */
  certificateFor(
    namespace: string,
    account: string,
  ): { readonly ca: string; readonly cert: string; readonly key: string }
  /** A debug page, such as `/debug/configz`. */
  debug(path: string): Promise<string>
  stop(): Promise<void>
}

/** Resolves when it takes connections, which it does when it has read its sources. Throws with its log if it ends. */
export async function startIstiod({ configSources, env = {} }: IstiodOptions): Promise<Istiod> {
  const binary = join(needPeer('istio').path, 'istiod')
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-istiod-'))
  const authority = createAuthority(folder)
  writeFileSync(
    join(folder, 'mesh.yaml'),
    JSON.stringify({ configSources: configSources.map((address) => ({ address })), accessLogFile: '' }),
  )
  const [grpcPort = 0, tlsPort = 0, httpPort, httpsPort, monitoringPort, ctrlzPort] = await freePorts(6)
  const istiod = spawn(
    binary,
    [
      'discovery',
      '--registries=',
      `--meshConfig=${join(folder, 'mesh.yaml')}`,
      `--grpcAddr=127.0.0.1:${grpcPort}`,
      `--secureGRPCAddr=127.0.0.1:${tlsPort}`,
      `--httpAddr=127.0.0.1:${httpPort}`,
      `--httpsAddr=127.0.0.1:${httpsPort}`,
      `--monitoringAddr=127.0.0.1:${monitoringPort}`,
      `--ctrlz_port=${ctrlzPort}`,
      '--shutdownDuration=0s',
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        HOME: folder,
        PATH: '/usr/bin:/bin',
        POD_NAME: 'istiod-test',
        POD_NAMESPACE: 'istio-system',
        ROOT_CA_DIR: join(folder, 'ca'),
        // Filters that only Istio's own build of Envoy has.
        PILOT_ENABLE_METADATA_EXCHANGE: 'false',
        ENABLE_DEBUG_ENDPOINT_AUTH: 'false',
        PILOT_DEBOUNCE_AFTER: '10ms',
        ...env,
      },
    },
  )
  let log = ''
  for (const stream of [istiod.stdout, istiod.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()))

  async function stop(): Promise<void> {
    if (istiod.exitCode === null && istiod.signalCode === null) {
      const ended = new Promise((resolve) => istiod.once('exit', resolve))
      istiod.kill('SIGKILL')
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    await untilListening(istiod, grpcPort, () => log)
    await untilListening(istiod, tlsPort, () => log)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    grpcPort,
    tlsPort,
    get log() {
      return log
    },
    certificateFor: authority,
    debug: async (path) => await (await fetch(`http://127.0.0.1:${monitoringPort}${path}`)).text(),
    stop,
  }
}

/** How long it may take. */
const startMs = 30_000

async function untilListening(istiod: ChildProcess, port: number, log: () => string): Promise<void> {
  const deadline = Date.now() + startMs
  while (!(await takesConnections(port))) {
    if (istiod.exitCode !== null || istiod.signalCode !== null) throw new Error(`istiod ended:\n${log().slice(-4000)}`)
    if (Date.now() > deadline) throw new Error(`istiod does not listen on ${port}:\n${log().slice(-4000)}`)
    await setTimeout(50)
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** The authority of the mesh, as istiod reads it from ROOT_CA_DIR; returns what makes certificates of it. */
function createAuthority(folder: string): Istiod['certificateFor'] {
  const ca = join(folder, 'ca')
  mkdirSync(ca)
  const at = (name: string): string => join(ca, name)
  const openssl = (command: string): void => {
    execFileSync('openssl', command.split(' '), { cwd: ca, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  openssl(
    'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /O=cluster.local/CN=root' +
      ' -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign' +
      ' -keyout ca-key.pem -out ca-cert.pem',
  )
  for (const copy of ['root-cert.pem', 'cert-chain.pem']) writeFileSync(at(copy), readFileSync(at('ca-cert.pem')))
  return (namespace, account) => {
    const id = `${namespace}-${account}`
    const identity = `spiffe://cluster.local/ns/${namespace}/sa/${account}`
    writeFileSync(
      at(`${id}.ext`),
      `subjectAltName=critical,URI:${identity}\nextendedKeyUsage=clientAuth,serverAuth\nkeyUsage=critical,digitalSignature\n`,
    )
    openssl(`req -newkey rsa:2048 -nodes -subj / -keyout ${id}.key -out ${id}.csr`)
    openssl(
      `x509 -req -in ${id}.csr -days 2 -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -extfile ${id}.ext -out ${id}.pem`,
    )
    const read = (name: string): string => readFileSync(at(name), 'utf8')
    return { ca: read('root-cert.pem'), cert: read(`${id}.pem`), key: read(`${id}.key`) }
  }
}
