/** Istio Gateway (networking.istio.io v1, v1beta1, v1alpha3). */
import { type Static, Type } from 'typebox'
import { closed, mapOf, oneOf, portNumber, strings } from './builders.ts'

const tlsVersions = ['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'] as const

export const ServerTls = closed({
  httpsRedirect: Type.Optional(Type.Boolean()),
  mode: Type.Optional(
    oneOf(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL']),
  ),
  serverCertificate: Type.Optional(Type.String()),
  privateKey: Type.Optional(Type.String()),
  caCertificates: Type.Optional(Type.String()),
  caCrl: Type.Optional(Type.String()),
  credentialName: Type.Optional(Type.String()),
  credentialNames: Type.Optional(strings()),
  caCertCredentialName: Type.Optional(Type.String()),
  tlsCertificates: Type.Optional(
    Type.Array(
      closed({
        serverCertificate: Type.Optional(Type.String()),
        privateKey: Type.Optional(Type.String()),
        caCertificates: Type.Optional(Type.String()),
      }),
    ),
  ),
  subjectAltNames: Type.Optional(strings()),
  verifyCertificateSpki: Type.Optional(strings()),
  verifyCertificateHash: Type.Optional(strings()),
  minProtocolVersion: Type.Optional(oneOf(tlsVersions)),
  maxProtocolVersion: Type.Optional(oneOf(tlsVersions)),
  cipherSuites: Type.Optional(strings()),
})
export type ServerTls = Static<typeof ServerTls>

export const GatewayServer = closed({
  port: closed({
    number: portNumber(),
    protocol: Type.String(),
    name: Type.String(),
    targetPort: Type.Optional(portNumber()),
  }),
  hosts: strings({ minItems: 1 }),
  bind: Type.Optional(Type.String()),
  tls: Type.Optional(ServerTls),
  defaultEndpoint: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
})
export type GatewayServer = Static<typeof GatewayServer>

export const Gateway = closed({
  servers: Type.Optional(Type.Array(GatewayServer)),
  selector: Type.Optional(mapOf(Type.String())),
})
export type Gateway = Static<typeof Gateway>
