/**
 * A patch of an EnvoyFilter, read once: its match as it was written, its value as the Envoy message that it is for.
 *
 * https://istio.io/latest/docs/reference/config/networking/envoy-filter/
 */
import type { EnvoyConfigMatch, EnvoyConfigPatch } from '@aeraki/api'
import type { Cluster } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import type { TypedExtensionConfig } from '@aeraki/xds/gen/envoy/config/core/v3/extension_pb.ts'
import type {
  Filter,
  FilterChain,
  ListenerFilter,
} from '@aeraki/xds/gen/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import type { Origin } from '../mesh/model.ts'

/** What a patch is for, and what its value is. */
export interface PatchValues {
  LISTENER: Listener
  FILTER_CHAIN: FilterChain
  NETWORK_FILTER: Filter
  LISTENER_FILTER: ListenerFilter
  CLUSTER: Cluster
  EXTENSION_CONFIG: TypedExtensionConfig
}

export type Target = keyof PatchValues

export type Operation = NonNullable<NonNullable<EnvoyConfigPatch['patch']>['operation']>

/** On whose behalf a proxy serves a listener or cluster. */
export type Context = 'SIDECAR_INBOUND' | 'SIDECAR_OUTBOUND' | 'GATEWAY'

export interface Patch<T extends Target = Target> {
  /** Of no other patch in this process, nor of an earlier version of this one. */
  readonly id: number
  readonly target: T
  readonly operation: Operation
  readonly context: Context | 'ANY' | 'WAYPOINT'
  readonly match: EnvoyConfigMatch
  /** Of the proxy, as `match.proxy.proxyVersion` wants it. */
  readonly suitsVersion: (version: string) => boolean
  /** Undefined for REMOVE alone. Never changed: whoever puts it into a resource copies it. */
  readonly value: PatchValues[T] | undefined
  /** The type of the configuration of the network filter that it brings; an Envoy without it refuses the listener. */
  readonly filterType: string | undefined
  readonly origin: PatchOrigin
}

/** Where a patch stands: `spec.configPatches[3]` of an object. */
export interface PatchOrigin {
  readonly about: Origin
  readonly field: string
}

/** An EnvoyFilter. */
export interface PatchFile {
  readonly about: Origin
  readonly namespace: string
  readonly name: string
  readonly priority: number
  /** Undefined where it is not known, and for those that Aeraki itself makes: older than all others. */
  readonly createdAt: string | undefined
  /** Undefined: for every workload. */
  readonly workloadSelector: Readonly<Record<string, string>> | undefined
  readonly patches: readonly Patch[]
}

/** What went wrong when a patch was applied; the patch was left out. */
export type OnProblem = (patch: Patch, problem: string) => void

export function isFor<T extends Target>(patch: Patch, target: T): patch is Patch<T> {
  return patch.target === target
}
