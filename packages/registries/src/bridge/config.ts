/**
 * The configuration of the bridge from registries to the mesh: one file, several registries.
 *
 *     namespace: dubbo
 *     grace: 30s
 *     registries:
 *       - { name: main, type: zookeeper, servers: ["10.0.0.1:2181", "10.0.0.2:2181"] }
 *       - { type: consul, address: "http://127.0.0.1:8500", token: "${CONSUL_TOKEN}" }
 *
 * `${NAME}` in any text stands for the environment variable. docs/registries.md explains every field.
 */
import {
  type ConfigFile,
  type FieldPath,
  isDnsLabel,
  openConfigFile,
  parseConfigFile,
  parseDuration,
} from '@aeraki/api'
import { closed, duration, mapOf, portNumber } from '@aeraki/api/schema'
import { type Static, Type } from 'typebox'
import { registryTypes } from '../catalogue.ts'
import type { RegistryType } from '../contract.ts'
import { isRecord } from '../guards.ts'

export interface BridgeConfig {
  /** Of services whose providers do not say one. */
  readonly namespace: string
  /** Of instances that do not say one. */
  readonly serviceAccount: string
  /** By application protocol, such as `dubbo`. */
  readonly ports: Readonly<Record<string, PortOverride>>
  /** Milliseconds for which a service without any instance is kept as it was. */
  readonly grace: number
  /** The same, where more than half of the registry's services vanished: its fault, more likely than theirs. */
  readonly massGrace: number
  /**
   * Milliseconds after which the start goes on without registries that were not read in full yet; what they had is gone
   * for proxies until they are. Undefined: it waits for all.
   */
  readonly startTimeout: number | undefined
  readonly registries: readonly RegistryConfig[]
  readonly outputs: Outputs
}

/** What a service's port is called, and which it is, whatever the providers listen on. */
export interface PortOverride {
  readonly name?: string | undefined
  readonly number?: number | undefined
}

export interface RegistryConfig {
  /** Unique; the label `registryName` of its endpoints. */
  readonly name: string
  readonly type: RegistryType
  readonly settings: Readonly<Record<string, unknown>>
}

export type Outputs = Static<typeof outputsSchema>

const outputsSchema = closed({
  folder: Type.Optional(Type.String({ minLength: 1, description: 'where ServiceEntries are written, a file each' })),
  kubernetes: Type.Optional(
    closed({
      kubeconfig: Type.Optional(Type.String({ minLength: 1 })),
      context: Type.Optional(Type.String({ minLength: 1 })),
      namespace: Type.Optional(Type.String({ minLength: 1, description: 'of the Lease of the bridge that writes' })),
    }),
  ),
})

const bridgeSchema = closed({
  namespace: Type.Optional(Type.String()),
  serviceAccount: Type.Optional(Type.String()),
  ports: Type.Optional(
    mapOf(closed({ name: Type.Optional(Type.String({ minLength: 1 })), number: Type.Optional(portNumber()) })),
  ),
  grace: Type.Optional(duration()),
  massGrace: Type.Optional(duration()),
  startTimeout: Type.Optional(duration()),
  outputs: Type.Optional(outputsSchema),
  registries: Type.Array(Type.Unsafe<Record<string, unknown>>({ type: 'object' }), { minItems: 1 }),
})
type BridgeFile = Static<typeof bridgeSchema>

const code = 'REGISTRY_CONFIG'

/** @throws AerakiError REGISTRY_CONFIG, a line for each mistake with FILE:LINE:COLUMN */
export function loadBridgeConfig(path: string, types = registryTypes): BridgeConfig {
  return readBridgeConfig(openConfigFile(path, code), types)
}

/** @param file for the messages */
export function parseBridgeConfig(text: string, file: string, types = registryTypes): BridgeConfig {
  return readBridgeConfig(parseConfigFile(text, file, code), types)
}

function readBridgeConfig(file: ConfigFile, types: readonly RegistryType[]): BridgeConfig {
  const value = withEnvironment(file.value, [], file)
  const sound = file.check(bridgeSchema, value, [])
  if (!sound) file.finish()
  const bridge = value as BridgeFile
  const read = bridge.registries.map((entry, index) => readRegistry(entry, index, file, types))
  checkNames(read, file)
  if (bridge.namespace !== undefined && !isDnsLabel(bridge.namespace)) {
    const message = 'not a name of a namespace'
    const remedy = 'Use at most 63 lower case letters, digits and -.'
    file.error({ code: 'API_BAD_VALUE', path: ['namespace'], value: bridge.namespace, message, remedy })
  }
  file.finish()
  return {
    namespace: bridge.namespace ?? 'default',
    serviceAccount: bridge.serviceAccount ?? 'default',
    ports: bridge.ports ?? {},
    grace: parseDuration(bridge.grace ?? '30s'),
    massGrace: parseDuration(bridge.massGrace ?? '5m'),
    startTimeout: bridge.startTimeout === undefined ? undefined : parseDuration(bridge.startTimeout),
    registries: read.filter((registry) => registry !== undefined),
    outputs: bridge.outputs ?? {},
  }
}

function readRegistry(
  entry: Record<string, unknown>,
  index: number,
  file: ConfigFile,
  types: readonly RegistryType[],
): RegistryConfig | undefined {
  const path: FieldPath = ['registries', index]
  const { name, type: typeName, ...settings } = entry
  const type = types.find((each) => each.type === typeName)
  if (type === undefined) {
    file.error({
      code: typeName === undefined ? 'API_MISSING_FIELD' : 'API_BAD_VALUE',
      path: [...path, 'type'],
      value: typeName,
      message: typeName === undefined ? 'type is needed' : 'no such type of registry',
      remedy: `Use one of ${types.map((each) => each.type).join(', ')}.`,
    })
    return undefined
  }
  if (name !== undefined && (typeof name !== 'string' || !isDnsLabel(name))) {
    const message = 'not a name that can be a label'
    const remedy = 'Use at most 63 lower case letters, digits and -.'
    file.error({ code: 'API_BAD_VALUE', path: [...path, 'name'], value: name, message, remedy })
    return undefined
  }
  if (!file.check(type.schema, settings, path)) return undefined
  return { name: name ?? type.type, type, settings }
}

/** @param registries as they are in the list, undefined for those that are wrong otherwise */
function checkNames(registries: readonly (RegistryConfig | undefined)[], file: ConfigFile): void {
  const seen = new Set<string>()
  for (const [index, registry] of registries.entries()) {
    if (registry === undefined) continue
    if (!seen.has(registry.name)) {
      seen.add(registry.name)
      continue
    }
    const path = ['registries', index, 'name']
    const message = 'another registry has this name'
    const remedy = 'Give each registry a name of its own; without one it is called as its type.'
    file.error({ code: 'API_DUPLICATE_VALUE', path, value: registry.name, message, remedy })
  }
}

/** Replaces `${NAME}` in every text; reports those that are not set. */
function withEnvironment(value: unknown, path: FieldPath, file: ConfigFile): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (written, variable: string) => {
      const found = process.env[variable]
      if (found !== undefined) return found
      const message = `the environment variable ${variable} is not set`
      file.error({ code: 'API_BAD_VALUE', path, value: written, message, remedy: `Set ${variable}.` })
      return ''
    })
  }
  if (Array.isArray(value)) return value.map((each, index) => withEnvironment(each, [...path, index], file))
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, withEnvironment(each, [...path, key], file)]),
  )
}
