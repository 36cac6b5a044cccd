/** The catalogue of kinds: where each lives, in which versions it is served, and its schema. */
import type { Static, TSchema } from 'typebox'
import { DestinationRule } from './schema/destination-rule.ts'
import { DubboAuthorizationPolicy } from './schema/dubbo-authorization-policy.ts'
import { EnvoyFilter } from './schema/envoy-filter.ts'
import { Gateway } from './schema/gateway.ts'
import { ApplicationProtocol, MetaRouter } from './schema/meta-router.ts'
import { RedisDestination, RedisService } from './schema/redis.ts'
import { Secret } from './schema/secret.ts'
import { ServiceEntry, WorkloadEntry } from './schema/service-entry.ts'
import { VirtualService } from './schema/virtual-service.ts'

const schemas = {
  ServiceEntry,
  WorkloadEntry,
  VirtualService,
  DestinationRule,
  Gateway,
  EnvoyFilter,
  MetaRouter,
  ApplicationProtocol,
  RedisService,
  RedisDestination,
  DubboAuthorizationPolicy,
  Secret,
} as const

export type Kind = keyof typeof schemas

/** The TypeScript type of each kind's spec, one for all its versions. */
export type Specs = { [K in Kind]: Static<(typeof schemas)[K]> }

export interface KindDefinition {
  readonly kind: Kind
  /** Empty for the core group. */
  readonly group: string
  /** Newest first. */
  readonly versions: readonly string[]
  readonly scope: 'Namespaced' | 'Cluster'
  /** Where the kind's own fields are: under `spec`, or (Secret) beside `metadata`. */
  readonly body: 'spec' | 'root'
  readonly schema: TSchema
}

const istioVersions = ['v1', 'v1beta1', 'v1alpha3']

function define(
  kind: Kind,
  group: string,
  versions: readonly string[],
  options: Partial<Pick<KindDefinition, 'scope' | 'body'>> = {},
): KindDefinition {
  return { kind, group, versions, scope: 'Namespaced', body: 'spec', schema: schemas[kind], ...options }
}

const definitions: readonly KindDefinition[] = [
  define('ServiceEntry', 'networking.istio.io', istioVersions),
  define('WorkloadEntry', 'networking.istio.io', istioVersions),
  define('VirtualService', 'networking.istio.io', istioVersions),
  define('DestinationRule', 'networking.istio.io', istioVersions),
  define('Gateway', 'networking.istio.io', istioVersions),
  define('EnvoyFilter', 'networking.istio.io', ['v1alpha3']),
  define('MetaRouter', 'metaprotocol.aeraki.io', ['v1alpha1']),
  define('ApplicationProtocol', 'metaprotocol.aeraki.io', ['v1alpha1'], { scope: 'Cluster' }),
  define('RedisService', 'redis.aeraki.io', ['v1alpha1']),
  define('RedisDestination', 'redis.aeraki.io', ['v1alpha1']),
  define('DubboAuthorizationPolicy', 'dubbo.aeraki.io', ['v1alpha1']),
  define('Secret', '', ['v1'], { body: 'root' }),
]

const byGroup = new Map<string, Map<string, KindDefinition>>()
for (const definition of definitions) {
  const kinds = byGroup.get(definition.group) ?? new Map<string, KindDefinition>()
  kinds.set(definition.kind, definition)
  byGroup.set(definition.group, kinds)
}

const byKind = new Map<string, KindDefinition>(definitions.map((definition) => [definition.kind, definition]))

export function allKinds(): readonly KindDefinition[] {
  return definitions
}

export function kindIn(group: string, kind: string): KindDefinition | undefined {
  return byGroup.get(group)?.get(kind)
}

/** Kinds known in a group; undefined where the group is none of ours. */
export function kindsOfGroup(group: string): readonly string[] | undefined {
  const kinds = byGroup.get(group)
  return kinds === undefined ? undefined : [...kinds.keys()]
}

export function definitionOf(kind: Kind): KindDefinition {
  const definition = byKind.get(kind)
  if (definition === undefined) throw new TypeError(`no such kind: ${kind}`)
  return definition
}

/** `networking.istio.io/v1` is group and version; `v1` alone is the core group's. */
export function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/')
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}
