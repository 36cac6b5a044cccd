/**
 * The TLS of a DestinationRule for a cluster that istiod does not make: what istiod would have written. Certificates of
 * the mesh come from the agent beside the proxy, files are read by it.
 * https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings
 */
import type { ClientTls } from '@aeraki/api'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import type { DataSourceSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { ApiConfigSource_ApiType, ApiVersion } from '@aeraki/xds/gen/envoy/config/core/v3/config_source_pb.ts'
import {
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcherSchema,
} from '@aeraki/xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts'
import type { SdsSecretConfigSchema } from '@aeraki/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import { UpstreamTlsContextSchema } from '@aeraki/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import type { EnvoyPort } from './contract.ts'
import { any, durationOf } from './message.ts'

type Cluster = Exclude<MessageInitShape<typeof ClusterSchema>, { $typeName: string }>
type UpstreamTls = Exclude<MessageInitShape<typeof UpstreamTlsContextSchema>, { $typeName: string }>

/** Nothing without TLS. */
export function upstreamTls({ number, host, upstream: { tls } }: EnvoyPort): Pick<Cluster, 'transportSocket'> {
  if (tls === undefined || (tls.mode ?? 'DISABLE') === 'DISABLE') return {}
  const context = tls.mode === 'ISTIO_MUTUAL' ? meshIdentity(tls, number, host) : ownCertificates(tls)
  return {
    transportSocket: {
      name: 'envoy.transport_sockets.tls',
      configType: { case: 'typedConfig', value: any(UpstreamTlsContextSchema, context) },
    },
  }
}

/** Istio's mutual TLS: the workload's own certificate, and the root of the mesh. */
function meshIdentity({ sni, subjectAltNames = [] }: ClientTls, port: number, host: string): UpstreamTls {
  return {
    sni: sni ?? `outbound_.${port}_._.${host}`,
    commonTlsContext: {
      alpnProtocols: ['istio-peer-exchange', 'istio'],
      tlsCertificateSdsSecretConfigs: [fromAgent('default')],
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: { matchTypedSubjectAltNames: names(subjectAltNames) },
          validationContextSdsSecretConfig: fromAgent('ROOTCA'),
        },
      },
    },
  }
}

function fromAgent(name: string): MessageInitShape<typeof SdsSecretConfigSchema> {
  return {
    name,
    sdsConfig: {
      resourceApiVersion: ApiVersion.V3,
      initialFetchTimeout: durationOf(0),
      configSourceSpecifier: {
        case: 'apiConfigSource',
        value: {
          apiType: ApiConfigSource_ApiType.GRPC,
          transportApiVersion: ApiVersion.V3,
          setNodeOnFirstMessageOnly: true,
          grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: 'sds-grpc' } } }],
        },
      },
    },
  }
}

/** Where Istio's images have the certificates of public authorities. */
const publicAuthorities = '/etc/ssl/certs/ca-certificates.crt'

/** SIMPLE and MUTUAL. */
function ownCertificates(tls: ClientTls): UpstreamTls {
  const { mode, clientCertificate, privateKey, caCertificates, subjectAltNames = [], sni, insecureSkipVerify } = tls
  const withCertificate = mode === 'MUTUAL' && clientCertificate !== undefined && privateKey !== undefined
  return {
    ...(sni === undefined ? {} : { sni }),
    commonTlsContext: {
      tlsCertificates: withCertificate
        ? [{ certificateChain: file(clientCertificate), privateKey: file(privateKey) }]
        : [],
      ...(insecureSkipVerify === true
        ? {}
        : {
            validationContextType: {
              case: 'validationContext',
              value: {
                trustedCa: file(caCertificates ?? publicAuthorities),
                matchTypedSubjectAltNames: names(subjectAltNames),
              },
            },
          }),
    },
  }
}

function file(filename: string): MessageInitShape<typeof DataSourceSchema> {
  return { specifier: { case: 'filename', value: filename } }
}

/** As DNS names and as URIs: SPIFFE identities are the latter. */
function names(subjectAltNames: readonly string[]): MessageInitShape<typeof SubjectAltNameMatcherSchema>[] {
  return subjectAltNames.map((exact) => ({
    sanType: exact.includes('://') ? SanType.URI : SanType.DNS,
    matcher: { matchPattern: { case: 'exact', value: exact } },
  }))
}
