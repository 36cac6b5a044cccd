export { generateCrds } from './crds.ts'
export {
  type Diagnostic,
  formatDiagnostic,
  formatDiagnostics,
  formatPosition,
  hasErrors,
  type Position,
  type Severity,
} from './diagnostic.ts'
export { AerakiError } from './errors.ts'
export { type FieldPath, formatPath, parsePath } from './field-path.ts'
export { allKinds, definitionOf, type Kind, type KindDefinition, type Specs } from './kinds.ts'
export { type ConfigFile, openConfigFile, parseConfigFile } from './load/config-file.ts'
export { loadSettings, type Settings } from './load/settings.ts'
export { loadPath, loadPaths, loadResources, type LoadResult, loadValue } from './load/load.ts'
export { type Folder, isConfigurationFile, unreadableFinding, walkFolder } from './load/folder.ts'
export { protocolAnnotation } from './load/early-form.ts'
export { parseDuration, tryParseDuration } from './names/duration.ts'
export { isDnsLabel, isDnsSubdomain } from './names/dns.ts'
export { canonicalHost, defaultClusterDomain, expandHost, hostCovers, isWildcard } from './names/host.ts'
export { selects } from './names/labels.ts'
export { formatLocality, type Locality, parseLocality } from './names/locality.ts'
export { type NamedPort, type PortProtocol, protocolOfPort } from './names/protocol.ts'
export { isKind, keyOf, type LoadedObject, type ObjectMeta, type ObjectOf } from './object.ts'
export type { Destination, Percent, StringMatch } from './schema/builders.ts'
export type {
  ClientTls,
  ConnectionPool,
  ConsistentHash,
  DestinationRule,
  LoadBalancer,
  LocalityLbSetting,
  OutlierDetection,
  PortTrafficPolicy,
  Subset,
  TcpSettings,
  TrafficPolicy,
} from './schema/destination-rule.ts'
export type { DubboAuthorizationPolicy, DubboRule } from './schema/dubbo-authorization-policy.ts'
export type { EnvoyConfigMatch, EnvoyConfigPatch, EnvoyFilter } from './schema/envoy-filter.ts'
export type { Gateway, GatewayServer, ServerTls } from './schema/gateway.ts'
export type {
  ApplicationProtocol,
  GlobalRateLimit,
  KeyValue,
  LocalRateLimit,
  MetaRoute,
  MetaRouteDestination,
  MetaRouteMatch,
  MetaRouter,
  TokenBucket,
} from './schema/meta-router.ts'
export type {
  RedisAuth,
  RedisDestination,
  RedisFault,
  RedisRoute,
  RedisRouteDestination,
  RedisService,
  RedisSettings,
} from './schema/redis.ts'
export type { Secret } from './schema/secret.ts'
export type { ServiceEntry, ServicePort, WorkloadEntry } from './schema/service-entry.ts'
export type {
  Headers,
  HttpFaultInjection,
  HttpMatchRequest,
  HttpRetry,
  HttpRoute,
  HttpRouteDestination,
  RouteDestination,
  TcpRoute,
  TlsRoute,
  VirtualService,
} from './schema/virtual-service.ts'
export { duplicates } from './validate/duplicates.ts'
export { validatePaths, type Validation } from './validate/paths.ts'
export { validateSet } from './validate/set.ts'
