/** The types of registry, one line each. */
import type { RegistryType } from './contract.ts'
import { consul } from './consul/registry.ts'
import { etcd } from './etcd/registry.ts'
import { eureka } from './eureka/registry.ts'
import { nacos } from './nacos/registry.ts'
import { zookeeper } from './zookeeper/registry.ts'

export const registryTypes: readonly RegistryType[] = [consul, etcd, eureka, nacos, zookeeper]
