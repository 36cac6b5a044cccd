export { type BridgeConfig, loadBridgeConfig, parseBridgeConfig, type RegistryConfig } from './config.ts'
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
