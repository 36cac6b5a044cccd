/**
 * The mesh as a ResourceProvider for the ADS server. What a node gets depends on what it is: a MetaProtocol Proxy or a stock
 * Envoy. Resources are serialised once and shared by all nodes with the same view.
 */
import { type Change, type ResourceProvider, typeUrls } from '@aeraki/xds'
import type { RouteDelivery } from '../envoy-filter/delivery.ts'
import type { UserFilters } from '../envoy-patch/user-filters.ts'
import type { Patch } from '../envoy-patch/patch.ts'
import type { Report } from '../mesh/findings.ts'
import type { Mesh, MeshChange } from '../mesh/mesh.ts'
import type { Service, ServiceKey } from '../mesh/model.ts'
import { type EnvoyResources, translateForEnvoy } from '../translate/envoy-resources.ts'
import { allPorts, codecPorts } from '../translate/served-ports.ts'
import { type ServiceResources, translate, type Translation } from '../translate/service.ts'
import { collectChange } from './changes.ts'
import { createDirectory } from './directory.ts'
import { addEnvoyChange } from './envoy-changes.ts'
import { createEnvoyView } from './envoy-view.ts'
import { gatewayListenerNames } from './gateway-listeners.ts'
import { createMissingFilters } from './missing-filters.ts'
import { identify } from './node.ts'
import type { RouteFiles } from './route-files.ts'
import { createServedFilters, type Made } from './served-filters.ts'
import { createProxyView, type Translations } from './proxy-view.ts'

export interface AdsOutput extends ResourceProvider {
  /** The mesh has changed, or EnvoyFilters with these patches have: drops what is outdated and tells the server. */
  publish(change: MeshChange, patches: readonly Patch[]): void
  /** Listener names that services of different hosts claim; the first has it. */
  contested(): readonly { readonly listener: string; readonly services: readonly Service[] }[]
  /** What is to be said of services as far as stock Envoys have asked for them. */
  reports(): readonly Report[]
}

export interface AdsOutputOptions {
  readonly mesh: Mesh
  readonly rootNamespace: string
  readonly filters: UserFilters
  /** How routes come to stock Envoys. */
  readonly delivery: RouteDelivery
  /** Where they come in files: these. */
  readonly routeFiles: RouteFiles | undefined
}

export function createAdsOutput(options: AdsOutputOptions): AdsOutput {
  const { mesh, rootNamespace, filters, delivery, routeFiles } = options
  const forProxies = createDirectory(mesh, codecPorts)
  const forEnvoys = createDirectory(mesh, allPorts)
  const translations = createTranslations(rootNamespace)
  const served = createServedFilters({ mesh, rootNamespace, allocatedAddresses: true, anyWorkload: true, delivery })
  const envoyTranslations = new WeakMap<ServiceResources, { readonly made: Made; readonly resources: EnvoyResources }>()
  const missing = createMissingFilters({ mesh, needs: () => served.needs() })
  let servesEnvoys = false
  let servesGateways = false
  /** Of the listeners of all gateways, as they were at the last change. */
  let gatewayNames: ReadonlySet<string> = new Set()
  const routeTypes = new Set<string>()
  const subscribers = new Set<(change: Change) => void>()

  function envoyResources(service: Service, namespace: string): EnvoyResources {
    const base = translations.for(service, namespace)
    const made = served.made(service)
    const known = envoyTranslations.get(base)
    if (known?.made === made) return known.resources
    const patches = made.for(namespace)
    const resources = translateForEnvoy({ service, base, made: patches, onProblem: filters.onProblem })
    envoyTranslations.set(base, { made, resources })
    return resources
  }

  function changeForEnvoys(base: Change, change: MeshChange, patches: readonly Patch[]): Change {
    const remade = served.publish(change)
    if (routeFiles !== undefined) writeRoutes(routeFiles, change, remade)
    if (!servesEnvoys) return base
    // One that comes may have been asked for already: by an Envoy that knows it from before.
    const reshaped = change.services.filter(({ parts }) => parts.has('shape'))
    const services = [
      ...reshaped.flatMap(({ before, after }) => [before ?? [], after ?? []].flat()),
      ...[...remade].flatMap((key) => mesh.service(key) ?? []),
    ]
    return addEnvoyChange(base, { services, patches, routeTypes }, mesh)
  }

  /** What a gateway listens on hangs on many objects, and there are few gateways: all their listeners are looked at. */
  function changeForGateways(base: Change): Change {
    if (!servesGateways) return base
    const listeners = new Set([...(base.get(typeUrls.listener) ?? []), ...gatewayNames])
    gatewayNames = gatewayListenerNames(mesh)
    for (const name of gatewayNames) listeners.add(name)
    return listeners.size === 0 ? base : new Map([...base, [typeUrls.listener, listeners]])
  }

  /** All of them, also those that no Envoy has asked for yet: it may read the file first. */
  function writeRoutes(files: RouteFiles, change: MeshChange, remade: ReadonlySet<ServiceKey>): void {
    const keys = new Set([...remade, ...change.services.map(({ before, after }) => (after ?? before)?.key ?? '')])
    for (const key of keys) {
      const service = mesh.service(key)
      files.set(key, service === undefined ? [] : served.made(service).routes)
    }
  }

  return {
    connect(node) {
      const identity = identify(node)
      if (identity.dataPlane !== 'envoy') {
        if (identity.role === 'gateway') {
          servesGateways = true
          gatewayNames = gatewayListenerNames(mesh)
        }
        return createProxyView(identity, { mesh, directory: forProxies, translations })
      }
      servesEnvoys = true
      const view = createEnvoyView(identity, {
        directory: forEnvoys,
        translations,
        filters,
        envoyResources,
        routeTypes,
      })
      return { ...view, close: missing.connect(identity) }
    },
    onChange(subscriber) {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    publish(change, patches) {
      forProxies.apply(change)
      forEnvoys.apply(change)
      const names = changeForEnvoys(changeForGateways(collectChange(change, mesh)), change, patches)
      if (names.size > 0) for (const subscriber of subscribers) subscriber(names)
      routeFiles?.flush()
    },
    contested: () => forProxies.contested(),
    reports: () => [...served.reports(), ...missing.reports()],
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
