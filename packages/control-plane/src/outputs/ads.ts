/**
 * The mesh as a ResourceProvider for the ADS server. What a node gets depends on what it is: a MetaProtocol Proxy or a stock
 * Envoy. Resources are serialised once and shared by all nodes with the same view.
 */
import type { Change, ResourceProvider } from '@aeraki/xds'
import type { Mesh, MeshChange } from '../mesh/mesh.ts'
import type { Service } from '../mesh/model.ts'
import { codecPorts } from '../translate/served-ports.ts'
import { translate, type Translation } from '../translate/service.ts'
import { collectChange } from './changes.ts'
import { createDirectory } from './directory.ts'
import { identify } from './node.ts'
import { createProxyView, type Translations } from './proxy-view.ts'

export interface AdsOutput extends ResourceProvider {
  /** The mesh has changed: drops what is outdated and tells the server. */
  publish(change: MeshChange): void
  /** Listener names that services of different hosts claim; the first has it. */
  contested(): readonly { readonly listener: string; readonly services: readonly Service[] }[]
}

export function createAdsOutput(mesh: Mesh, rootNamespace: string): AdsOutput {
  const directory = createDirectory(mesh, codecPorts)
  const translations = createTranslations(rootNamespace)
  const subscribers = new Set<(change: Change) => void>()

  return {
    connect: (node) => createProxyView(identify(node), directory, translations),
    onChange(subscriber) {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    publish(change) {
      directory.apply(change)
      const names = collectChange(change, mesh)
      if (names.size > 0) for (const subscriber of subscribers) subscriber(names)
    },
    contested: () => directory.contested(),
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
