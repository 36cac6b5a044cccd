/**
 * What a stock Envoy sees of the mesh: Istio's listeners and clusters, with the patches of the EnvoyFilters that hold for
 * it and with those that Aeraki makes for each service. It needs nothing but this stream.
 */
import { type NodeView, type Resource, typeUrls } from '@aeraki/xds'
import type { Cluster } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { TypedExtensionConfigSchema } from '@aeraki/xds/gen/envoy/config/core/v3/extension_pb.ts'
import { type Listener, ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { addedClusters, extensionConfigs, patchCluster } from '../envoy-patch/cluster.ts'
import type { UserFilters } from '../envoy-patch/user-filters.ts'
import { addedListeners, patchListener } from '../envoy-patch/listener.ts'
import { virtualInbound, virtualOutbound } from '../envoy-patch/match.ts'
import type { Context, Patch } from '../envoy-patch/patch.ts'
import type { PatchedProxy, PatchSet } from '../envoy-patch/patch-set.ts'
import type { Service } from '../mesh/model.ts'
import { buildInboundCluster, buildPassthroughCluster } from '../translate/cluster.ts'
import { buildEnvoyInbound, buildVirtualInbound, buildVirtualOutbound } from '../translate/envoy-listener.ts'
import { clusterResource, createCache, type EnvoyResources } from '../translate/envoy-resources.ts'
import {
  inboundCluster,
  inboundListener,
  inboundPassthrough,
  parseCluster,
  parseListener,
  passthrough,
} from '../translate/names.ts'
import { toResource } from '../translate/resource.ts'
import { clusterNames, listenerNames } from './changes.ts'
import type { Directory } from './directory.ts'
import { appFor, type NodeIdentity } from './node.ts'
import type { Translations } from './proxy-view.ts'

export interface EnvoyViewSources {
  readonly directory: Directory
  readonly translations: Translations
  readonly filters: UserFilters
  /** As clients of the namespace use the service. */
  readonly envoyResources: (service: Service, namespace: string) => EnvoyResources
  /** Gets the types that are asked for beside Envoy's usual ones. */
  readonly routeTypes: Set<string>
}

const contexts: readonly Context[] = ['SIDECAR_OUTBOUND', 'SIDECAR_INBOUND']

export function createEnvoyView(identity: NodeIdentity, sources: EnvoyViewSources): NodeView {
  const { directory, translations, filters, envoyResources, routeTypes } = sources
  const { namespace, ip, intercepted } = identity
  const once = createCache()
  let patched = { revision: -1, patches: filters.patchesFor(patchedProxy(identity)) }

  function patches(): PatchSet {
    const { revision } = filters
    if (patched.revision !== revision) {
      patched = { revision, patches: filters.patchesFor(patchedProxy(identity)) }
    }
    return patched.patches
  }

  function get(typeUrl: string, name: string): Resource | undefined {
    switch (typeUrl) {
      case typeUrls.listener:
        return listener(name) ?? addedListener(name)
      case typeUrls.cluster:
        return cluster(name) ?? addedCluster(name)
      case typeUrls.endpoints: {
        const parsed = parseCluster(name)
        if (parsed?.direction !== 'outbound') return undefined
        const service = directory.serviceFor(parsed.host, namespace)
        return service && translations.for(service, namespace).endpoints(parsed.port, parsed.subset, identity)
      }
      case typeUrls.extensionConfig: {
        const config = extensionConfigs(patches().additions).get(name)
        return config === undefined
          ? resourcesBehind(name)?.extensionConfig(name)
          : toResource(TypedExtensionConfigSchema, name, config)
      }
      default:
        routeTypes.add(typeUrl)
        return resourcesBehind(name)?.routes(typeUrl, name)
    }
  }

  /** What a filter fetches is named after the cluster where requests go without any rule. */
  function resourcesBehind(name: string): EnvoyResources | undefined {
    const parsed = parseCluster(name)
    if (parsed === undefined) return undefined
    const service = parsed.direction === 'inbound' ? ownerAt(parsed.port) : directory.serviceFor(parsed.host, namespace)
    return service && envoyResources(service, namespace)
  }

  function listener(name: string): Resource | undefined {
    if (intercepted && name === virtualOutbound) return listenerWith(buildVirtualOutbound(), 'SIDECAR_OUTBOUND', name)
    if (intercepted && name === virtualInbound) {
      const ports = directory.inboundPorts(ip)
      return listenerWith(buildVirtualInbound(ports), 'SIDECAR_INBOUND', name, ports.flatMap(madeInbound))
    }
    const parsed = parseListener(name)
    if (parsed === undefined) return undefined
    const { direction, address, port } = parsed
    if (direction === 'outbound') {
      const owner = directory.listenerOwner(name, namespace)
      return owner && envoyResources(owner, namespace).listener(address, port, { patches: patches(), intercepted })
    }
    if (intercepted || address !== ip || ownerAt(port) === undefined) return undefined
    return listenerWith(buildEnvoyInbound(address, port), 'SIDECAR_INBOUND', name, madeInbound(port))
  }

  function listenerWith(base: Listener, context: Context, name: string, made: readonly Patch[] = []) {
    const relevant = patches().forListener(base.name, made)
    const chains = base.filterChains.map((chain) => chain.name).join()
    return once(`${name} ${chains}`, relevant, () => {
      const result = patchListener(base, context, relevant, filters.onProblem)
      return result && toResource(ListenerSchema, name, { ...result, name })
    })
  }

  /** Of the service that has the port here: others may speak of the same port, and do not count. */
  function madeInbound(port: number): readonly Patch[] {
    const owner = ownerAt(port)
    if (owner === undefined) return []
    return envoyResources(owner, namespace).made.patches.filter(({ match }) => {
      const wanted = match.listener?.filterChain?.destinationPort
      return match.listener?.name === virtualInbound && (wanted === undefined || wanted === port)
    })
  }

  function ownerAt(port: number): Service | undefined {
    return ip === '' ? undefined : directory.workloadOwner(ip, port)
  }

  function cluster(name: string): Resource | undefined {
    if (intercepted && (name === passthrough || name === inboundPassthrough)) {
      const context = name === passthrough ? 'SIDECAR_OUTBOUND' : 'SIDECAR_INBOUND'
      return clusterWith(buildPassthroughCluster(name), context)
    }
    const parsed = parseCluster(name)
    if (parsed === undefined) return undefined
    if (parsed.direction === 'inbound') {
      const owner = ownerAt(parsed.port)
      if (owner === undefined) return undefined
      const { made } = envoyResources(owner, namespace)
      return clusterWith(
        buildInboundCluster(parsed.port, appFor(identity, parsed.port)),
        'SIDECAR_INBOUND',
        made.patches,
      )
    }
    const service = directory.serviceFor(parsed.host, namespace)
    return service && envoyResources(service, namespace).cluster(name, parsed.port, parsed.subset, identity, patches())
  }

  function clusterWith(base: Cluster, context: Context, made: readonly Patch[] = []): Resource | undefined {
    const relevant = patches().forCluster(base.name, made)
    return once(base.name, relevant, () => {
      const result = patchCluster(base, context, relevant)
      return result && clusterResource(result)
    })
  }

  function addedListener(name: string): Resource | undefined {
    const added = contexts.flatMap((context) => addedListeners(context, patches().additions))
    const found = added.find((each) => each.name === name)
    return found && toResource(ListenerSchema, name, found)
  }

  function addedCluster(name: string): Resource | undefined {
    const found = addedClusters(contexts, patches().additions).get(name)
    return found && clusterResource(found)
  }

  function names(typeUrl: string): string[] {
    const services = directory.visibleTo(namespace)
    const inboundPorts = directory.inboundPorts(ip)
    switch (typeUrl) {
      case typeUrls.listener:
        return [
          ...(intercepted ? [virtualOutbound, virtualInbound] : inboundPorts.map((port) => inboundListener(ip, port))),
          ...services.flatMap((service) => listenerNames(service, directory.ports)),
          ...contexts.flatMap((context) => addedListeners(context, patches().additions).map((each) => each.name)),
        ]
      case typeUrls.cluster:
        return [
          ...(intercepted ? [passthrough, inboundPassthrough] : []),
          ...inboundPorts.map(inboundCluster),
          ...services.flatMap(outboundClusters),
          ...addedClusters(contexts, patches().additions).keys(),
        ]
      case typeUrls.endpoints:
        return services.flatMap(outboundClusters)
      case typeUrls.extensionConfig:
        return [
          ...extensionConfigs(patches().additions).keys(),
          ...services.flatMap((service) => [
            ...extensionConfigs(envoyResources(service, namespace).made.patches).keys(),
          ]),
        ]
      default:
        routeTypes.add(typeUrl)
        return services.flatMap((service) =>
          envoyResources(service, namespace)
            .made.routes.filter(({ any }) => any.typeUrl === typeUrl)
            .map((route) => route.name),
        )
    }
  }

  function outboundClusters(service: Service): string[] {
    const { subsets } = translations.for(service, namespace)
    const { made } = envoyResources(service, namespace)
    return [...clusterNames(service, subsets, directory.ports), ...addedClusters(contexts, made.patches).keys()]
  }

  return {
    names: (typeUrl) => [...new Set(names(typeUrl))].filter((name) => get(typeUrl, name) !== undefined),
    get,
    close() {},
  }
}

function patchedProxy({ namespace, labels, metadata, filterTypes }: NodeIdentity): PatchedProxy {
  return { namespace, labels, metadata, version: metadata['ISTIO_VERSION'] ?? '', filterTypes }
}
