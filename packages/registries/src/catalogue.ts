/** The types of registry, one line each. */
import type { RegistryType } from './contract.ts'
import { zookeeper } from './zookeeper/registry.ts'

export const registryTypes: readonly RegistryType[] = [zookeeper]
