export {
  type ControlPlane,
  type ControlPlaneCounters,
  type ControlPlaneOptions,
  type HostPort,
  startControlPlane,
} from './control-plane.ts'
export { bootstrapFor, type BootstrapOptions } from './bootstrap/bootstrap.ts'
