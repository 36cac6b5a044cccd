export { type Backoff, createBackoff } from './backoff.ts'
export { type ApiRequest, createKubernetesClient, type KubernetesClient, type Query } from './client.ts'
export { type ClusterConfig, type ConfigOptions, loadClusterConfig } from './config.ts'
export { KubernetesError, statusOf, UnreachableError } from './errors.ts'
export { type Election, type ElectionOptions, startElection } from './lease.ts'
export { isManagedBy, type KubernetesObject, type ManagedFields, type Metadata, objectKey } from './object.ts'
export {
  mapReceiver,
  type Receiver,
  type Reflector,
  type ReflectorOptions,
  type ReflectorState,
  type ReflectorTiming,
  startReflector,
} from './reflector.ts'
export { apiVersionOf, core, findResource, pathOf, type Resource, type ResourceQuery } from './resources.ts'
