export type {
  ApplicationCodec,
  AttributeCondition,
  ClusterPatch,
  DynamicRoutes,
  EnvoyDestination,
  EnvoyFinding,
  EnvoyPort,
  EnvoyProtocol,
  EnvoyRoute,
  EnvoyTranslation,
  MirrorCluster,
  NetworkFilter,
  ObjectRef,
  TerminalFilter,
  WeightedCluster,
} from './contract.ts'
export { envoyProtocolByName, envoyProtocols } from './catalogue.ts'
