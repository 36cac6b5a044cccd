/**
 * The mesh as a ResourceProvider for the ADS server. What a node gets depends on what it is: a MetaProtocol Proxy or a stock
 * Envoy. Resources are serialised once and shared by all nodes with the same view.
 */
import type { Change, NodeView, ResourceProvider } from '@aeraki/xds'
import type { UserFilters } from '../envoy-patch/user-filters.ts'
import type { Patch } from '../envoy-patch/patch.ts'
import type { Mesh, MeshChange } from '../mesh/mesh.ts'
import type { Service } from '../mesh/model.ts'
import { type EnvoyResources, type MadePatches, translateForEnvoy } from '../translate/envoy-resources.ts'
import { allPorts, codecPorts } from '../translate/served-ports.ts'
import { type ServiceResources, translate, type Translation } from '../translate/service.ts'
import { collectChange } from './changes.ts'
import { createDirectory } from './directory.ts'
import { addEnvoyChange, type EnvoyChange } from './envoy-changes.ts'
import { createEnvoyView } from './envoy-view.ts'
import { identify } from './node.ts'
import { createProxyView, type Translations } from './proxy-view.ts'

export interface AdsOutput extends ResourceProvider {
  /** The mesh has changed, or EnvoyFilters with these patches have: drops what is outdated and tells the server. */
  publish(change: MeshChange, patches: readonly Patch[]): void
  /** Listener names that services of different hosts claim; the first has it. */
  contested(): readonly { readonly listener: string; readonly services: readonly Service[] }[]
}

export interface AdsOutputOptions {
  readonly mesh: Mesh
  readonly rootNamespace: string
  readonly filters: UserFilters
  /** What Aeraki makes of a service for stock Envoys, as clients of the namespace use it. */
  readonly make: (service: Service, namespace: string) => MadePatches
}

export function createAdsOutput({ mesh, rootNamespace, filters, make }: AdsOutputOptions): AdsOutput {
  const forProxies = createDirectory(mesh, codecPorts)
  const forEnvoys = createDirectory(mesh, allPorts)
  const translations = createTranslations(rootNamespace)
  const envoyTranslations = new WeakMap<ServiceResources, EnvoyResources>()
  const envoys = new Set<NodeView>()
  const routeTypes = new Set<string>()
  const subscribers = new Set<(change: Change) => void>()

  function envoyResources(service: Service, namespace: string): EnvoyResources {
    const base = translations.for(service, namespace)
    const known = envoyTranslations.get(base)
    if (known !== undefined) return known
    const made = make(service, namespace)
    for (const { any } of made.routes) routeTypes.add(any.typeUrl)
    const resources = translateForEnvoy({ service, base, made, onProblem: filters.onProblem })
    envoyTranslations.set(base, resources)
    return resources
  }

  function envoyChange({ services }: MeshChange, patches: readonly Patch[]): EnvoyChange {
    const remade = services.filter(({ parts }) => parts.size > 1 || !parts.has('endpoints'))
    return {
      services: remade.flatMap(({ before, after }) => [before, after].filter((service) => service !== undefined)),
      patches,
      routeTypes,
    }
  }

  return {
    connect(node) {
      const identity = identify(node)
      if (identity.dataPlane !== 'envoy') return createProxyView(identity, forProxies, translations)
      const view = createEnvoyView(identity, { directory: forEnvoys, translations, filters, envoyResources })
      envoys.add(view)
      return { ...view, close: () => envoys.delete(view) }
    },
    onChange(subscriber) {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    publish(change, patches) {
      forProxies.apply(change)
      forEnvoys.apply(change)
      const base = collectChange(change, mesh)
      const names = envoys.size === 0 ? base : addEnvoyChange(base, envoyChange(change, patches), mesh)
      if (names.size > 0) for (const subscriber of subscribers) subscriber(names)
    },
    contested: () => forProxies.contested(),
  }
}

function createTranslations(rootNamespace: string): Translations {
  const translations = new WeakMap<Service, Translation>()
  const of = (service: Service): Translation => {
    const known = translations.get(service)
    if (known !== undefined) return known
    const translation = translate(service)
    translations.set(service, translation)
    return translation
  }
  return { of, for: (service, namespace) => of(service).for({ namespace, rootNamespace }) }
}
