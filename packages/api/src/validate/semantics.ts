/** The rules of each kind that a schema cannot say. */
import type { FieldPath } from '../field-path.ts'
import type { Kind, Specs } from '../kinds.ts'
import type { Report } from '../load/report.ts'
import type { ObjectMeta } from '../object.ts'
import { checkDestinationRule } from './rules/destination-rule.ts'
import { checkGateway } from './rules/gateway.ts'
import { checkApplicationProtocol, checkMetaRouter } from './rules/meta-router.ts'
import { checkDubboAuthorizationPolicy, checkEnvoyFilter } from './rules/policies.ts'
import { checkRedisDestination, checkRedisService, checkSecret } from './rules/redis.ts'
import { checkServiceEntry, checkWorkloadEntry } from './rules/service-entry.ts'
import { checkVirtualService } from './rules/virtual-service.ts'

interface Subject<K extends Kind> {
  readonly spec: Specs[K]
  readonly metadata: ObjectMeta
  readonly path: FieldPath
  readonly report: Report
}

const rules: { readonly [K in Kind]: (subject: Subject<K>) => void } = {
  ServiceEntry: ({ spec, metadata, path, report }) => checkServiceEntry(spec, metadata, path, report),
  WorkloadEntry: ({ spec, path, report }) => checkWorkloadEntry(spec, path, report),
  VirtualService: ({ spec, metadata, path, report }) => checkVirtualService(spec, metadata, path, report),
  DestinationRule: ({ spec, metadata, path, report }) => checkDestinationRule(spec, metadata, path, report),
  Gateway: ({ spec, path, report }) => checkGateway(spec, path, report),
  EnvoyFilter: ({ spec, path, report }) => checkEnvoyFilter(spec, path, report),
  MetaRouter: ({ spec, metadata, path, report }) => checkMetaRouter(spec, metadata, path, report),
  ApplicationProtocol: ({ spec, path, report }) => checkApplicationProtocol(spec, path, report),
  RedisService: ({ spec, path, report }) => checkRedisService(spec, path, report),
  RedisDestination: ({ spec, path, report }) => checkRedisDestination(spec, path, report),
  DubboAuthorizationPolicy: ({ spec, path, report }) => checkDubboAuthorizationPolicy(spec, path, report),
  Secret: ({ spec, path, report }) => checkSecret(spec, path, report),
}

/** The body has to have passed the schema of its kind: that is what makes it a spec. */
export function checkSemantics(kind: Kind, body: unknown, metadata: ObjectMeta, path: FieldPath, report: Report): void {
  const check = rules[kind] as (subject: Subject<Kind>) => void
  check({ spec: body as Specs[Kind], metadata, path, report })
}
