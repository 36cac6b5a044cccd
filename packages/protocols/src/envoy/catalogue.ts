import { dubboEnvoy } from '../dubbo/envoy.ts'
import { kafkaEnvoy } from '../kafka/envoy.ts'
import { metaprotocolEnvoy } from '../metaprotocol/envoy.ts'
import { mongoEnvoy } from '../mongo/envoy.ts'
import { mysqlEnvoy } from '../mysql/envoy.ts'
import { postgresEnvoy } from '../postgres/envoy.ts'
import { redisEnvoy } from '../redis/envoy.ts'
import { thriftEnvoy } from '../thrift/envoy.ts'
import { zookeeperEnvoy } from '../zookeeper/envoy.ts'
import type { EnvoyProtocol } from './contract.ts'

/**
 * Every protocol that a stock Envoy does something with: a file `envoy.ts` in the folder of the protocol and a line here.
 * Apart from the catalogue of codecs, so that a proxy does not load what only the control plane uses.
 */
export const envoyProtocols: readonly EnvoyProtocol[] = [
  dubboEnvoy,
  kafkaEnvoy,
  metaprotocolEnvoy,
  mongoEnvoy,
  mysqlEnvoy,
  postgresEnvoy,
  redisEnvoy,
  thriftEnvoy,
  zookeeperEnvoy,
]

export function envoyProtocolByName(name: string): EnvoyProtocol | undefined {
  return envoyProtocols.find((protocol) => protocol.name === name)
}
