/** The types of registry, one line each. */
import type { RegistryType } from './contract.ts'

export const registryTypes: readonly RegistryType[] = []
