export { type BridgeConfig, loadBridgeConfig, parseBridgeConfig, type RegistryConfig } from './bridge/config.ts'
export {
  type Bridge,
  type BridgedRegistry,
  type BridgeListener,
  createBridge,
  type ServiceChange,
  type ServiceSource,
} from './bridge/bridge.ts'
export { managedBy, type ServiceEntryObject, toServiceEntries } from './bridge/service-entry.ts'
export {
  type BridgeMetric,
  type BridgeStatus,
  metricsOf,
  type ProviderQuery,
  providersOf,
  type ProviderStatus,
  type RegistryStatus,
  statusOf,
} from './bridge/status.ts'
export { registryTypes } from './catalogue.ts'
export type {
  ApplicationProtocol,
  ConnectionState,
  Progress,
  Registration,
  Registry,
  RegistrySink,
  RegistryType,
  Rejection,
  RejectionCode,
  UnitContents,
} from './contract.ts'
export type { Instance, ServiceModel, ServicePort } from './model.ts'
export { type FolderOutput, writeToFolder } from './outputs/folder.ts'
export { inTurns, type Turns } from './util/turns.ts'
