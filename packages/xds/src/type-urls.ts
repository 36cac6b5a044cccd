/** Type URLs of the resources that this project speaks of by name; the server itself is indifferent to the type. */
export const typeUrls = {
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  routes: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  /** ECDS: the configuration of a filter that asks for it. */
  extensionConfig: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
} as const

/** The name of a wildcard subscription. */
export const wildcard = '*'

const prefix = 'type.googleapis.com/'

/**
 * A kind of configuration objects on an MCP-over-xDS stream: `networking.istio.io/v1/ServiceEntry` instead of a message
 * type. Its resources are `istio.mcp.v1alpha1.Resource`s, named `namespace/name`.
 */
export function isCollection(typeUrl: string): boolean {
  return !typeUrl.startsWith(prefix)
}

/**
 * LDS, CDS and collections: a request without names, before any with names, means everything ("legacy wildcard"), and
 * every state-of-the-world response is complete, so that what is missing in it is gone.
 */
export function isCompleteType(typeUrl: string): boolean {
  return typeUrl === typeUrls.listener || typeUrl === typeUrls.cluster || isCollection(typeUrl)
}

/**
 * What listeners ask for and what leads to clusters: routes of any kind (a network filter that fetches its own has them in
 * the filter's package), and configurations of filters.
 */
export function isRouteType(typeUrl: string): boolean {
  return (
    typeUrl === typeUrls.routes ||
    typeUrl === typeUrls.extensionConfig ||
    /\/envoy\.extensions\.filters\./.test(typeUrl)
  )
}
