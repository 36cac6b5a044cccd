/** Patches a cluster, and says which ones patches add. */
import { clone } from '@bufbuild/protobuf'
import { type Cluster, ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import type { TypedExtensionConfig } from '@aeraki/xds/gen/envoy/config/core/v3/extension_pb.ts'
import { addsIn, isInContext, matchesCluster } from './match.ts'
import { mergeInto } from './merge.ts'
import { type Context, isFor, type Patch } from './patch.ts'

/** The cluster with the patches applied, a copy where there are any. Undefined: a patch removes it. */
export function patchCluster(base: Cluster, context: Context, patches: readonly Patch[]): Cluster | undefined {
  let cluster = base
  for (const patch of patches) {
    if (!isFor(patch, 'CLUSTER') || !isInContext(patch, context) || !matchesCluster(patch, cluster)) continue
    if (patch.operation === 'REMOVE') return undefined
    if (patch.operation !== 'MERGE' || patch.value === undefined) continue
    if (cluster === base) cluster = clone(ClusterSchema, base)
    mergeInto(ClusterSchema, cluster, patch.value)
  }
  return cluster
}

/** The clusters that patches add; of two with one name the last. */
export function addedClusters(contexts: readonly Context[], patches: readonly Patch[]): Map<string, Cluster> {
  const added = new Map<string, Cluster>()
  for (const patch of patches) {
    if (!isFor(patch, 'CLUSTER') || patch.operation !== 'ADD' || patch.value === undefined) continue
    if (contexts.some((context) => addsIn(patch, context))) added.set(patch.value.name, patch.value)
  }
  return added
}

/** The configurations that a filter can ask for by name; of two with one name the last. */
export function extensionConfigs(patches: readonly Patch[]): Map<string, TypedExtensionConfig> {
  const configs = new Map<string, TypedExtensionConfig>()
  for (const patch of patches) {
    if (isFor(patch, 'EXTENSION_CONFIG') && patch.value !== undefined) configs.set(patch.value.name, patch.value)
  }
  return configs
}
