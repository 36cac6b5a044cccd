/**
 * A Kubernetes Service as the ServiceEntry that says the same. What Kubernetes has in several objects comes together:
 *
 *   Service         name, addresses, ports, selector      -> hosts, addresses, ports, workloadSelector
 *   EndpointSlice   ready addresses and their ports        -> endpoints
 *   Pod             labels                                 -> labels of the endpoints, which subsets select by
 *   Node            region, zone and subzone labels        -> locality of the endpoints
 *
 * It is called `synthetic-<service>`, as istiod calls what it makes of a Service. Unlike one that people write it may have
 * both endpoints and a selector: WorkloadEntries join a Service's pods.
 */
import { type ObjectOf, protocolOfPort, type ServiceEntry, type ServicePort, type WorkloadEntry } from '@aeraki/api'
import { type KubernetesObject, objectKey } from '@aeraki/kubernetes'
import { placeOf } from './place.ts'

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ */
export interface Service extends KubernetesObject {
  readonly spec?: {
    /** `None`: headless. */
    readonly clusterIP?: string
    readonly clusterIPs?: readonly string[]
    readonly ipFamilies?: readonly string[]
    readonly type?: string
    readonly externalName?: string
    readonly selector?: Readonly<Record<string, string>>
    readonly ports?: readonly {
      readonly name?: string
      readonly port: number
      readonly protocol?: string
      readonly targetPort?: number | string
      readonly appProtocol?: string
    }[]
  }
}

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/ */
export interface EndpointSlice extends KubernetesObject {
  readonly addressType?: string
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[] | null
  readonly endpoints?: readonly SliceEndpoint[] | null
}

interface SliceEndpoint {
  readonly addresses: readonly string[]
  readonly conditions?: { readonly ready?: boolean | null }
  readonly targetRef?: { readonly kind?: string; readonly namespace?: string; readonly name?: string }
  readonly nodeName?: string
  readonly zone?: string
}

export interface Surroundings {
  /** Of the Service, in a stable order. */
  readonly slices: readonly EndpointSlice[]
  podLabels(key: string): Readonly<Record<string, string>> | undefined
  nodeLabels(name: string): Readonly<Record<string, string>> | undefined
  /** `cluster.local` */
  readonly domain: string
}

/** The label of an EndpointSlice that names its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'

/** Undefined for a Service without a port of ours: it is none of our business. */
export function serviceEntryOf(service: Service, around: Surroundings): ObjectOf<'ServiceEntry'> | undefined {
  const ports = portsOf(service, around.slices)
  if (!ports.some((port) => protocolOfPort(port) !== undefined)) return undefined
  const { metadata, spec = {} } = service
  const namespace = metadata.namespace ?? 'default'
  const external = spec.type === 'ExternalName'
  const endpoints = external ? [{ address: spec.externalName ?? '' }] : endpointsOf(service, ports, around)
  const headless = !external && (spec.clusterIP === 'None' || spec.clusterIP === undefined)
  const exportTo = metadata.annotations?.['networking.istio.io/exportTo']?.split(',').map((each) => each.trim())
  const { selector = {} } = spec
  const entry: ServiceEntry = {
    hosts: [`${metadata.name}.${namespace}.svc.${around.domain}`],
    // Clients of a headless service dial its endpoints.
    addresses: headless ? endpoints.map(({ address = '' }) => address) : addressesOf(service),
    ports: [...ports],
    location: external ? 'MESH_EXTERNAL' : 'MESH_INTERNAL',
    resolution: external ? 'DNS' : headless ? 'NONE' : 'STATIC',
    endpoints,
    ...(Object.keys(selector).length === 0 ? {} : { workloadSelector: { labels: { ...selector } } }),
    ...(exportTo === undefined ? {} : { exportTo }),
  }
  const source = placeOf(service)
  return {
    kind: 'ServiceEntry',
    apiVersion: 'networking.istio.io/v1',
    metadata: {
      name: `synthetic-${metadata.name}`,
      namespace,
      labels: metadata.labels ?? {},
      annotations: metadata.annotations ?? {},
      ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
      ...(metadata.creationTimestamp === undefined ? {} : { creationTimestamp: metadata.creationTimestamp }),
    },
    spec: entry,
    source,
    positionOf: () => source,
  }
}

function addressesOf({ spec = {} }: Service): string[] {
  const addresses = spec.clusterIPs ?? [spec.clusterIP ?? '']
  return addresses.filter((address) => address !== '' && address !== 'None')
}

/** A single port may have no name: it is given one that says nothing. */
function nameOf({ name, port }: { readonly name?: string; readonly port: number }): string {
  return name === undefined || name === '' ? `tcp-${port}` : name
}

function portsOf({ spec = {} }: Service, slices: readonly EndpointSlice[]): ServicePort[] {
  return (spec.ports ?? [])
    .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
    .map((port) => {
      const { targetPort } = port
      // A target with a name may have another number on each pod; mostly it has not.
      const target = typeof targetPort === 'number' ? targetPort : slicePort(slices, port.name)
      return {
        number: port.port,
        name: nameOf(port),
        protocol: 'TCP',
        ...(target === undefined ? {} : { targetPort: target }),
        ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      }
    })
}

function slicePort(slices: readonly EndpointSlice[], name = ''): number | undefined {
  return slices.flatMap(({ ports }) => ports ?? []).find((port) => (port.name ?? '') === name)?.port
}

function endpointsOf(service: Service, ports: readonly ServicePort[], around: Surroundings): WorkloadEntry[] {
  const family = service.spec?.ipFamilies?.[0] ?? 'IPv4'
  const ofFamily = around.slices.filter(({ addressType }) => addressType === family)
  // A pod of two families is one endpoint, under the address of the service's first.
  const slices = ofFamily.length > 0 ? ofFamily : around.slices
  const names = new Map((service.spec?.ports ?? []).map((port) => [port.name ?? '', nameOf(port)] as const))
  const known = new Set(ports.map(({ name }) => name))
  const found = new Map<string, WorkloadEntry>()
  for (const slice of slices) {
    const numbers = (slice.ports ?? []).flatMap(({ name = '', port }): [string, number][] => {
      const own = names.get(name)
      return own === undefined || port === undefined || !known.has(own) ? [] : [[own, port]]
    })
    for (const endpoint of slice.endpoints ?? []) {
      const [address] = endpoint.addresses
      // Unknown counts as ready.
      if (address === undefined || endpoint.conditions?.ready === false) continue
      found.set(address, workloadOf(address, Object.fromEntries(numbers), endpoint, slice, around))
    }
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}

function workloadOf(
  address: string,
  ports: Record<string, number>,
  endpoint: SliceEndpoint,
  slice: EndpointSlice,
  around: Surroundings,
): WorkloadEntry {
  const { targetRef } = endpoint
  const pod =
    targetRef?.kind === 'Pod' && targetRef.name !== undefined
      ? { namespace: targetRef.namespace ?? slice.metadata.namespace ?? '', name: targetRef.name }
      : undefined
  const labels = pod === undefined ? undefined : around.podLabels(objectKey({ metadata: pod }))
  const node = endpoint.nodeName === undefined ? undefined : around.nodeLabels(endpoint.nodeName)
  const locality = localityOf(labels, node, endpoint.zone)
  return {
    address,
    ports,
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(locality === '' ? {} : { locality }),
  }
}

/**
 * Istio's order: the pod's own word, then the node's labels. Where the node can't be read: newer API servers copy region and
 * zone to its pods, and the slice knows the zone.
 */
function localityOf(
  pod: Readonly<Record<string, string>> | undefined,
  node: Readonly<Record<string, string>> | undefined,
  zone: string | undefined,
): string {
  const said = pod?.['istio-locality']
  // Labels can't hold slashes.
  if (said !== undefined && said !== '') return said.includes('/') ? said : said.replaceAll('.', '/')
  const parts = [
    (node ?? pod)?.['topology.kubernetes.io/region'] ?? '',
    (node ?? pod)?.['topology.kubernetes.io/zone'] ?? zone ?? '',
    node?.['topology.istio.io/subzone'] ?? '',
  ]
  return parts.join('/').replace(/\/+$/, '')
}
