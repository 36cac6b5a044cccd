/**
 * Envoy's bootstrap for a proxy that gets everything else from this control plane over one ADS stream. A stock Envoy takes
 * it, and so does the MetaProtocol Proxy.
 *
 * https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/bootstrap/v3/bootstrap.proto
 */
import { isIP } from 'node:net'
import type { JsonObject } from '@bufbuild/protobuf'
import type { Locality } from '@aeraki/api'

export interface BootstrapOptions {
  readonly controlPlane: HostPort
  /** `sidecar~<ip>~<name>.<namespace>~<namespace>.svc.cluster.local`: with the address of its workload it serves it. */
  readonly node: string
  /** Undefined: no admin pages. */
  readonly admin: HostPort | undefined
  /** Undefined: as in the node id, else `default`. */
  readonly namespace?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly locality?: Locality | undefined
  /** Where the app of the workload listens: `host` or `host:port`. Default 127.0.0.1 and the port of the workload. */
  readonly app?: string | undefined
  /** Connections are redirected to the proxy, by rules such as istio-iptables makes; without, it binds what it serves. */
  readonly intercepted?: boolean | undefined
}

interface HostPort {
  readonly host: string
  readonly port: number
}

const controlPlaneCluster = 'aeraki-xds'

/** Proto3 JSON with the field names of the .proto files. */
export function bootstrapFor(options: BootstrapOptions): JsonObject {
  const fromAds = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' }
  return {
    node: nodeOf(options),
    ...(options.admin === undefined ? {} : { admin: { address: socketAddress(options.admin) } }),
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: controlPlaneCluster } }],
      },
      // Without a limit: a proxy that starts before the control plane waits for it rather than serve nothing.
      lds_config: fromAds,
      cds_config: fromAds,
    },
    static_resources: { clusters: [xdsCluster(options.controlPlane)] },
  }
}

function nodeOf(options: BootstrapOptions): JsonObject {
  const { node, labels, locality, app, intercepted } = options
  const namespace = options.namespace ?? /~([^~.]+)\.svc\./.exec(node)?.[1] ?? 'default'
  return {
    id: node,
    cluster: namespace,
    ...(locality === undefined
      ? {}
      : { locality: { region: locality.region, zone: locality.zone, sub_zone: locality.subZone } }),
    metadata: {
      NAMESPACE: namespace,
      LABELS: { ...labels },
      ...(app === undefined ? {} : { AERAKI: { APP_ADDRESS: app } }),
      ...(intercepted === true ? { INTERCEPTION_MODE: 'REDIRECT' } : {}),
    },
  }
}

function xdsCluster({ host, port }: HostPort): JsonObject {
  return {
    name: controlPlaneCluster,
    type: isIP(host) === 0 ? 'STRICT_DNS' : 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: {
          // Finds a control plane that has gone without a word.
          http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } },
        },
      },
    },
    load_assignment: {
      cluster_name: controlPlaneCluster,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress({ host, port }) } }] }],
    },
  }
}

function socketAddress({ host, port }: HostPort): JsonObject {
  return { socket_address: { address: host, port_value: port } }
}
