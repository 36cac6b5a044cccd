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
  EnvoyUpstream,
  KnownSecret,
  MirrorCluster,
  NetworkFilter,
  ObjectRef,
  TerminalFilter,
  WeightedCluster,
} from './contract.ts'
export { attributeConditions, conditionOf } from './conditions.ts'
export { envoyProtocolByName, envoyProtocols } from './catalogue.ts'
