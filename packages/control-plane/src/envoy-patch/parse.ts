/** Reads an EnvoyFilter. A patch that can't be read is reported and left out; the others of the object count. */
import type { DescMessage, JsonObject, JsonValue, MessageShape } from '@bufbuild/protobuf'
import type { EnvoyConfigPatch, EnvoyFilter, ObjectMeta } from '@aeraki/api'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { TypedExtensionConfigSchema } from '@aeraki/xds/gen/envoy/config/core/v3/extension_pb.ts'
import {
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from '@aeraki/xds/gen/envoy/config/listener/v3/listener_components_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RE2JS } from 're2js'
import type { Finding } from '../mesh/findings.ts'
import { messageOf, typeNameOf } from './json.ts'
import type { Operation, Patch, PatchFile, PatchOrigin, PatchValues, Target } from './patch.ts'

/** Of a folder, of Kubernetes, or made by this program. */
export interface EnvoyFilterObject {
  readonly metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'creationTimestamp'>
  readonly spec: EnvoyFilter
}

const schemas: { readonly [T in Target]: DescMessage } = {
  LISTENER: ListenerSchema,
  FILTER_CHAIN: FilterChainSchema,
  NETWORK_FILTER: FilterSchema,
  LISTENER_FILTER: ListenerFilterSchema,
  CLUSTER: ClusterSchema,
  EXTENSION_CONFIG: TypedExtensionConfigSchema,
}

const inOrder: readonly Operation[] = ['INSERT_FIRST', 'INSERT_BEFORE', 'INSERT_AFTER', 'REPLACE']

/** What each kind of patch can do. The insert operations mean ADD where there is no order, as in Istio. */
const operations: { readonly [T in Target]: readonly Operation[] } = {
  LISTENER: ['ADD', 'REMOVE', 'MERGE'],
  FILTER_CHAIN: ['ADD', 'REMOVE', 'MERGE'],
  NETWORK_FILTER: ['ADD', 'REMOVE', 'MERGE', ...inOrder],
  LISTENER_FILTER: ['ADD', 'REMOVE', ...inOrder],
  CLUSTER: ['ADD', 'REMOVE', 'MERGE'],
  EXTENSION_CONFIG: ['ADD'],
}

export function parseFilter({ metadata, spec }: EnvoyFilterObject, report: (finding: Finding) => void): PatchFile {
  const { namespace, name } = metadata
  const about = { id: `EnvoyFilter ${namespace}/${name}`, kind: 'EnvoyFilter', namespace, name }
  if (spec.targetRefs !== undefined) {
    report({
      severity: 'warning',
      code: 'ENVOY_PATCH_UNUSED',
      field: 'spec.targetRefs',
      message: 'only gateways and waypoints can be named, and there are none in standalone mode: no patch is applied',
      remedy: 'choose sidecars by workloadSelector, or by none',
    })
  }
  const selector = spec.workloadSelector
  return {
    about,
    namespace,
    name,
    priority: spec.priority ?? 0,
    createdAt: metadata.creationTimestamp,
    workloadSelector: selector === undefined ? undefined : (selector.labels ?? {}),
    patches:
      spec.targetRefs === undefined
        ? (spec.configPatches ?? []).flatMap(
            (patch, i) => parsePatch(patch, { about, field: `spec.configPatches[${i}]` }, report) ?? [],
          )
        : [],
  }
}

function parsePatch(
  { applyTo, match = {}, patch = {} }: EnvoyConfigPatch,
  origin: PatchOrigin,
  report: (finding: Finding) => void,
): Patch | undefined {
  const { field } = origin
  const unused = (at: string, value: string, message: string, remedy: string): undefined => {
    report({ severity: 'warning', code: 'ENVOY_PATCH_UNUSED', field: `${field}.${at}`, value, message, remedy })
  }
  if (!isTarget(applyTo)) {
    const remedy = `use one of ${Object.keys(schemas).join(', ')}, or keep the object for Istio`
    return unused('applyTo', applyTo, 'there is nothing of this kind in standalone mode: the patch is left out', remedy)
  }
  const context = match.context ?? 'ANY'
  if (context === 'WAYPOINT') {
    const remedy = 'use SIDECAR_INBOUND, SIDECAR_OUTBOUND or ANY'
    return unused('match.context', context, 'there are no waypoints in standalone mode: the patch is left out', remedy)
  }
  const operation = meant(patch.operation ?? 'MERGE', applyTo)
  if (!operations[applyTo].includes(operation)) {
    const remedy = `use ${operations[applyTo].join(', ')}`
    return unused('patch.operation', operation, `has no effect on ${applyTo}: the patch is left out`, remedy)
  }
  if (applyTo === 'NETWORK_FILTER' && needsFilter.includes(operation) && filterName(match) === '') {
    const remedy = 'name the filter in match.listener.filterChain.filter.name'
    return unused('match', operation, `${operation} without a filter to match has no effect, as in Istio`, remedy)
  }
  const suitsVersion = versionTest(match.proxy?.proxyVersion ?? '')
  if (suitsVersion === undefined) {
    report({
      severity: 'error',
      code: 'ENVOY_PATCH_INVALID',
      field: `${field}.match.proxy.proxyVersion`,
      value: match.proxy?.proxyVersion,
      message: 'no regular expression of RE2: the patch is left out',
      remedy: 'write one without look-around and back-references',
    })
    return undefined
  }
  try {
    const json = patch.value as JsonObject | undefined
    if (operation !== 'REMOVE' && json === undefined) throw new Error('is missing')
    const value = operation === 'REMOVE' || json === undefined ? undefined : valueFor(applyTo, json)
    const filterType = applyTo === 'NETWORK_FILTER' && json !== undefined ? filterTypeOf(json) : undefined
    return { id: ++lastId, target: applyTo, operation, context, match, suitsVersion, value, filterType, origin }
  } catch (error) {
    report({
      severity: 'error',
      code: 'ENVOY_PATCH_INVALID',
      field: `${field}.patch.value`,
      message: `no ${schemas[applyTo].typeName}: ${error instanceof Error ? error.message : String(error)}; the patch is left out`,
      remedy: "correct it: the fields are those of Envoy's API, with @type in every typed_config",
    })
    return undefined
  }
}

let lastId = 0

const needsFilter: readonly Operation[] = ['MERGE', 'REMOVE', 'REPLACE']

function isTarget(applyTo: string): applyTo is Target {
  return applyTo in schemas
}

/** An insertion where there is no order is an addition. */
function meant(operation: Operation, target: Target): Operation {
  const ordered = operations[target].includes('INSERT_FIRST')
  return !ordered && operation.startsWith('INSERT_') ? 'ADD' : operation
}

function filterName(match: Patch['match']): string {
  return match.listener?.filterChain?.filter?.name ?? ''
}

/** Of the JSON of a filter, with its configuration in it or fetched. */
export function filterTypeOf(json: JsonObject): string | undefined {
  const config = json['typed_config'] ?? json['typedConfig']
  const discovery = json['config_discovery'] ?? json['configDiscovery']
  const types = member(discovery, 'type_urls') ?? member(discovery, 'typeUrls')
  // Of a TypedStruct: what is in it.
  const inner = member(config, 'type_url') ?? member(config, 'typeUrl')
  const typeUrl = Array.isArray(types) ? types[0] : (inner ?? member(config, '@type'))
  return typeof typeUrl === 'string' ? typeNameOf(typeUrl) : undefined
}

function member(json: JsonValue | undefined, name: string): JsonValue | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json[name] : undefined
}

/** Undefined: no valid expression. Matches anywhere in the version, as Go does. */
function versionTest(pattern: string): ((version: string) => boolean) | undefined {
  if (pattern === '') return () => true
  try {
    const expression = RE2JS.compile(pattern)
    return (version) => expression.matcher(version).find()
  } catch {
    return undefined
  }
}

function valueFor<T extends Target>(target: T, json: JsonObject): PatchValues[T] {
  const message: MessageShape<DescMessage> = messageOf(schemas[target], json)
  return message as unknown as PatchValues[T]
}
