import { awesomerpc } from './awesomerpc/index.ts'
import type { Protocol } from './contract.ts'
import { dubbo } from './dubbo/index.ts'
import { thrift } from './thrift/index.ts'

/** Every protocol that the proxy speaks. Adding one is a folder beside this file and a line here. */
export const protocols: readonly Protocol[] = [awesomerpc, dubbo, thrift]

export function protocolByName(name: string): Protocol | undefined {
  return protocols.find((protocol) => protocol.name === name)
}
