export { needPeer, type Peer, type PeerName } from './peers.ts'
export {
  startDubboConsumer,
  startDubboProvider,
  type CallOptions,
  type ConsumerOptions,
  type DubboCall,
  type DubboConsumer,
  type DubboMethod,
  type DubboProvider,
  type ProviderOptions,
  type RegisterMode,
} from './dubbo/peers.ts'
export {
  generateThrift,
  type CallOptions as ThriftCallOptions,
  type ThriftCall,
  type ThriftClient,
  type ThriftClientOptions,
  type ThriftCode,
  type ThriftForm,
  type ThriftServer,
  type ThriftServerOptions,
} from './thrift/code.ts'
export { startNodeClient, startNodeServer, type NodeClient } from './thrift/node.ts'
export { startPythonClient, startPythonServer, type PythonClientOptions } from './thrift/python.ts'
export { startStaticEnvoy, type StaticEnvoy, type StaticEnvoyOptions, type StaticListener } from './envoy/static.ts'
export { envoyAdmin, type EnvoyAdmin } from './envoy/admin.ts'
export { type Envoy, type EnvoyOptions, startEnvoy } from './envoy/process.ts'
export { type FilterJson, staticCluster, validateWithEnvoy, type ValidationInput } from './envoy/validate.ts'
export { startCluster, type AuditedWrite, type Cluster, type TestUser } from './kubernetes/cluster.ts'
export { startIstiod, type Istiod, type IstiodOptions } from './istio/istiod.ts'
export {
  mongoSession,
  type MongoServer,
  type MongoSession,
  type MongoVersion,
  startMongoServer,
} from './mongo/server.ts'
export { createNetworkNamespace, link, type NetworkNamespace } from './network/namespace.ts'
export { startRelay, type Relay } from './relay.ts'
export { startTlsFront, type TlsFront } from './tls-front.ts'
export { freePort, freePorts } from './ports.ts'
export { startRedisCluster, type RedisCluster, type RedisClusterOptions } from './redis/cluster.ts'
export { startRedisServer, type RedisServer, type RedisServerOptions } from './redis/server.ts'
export {
  redisBenchmark,
  redisCli,
  redisCliSession,
  type BenchmarkOptions,
  type RedisLogin,
  type TlsFiles,
} from './redis/tools.ts'
export { startZooKeeper, zookeeperCli, type ZooKeeperServer } from './zookeeper/server.ts'
export { callableAddress, serverProcess, type ServerCommand, type ServerProcess } from './registries/server.ts'
export {
  zookeeperEnsemble,
  zookeeperServer,
  type ZookeeperOptions,
  type ZookeeperServer,
} from './registries/zookeeper.ts'
export { type Certificates, type KeyPair, makeCertificates } from './registries/certificates.ts'
export { etcdCluster, etcdctl, type EtcdOptions, type EtcdServer, etcdServer } from './registries/etcd.ts'
export { type ConsulAgent, consulAgent, type ConsulOptions } from './registries/consul.ts'
export {
  type EurekaApplicationOptions,
  eurekaApplication,
  type EurekaOptions,
  type EurekaServer,
  eurekaServer,
} from './registries/eureka.ts'
export { type SpringZookeeperApplicationOptions, springZookeeperApplication } from './registries/spring-zookeeper.ts'
export { freeNacosPort, type NacosOptions, type NacosServer, nacosServer } from './registries/nacos.ts'
export { eventually, says } from './waiting.ts'
