/** The types of registry, one line each. */
import type { RegistryType } from './contract.ts'
import { etcd } from './etcd/registry.ts'
import { zookeeper } from './zookeeper/registry.ts'

export const registryTypes: readonly RegistryType[] = [etcd, zookeeper]
