/**
 * How routes come to a stock Envoy. What stands in a listener drains its connections with every change; so routes are
 * fetched apart from it wherever that is possible.
 *
 * | delivery           | the filter                                | the routes                          | a live connection         |
 * |--------------------|-------------------------------------------|-------------------------------------|---------------------------|
 * | `inline`           | has them                                  | with the listener                   | is drained and closed     |
 * | `ads`              | fetches them (DRDS, TRDS), or comes (ECDS) | resources of this ADS stream        | next request follows them |
 * | `files`            | fetches them, or comes (ECDS)             | files beside the proxy              | next request follows them |
 * | `extension-config` | comes as a whole over ECDS                | an EXTENSION_CONFIG of EnvoyFilter  | stays, with its old ones  |
 *
 * `ads` is for Envoys whose ADS is ours. An istiod that is asked for DRDS or TRDS answers with nothing, or ends the stream
 * and with it the whole configuration of the sidecar: what is written for Istio never says so.
 */
import { join } from 'node:path'
import type { JsonObject } from '@bufbuild/protobuf'
import type { DynamicRoutes, EnvoyTranslation, NetworkFilter, TerminalFilter } from '@aeraki/protocols/envoy'

export type RouteDelivery =
  | { readonly kind: 'inline' }
  | { readonly kind: 'ads' }
  /** `folder`: as the proxy sees it. */
  | { readonly kind: 'files'; readonly folder: string }
  | { readonly kind: 'extension-config' }

/** Of sidecars whose ADS is istiod's. */
export type IstioDelivery = Extract<RouteDelivery, { readonly kind: 'inline' | 'extension-config' }>

/** Proto3 JSON of an envoy.config.listener.v3.Filter. */
export type ListenerFilter = JsonObject & { readonly name: string }

/** A filter as a listener has it, and what it gets from elsewhere. */
export interface DeliveredFilter {
  readonly filter: ListenerFilter
  /** Routes of the filter's own type; by their name, or in the file that `file` names. */
  readonly routes?: DynamicRoutes
  /** Proto3 JSON of an envoy.config.core.v3.TypedExtensionConfig. */
  readonly extensionConfig?: JsonObject
}

export interface DeliveryNames {
  /** Of the configuration of the filter, unique in the mesh. */
  readonly extensionConfig: string
  /** In the folder. */
  readonly file: string
}

/** What stands in a filter chain in the place of tcp_proxy, and before it. */
export interface ListenerFilters {
  readonly before?: readonly NetworkFilter[]
  readonly terminal?: ListenerFilter
}

export function inlineFilters({ before = [], terminal }: EnvoyTranslation): ListenerFilters {
  return { before, ...(terminal === undefined ? {} : { terminal: filterValue(terminal) }) }
}

/** From the ADS stream that the listener came from; without a limit, so that no listener begins without its routes. */
const fromAds: JsonObject = { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' }

export function deliver(terminal: TerminalFilter, delivery: RouteDelivery, names: DeliveryNames): DeliveredFilter {
  const { dynamic } = terminal
  if (delivery.kind === 'inline') return { filter: filterValue(terminal) }
  if (delivery.kind === 'extension-config' || dynamic === undefined) return overEcds(terminal, names.extensionConfig)
  const source = delivery.kind === 'ads' ? fromAds : fromFile(delivery.folder, names.file)
  return { filter: filterValue(dynamic.filter(source)), routes: dynamic }
}

function overEcds(terminal: TerminalFilter, name: string): DeliveredFilter {
  const { typed_config: typedConfig } = filterValue(terminal)
  return {
    filter: { name, config_discovery: { config_source: fromAds, type_urls: [terminal.typeUrl] } },
    extensionConfig: { name, typed_config: typedConfig },
  }
}

/** Envoy reads it again when it was moved into the folder, or the folder of a Kubernetes volume was. */
function fromFile(folder: string, file: string): JsonObject {
  return {
    pathConfigSource: { path: join(folder, file), watchedDirectory: { path: folder } },
    initialFetchTimeout: '0s',
    resourceApiVersion: 'V3',
  }
}

/** In a TypedStruct: istiod refuses messages that it does not know, and a TypedStruct it passes on. */
export function filterValue({ name, typeUrl, config }: NetworkFilter): ListenerFilter & { typed_config: JsonObject } {
  return {
    name,
    typed_config: { '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct', type_url: typeUrl, value: config },
  }
}
