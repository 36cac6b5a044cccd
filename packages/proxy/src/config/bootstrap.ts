/**
 * What a proxy needs to begin: who it is, its admin address, static resources, and where its control plane is. Made from
 * Envoy's bootstrap message, or from flags.
 */
import { clone, create } from '@bufbuild/protobuf'
import { anyPack, type Any } from '@bufbuild/protobuf/wkt'
import { AerakiError } from '@aeraki/api/errors'
import type { Bootstrap as BootstrapMessage } from '@aeraki/xds/gen-lean/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { BootstrapSchema } from '@aeraki/xds/gen-lean/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { ClusterSchema, type Cluster } from '@aeraki/xds/gen-lean/envoy/config/cluster/v3/cluster_pb.ts'
import { NodeSchema, type Node } from '@aeraki/xds/gen-lean/envoy/config/core/v3/base_pb.ts'
import {
  ApiConfigSource_ApiType,
  type ApiConfigSource,
  type ConfigSource,
} from '@aeraki/xds/gen-lean/envoy/config/core/v3/config_source_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen-lean/envoy/config/listener/v3/listener_pb.ts'
import { formatAddress, milliseconds, socketAddress } from './from-common.ts'
import { clusterFromXds, type ConvertedCluster } from './from-cluster.ts'
import { listenerFromXds } from './from-listener.ts'
import type { Address, ListenerConfig } from './model.ts'
import { Place } from './refusal.ts'

export interface Bootstrap {
  readonly node: Node
  /** Undefined: no admin pages. */
  readonly adminAddress: Address | undefined
  readonly listeners: readonly Static<ListenerConfig>[]
  readonly clusters: readonly Static<ConvertedCluster>[]
  readonly controlPlane: ControlPlane | undefined
  /** For the config dump. */
  readonly message: BootstrapMessage
  /** What was taken note of but has no effect, a line each. */
  readonly notes: readonly string[]
}

export interface Static<T> {
  readonly name: string
  readonly any: Any
  readonly config: T
}

export interface ControlPlane {
  /** `host:port` */
  readonly target: string
  readonly variant: 'delta' | 'state-of-the-world'
  /** Wildcard subscriptions to make. */
  readonly listeners: boolean
  readonly clusters: boolean
  /** How long to wait for the first answers. Default 15,000. */
  readonly fetchTimeoutMs: number | undefined
}

export const userAgentName = 'aeraki-proxy'
export const userAgentVersion = '0.1.0'

/** Adds the place to an error, where it is known; `prefix` is the path of the resource in the bootstrap. */
export type Locate = (error: unknown, prefix: readonly (string | number)[]) => unknown

/** Throws what `locate` makes of a `ResourceError`. */
export function bootstrapFromMessage(message: BootstrapMessage, locate: Locate = (error) => error): Bootstrap {
  const notes: string[] = []
  const within = <T>(prefix: readonly (string | number)[], convert: () => T): T => {
    try {
      return convert()
    } catch (error) {
      throw locate(error, prefix)
    }
  }
  const place = new Place('bootstrap', '', notes)
  const controlPlane = within([], () => controlPlaneOf(message, place))
  const node = message.node === undefined ? create(NodeSchema) : clone(NodeSchema, message.node)
  node.userAgentName = userAgentName
  node.userAgentVersionType = { case: 'userAgentVersion', value: userAgentVersion }
  if (controlPlane !== undefined && node.id === '') {
    within(['node'], () => {
      throw place.at('node').at('id').invalid('is empty; the control plane needs to know who asks')
    })
  }
  const xdsCluster = xdsClusterName(message.dynamicResources?.adsConfig)
  const clusters = message.staticResources?.clusters ?? []
  return {
    node,
    adminAddress: within(
      [],
      () => message.admin?.address && socketAddress(message.admin.address, place.at('admin').at('address')),
    ),
    listeners: (message.staticResources?.listeners ?? []).map((listener, i) => ({
      name: listener.name,
      any: anyPack(ListenerSchema, listener),
      config: within(['static_resources', 'listeners', i], () =>
        listenerFromXds(listener, new Place(`listener "${listener.name}"`, '', notes)),
      ),
    })),
    // The control plane's own cluster speaks HTTP/2: it is the ADS client's, not the data path's.
    clusters: clusters.flatMap((cluster, i) =>
      cluster.name === xdsCluster
        ? []
        : {
            name: cluster.name,
            any: anyPack(ClusterSchema, cluster),
            config: within(['static_resources', 'clusters', i], () =>
              clusterFromXds(cluster, new Place(`cluster "${cluster.name}"`, '', notes)),
            ),
          },
    ),
    controlPlane,
    message,
    notes,
  }
}

function controlPlaneOf(message: BootstrapMessage, place: Place): ControlPlane | undefined {
  const dynamic = message.dynamicResources
  if (dynamic === undefined) return undefined
  const at = place.at('dynamic_resources')
  const listeners = usesAds(dynamic.ldsConfig, at.at('lds_config'))
  const clusters = usesAds(dynamic.cdsConfig, at.at('cds_config'))
  const ads = dynamic.adsConfig
  if (ads === undefined) {
    if (listeners || clusters) throw at.at('ads_config').invalid('is missing; give api_type and grpc_services')
    return undefined
  }
  const variants = new Map<ApiConfigSource_ApiType, ControlPlane['variant']>([
    [ApiConfigSource_ApiType.GRPC, 'state-of-the-world'],
    [ApiConfigSource_ApiType.AGGREGATED_GRPC, 'state-of-the-world'],
    [ApiConfigSource_ApiType.DELTA_GRPC, 'delta'],
    [ApiConfigSource_ApiType.AGGREGATED_DELTA_GRPC, 'delta'],
  ])
  const variant = variants.get(ads.apiType)
  if (variant === undefined) throw at.at('ads_config.api_type').unsupported('give GRPC or DELTA_GRPC')
  const source = dynamic.ldsConfig ?? dynamic.cdsConfig
  return {
    target: targetOf(message, ads, at.at('ads_config.grpc_services')),
    variant,
    listeners,
    clusters,
    fetchTimeoutMs: source?.initialFetchTimeout && milliseconds(source.initialFetchTimeout, at.at('lds_config')),
  }
}

function usesAds(source: ConfigSource | undefined, place: Place): boolean {
  if (source === undefined) return false
  const kind = source.configSourceSpecifier.case
  if (kind !== 'ads') throw place.unsupported(`${kind ?? 'an empty config source'}; give ads {}`)
  return true
}

function xdsClusterName(ads: ApiConfigSource | undefined): string | undefined {
  const target = ads?.grpcServices[0]?.targetSpecifier
  return target?.case === 'envoyGrpc' ? target.value.clusterName : undefined
}

function targetOf(message: BootstrapMessage, ads: ApiConfigSource, place: Place): string {
  const [service] = ads.grpcServices
  if (service === undefined) throw place.invalid('is empty; give envoy_grpc {cluster_name}')
  if (ads.grpcServices.length > 1) place.note('only the first service is used')
  const target = service.targetSpecifier
  if (target.case === 'googleGrpc') return target.value.targetUri
  const at = place.at(0).at('envoy_grpc.cluster_name')
  const name = target.value?.clusterName ?? ''
  if (name === '') throw at.invalid('is empty; give the name of a static cluster')
  const cluster = message.staticResources?.clusters.find((each) => each.name === name)
  if (cluster === undefined) throw at.invalid(`"${name}" is none of static_resources.clusters; add it there`)
  return formatAddress(addressOf(cluster, at))
}

function addressOf(cluster: Cluster, place: Place): Address {
  const socket = cluster.transportSocket
  if (socket !== undefined && !/raw_buffer/.test(socket.name)) {
    throw place.unsupported(
      `cluster "${cluster.name}" has transport_socket "${socket.name}"; xDS is plain text here, leave it out`,
    )
  }
  const endpoints = cluster.loadAssignment?.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) ?? []
  const [first] = endpoints
  if (first?.hostIdentifier.case !== 'endpoint') {
    throw place.invalid(
      `cluster "${cluster.name}" has no endpoint; give it a load_assignment with the control plane's address`,
    )
  }
  if (endpoints.length > 1) place.note(`only the first endpoint of cluster "${cluster.name}" is used`)
  return socketAddress(first.hostIdentifier.value.address, place, 'hostname')
}

/** What the command line says. */
export interface BootstrapFlags {
  /** `host:port` of the control plane. */
  readonly controlPlane: string
  /** Istio's form: `sidecar~<ip>~<name>.<namespace>~<namespace>.svc.cluster.local`. */
  readonly node: string
  /** `region/zone/subzone`, the last two optional. */
  readonly locality?: string | undefined
  /** Labels of the workload. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Default: what the node id says. */
  readonly namespace?: string | undefined
  /** `host` or `host:port`: where the local application listens, for inbound listeners. */
  readonly app?: string | undefined
  readonly adminAddress?: Address | undefined
  readonly variant?: ControlPlane['variant'] | undefined
}

/** Throws `AerakiError` PROXY_FLAGS_INVALID. */
export function bootstrapFromFlags(flags: BootstrapFlags): Bootstrap {
  if (!/^(\[[^\]]+\]|[^:\s]+):\d{1,5}$/.test(flags.controlPlane)) {
    throw new AerakiError(
      'PROXY_FLAGS_INVALID',
      `--control-plane "${flags.controlPlane}": give HOST:PORT, such as 127.0.0.1:15010`,
    )
  }
  if (flags.node.trim() === '') {
    throw new AerakiError(
      'PROXY_FLAGS_INVALID',
      '--node is empty: give sidecar~IP~NAME.NAMESPACE~NAMESPACE.svc.cluster.local',
    )
  }
  const [region = '', zone = '', subZone = '', ...rest] = (flags.locality ?? '').split('/')
  if (rest.length > 0) {
    throw new AerakiError(
      'PROXY_FLAGS_INVALID',
      `--locality "${flags.locality}": give REGION, REGION/ZONE or REGION/ZONE/SUBZONE`,
    )
  }
  const namespace = flags.namespace ?? /~([^~.]+)\.svc\./.exec(flags.node)?.[1] ?? 'default'
  const node = create(NodeSchema, {
    id: flags.node,
    cluster: namespace,
    metadata: {
      NAMESPACE: namespace,
      LABELS: { ...flags.labels },
      ...(flags.app === undefined ? {} : { AERAKI: { APP_ADDRESS: flags.app } }),
    },
    userAgentName,
    userAgentVersionType: { case: 'userAgentVersion', value: userAgentVersion },
    ...(flags.locality === undefined ? {} : { locality: { region, zone, subZone } }),
  })
  return {
    node,
    adminAddress: flags.adminAddress,
    listeners: [],
    clusters: [],
    controlPlane: {
      target: flags.controlPlane,
      variant: flags.variant ?? 'delta',
      listeners: true,
      clusters: true,
      fetchTimeoutMs: undefined,
    },
    message: create(BootstrapSchema, { node }),
    notes: [],
  }
}
