export { bridgePages } from './admin/registry-pages.ts'
export { type AdminServer, startAdmin } from './admin/server.ts'
export {
  type ControlPlane,
  type ControlPlaneCounters,
  type ControlPlaneOptions,
  type HostPort,
  startControlPlane,
} from './control-plane.ts'
export { bootstrapFor, type BootstrapOptions } from './bootstrap/bootstrap.ts'
export type { GeneratedObjects, ObjectChanges, WrittenObject } from './envoy-filter/generated.ts'
export { type GeneratedObject, ownerLabel } from './envoy-filter/object.ts'
export type { IstioDelivery, RouteDelivery } from './envoy-filter/delivery.ts'
export {
  type KubernetesControlPlane,
  type KubernetesControlPlaneOptions,
  startKubernetesControlPlane,
} from './kubernetes-control-plane.ts'
export { type RunningBridge, runBridge } from './registry-bridge.ts'
export { type AddressBlock, parseAddressBlock } from './outputs/kubernetes/address-block.ts'
