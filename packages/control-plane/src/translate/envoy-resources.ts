/**
 * One service -> its resources for stock Envoys: the base that Istio gives, patched. Clusters and endpoints are those of
 * all data planes, and the very same resources where no patch is for them.
 */
import { fromBinary } from '@bufbuild/protobuf'
import type { Resource } from '@aeraki/xds'
import { type Cluster, ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { TypedExtensionConfigSchema } from '@aeraki/xds/gen/envoy/config/core/v3/extension_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { addedClusters, extensionConfigs, patchCluster } from '../envoy-patch/cluster.ts'
import { patchListener } from '../envoy-patch/listener.ts'
import type { OnProblem, Patch } from '../envoy-patch/patch.ts'
import type { PatchSet } from '../envoy-patch/patch-set.ts'
import type { Service } from '../mesh/model.ts'
import { buildEnvoyOutbound } from './envoy-listener.ts'
import type { Client } from './locality.ts'
import { toResource } from './resource.ts'
import type { ServiceResources } from './service.ts'

/** What Aeraki itself makes of the ports of a service, for clients that the same rules apply to. */
export interface MadePatches {
  /** Of both directions. */
  readonly patches: readonly Patch[]
  /** Routes that filters fetch, in whatever type they have them. */
  readonly routes: readonly Resource[]
}

export interface EnvoyOptions {
  readonly patches: PatchSet
  readonly intercepted: boolean
}

/** Undefined answers: there is no such resource, or a patch removes it. */
export interface EnvoyResources {
  readonly made: MadePatches
  listener(address: string, port: number, options: EnvoyOptions): Resource | undefined
  cluster(name: string, port: number, subset: string, client: Client, patches: PatchSet): Resource | undefined
  routes(typeUrl: string, name: string): Resource | undefined
  extensionConfig(name: string): Resource | undefined
}

export interface EnvoySource {
  readonly service: Service
  readonly base: ServiceResources
  readonly made: MadePatches
  readonly onProblem: OnProblem
}

export function translateForEnvoy({ service, base, made, onProblem }: EnvoySource): EnvoyResources {
  const once = createCache()
  const configs = extensionConfigs(made.patches)
  const added = addedClusters(['SIDECAR_OUTBOUND', 'SIDECAR_INBOUND'], made.patches)

  return {
    made,
    listener(address, port, { patches, intercepted }) {
      const at = service.addresses.find((candidate) => candidate.address === address)
      if (at === undefined || !service.ports.some(({ number }) => number === port)) return undefined
      const idleTimeoutMs = base.policy(port).connectionPool?.idleTimeoutMs
      const listener = buildEnvoyOutbound({ host: service.host, port, address: at, intercepted, idleTimeoutMs })
      const relevant = patches.forListener(listener.name, made.patches)
      return once(`listener ${listener.name} ${intercepted}`, relevant, () => {
        const patched = patchListener(listener, 'SIDECAR_OUTBOUND', relevant, onProblem)
        return patched && toResource(ListenerSchema, patched.name, patched)
      })
    },
    cluster(name, port, subset, client, patches) {
      const unpatched = base.cluster(port, subset, client)
      const relevant = patches.forCluster(name, made.patches)
      return once(`cluster ${name} ${unpatched?.version}`, relevant, () => {
        if (unpatched === undefined) return addedCluster(name)
        const cluster = fromBinary(ClusterSchema, unpatched.any.value)
        const patched = patchCluster(cluster, 'SIDECAR_OUTBOUND', relevant)
        if (patched === cluster) return unpatched
        return patched === undefined ? addedCluster(name) : clusterResource(patched)
      })
    },
    routes: (typeUrl, name) => made.routes.find((each) => each.name === name && each.any.typeUrl === typeUrl),
    extensionConfig(name) {
      const config = configs.get(name)
      return config && once(`extension ${name}`, [], () => toResource(TypedExtensionConfigSchema, name, config))
    },
  }

  function addedCluster(name: string): Resource | undefined {
    const cluster = added.get(name)
    return cluster && clusterResource(cluster)
  }
}

export function clusterResource(cluster: Cluster): Resource {
  return toResource(ClusterSchema, cluster.name, cluster)
}

/** Keeps what was made of something with these patches. */
export function createCache() {
  const made = new Map<string, Resource | undefined>()
  return (key: string, patches: readonly Patch[], make: () => Resource | undefined): Resource | undefined => {
    const id = `${key} ${patches.map((patch) => patch.id).join()}`
    if (made.has(id)) return made.get(id)
    const resource = make()
    made.set(id, resource)
    return resource
  }
}
