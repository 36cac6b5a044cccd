/**
 * What Istio's agent is to the Envoy beside it: a gRPC server that has the workload's certificate (`default`) and the root of
 * the mesh (`ROOTCA`). A faithful fake: Envoy alone judges it.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret
 */
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { DataSourceSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { SecretSchema } from '@aeraki/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@aeraki/xds/gen/envoy/service/discovery/v3/discovery_pb.ts'

export interface MeshAgent {
  /** Proto3 JSON of the cluster by which Envoy knows the agent. */
  readonly cluster: object
  /** Names of the secrets that were asked for. */
  readonly asked: ReadonlySet<string>
  stop(): Promise<void>
}

/** Files in PEM. */
export interface AgentFiles {
  readonly certificate: string
  readonly key: string
  readonly root: string
}

export async function startMeshAgent(files: AgentFiles): Promise<MeshAgent> {
  const asked = new Set<string>()
  const server = createServer()
  server.on('stream', (stream, { ':path': path }) => {
    if (path !== '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets') {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true })
      return
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.on('error', () => undefined)
    onMessages(stream, (message) => {
      const { resourceNames, responseNonce } = fromBinary(DiscoveryRequestSchema, message)
      // One with a nonce acknowledges what it has been given.
      if (responseNonce !== '') return
      for (const name of resourceNames) asked.add(name)
      stream.write(framed(response(resourceNames, files)))
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  const address = { socket_address: { address: '127.0.0.1', port_value: port } }
  return {
    cluster: {
      name: 'sds-grpc',
      type: 'STATIC',
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
      load_assignment: { cluster_name: 'sds-grpc', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    },
    asked,
    async stop() {
      for (const session of sessions) session.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function file(filename: string) {
  return create(DataSourceSchema, { specifier: { case: 'filename', value: filename } })
}

function response(names: readonly string[], { certificate, key, root }: AgentFiles): Uint8Array {
  const secrets = names.map((name) =>
    create(SecretSchema, {
      name,
      type:
        name === 'ROOTCA'
          ? { case: 'validationContext', value: { trustedCa: file(root) } }
          : { case: 'tlsCertificate', value: { certificateChain: file(certificate), privateKey: file(key) } },
    }),
  )
  return toBinary(
    DiscoveryResponseSchema,
    create(DiscoveryResponseSchema, {
      versionInfo: '1',
      nonce: '1',
      typeUrl: `type.googleapis.com/${SecretSchema.typeName}`,
      resources: secrets.map((secret) => anyPack(SecretSchema, secret)),
    }),
  )
}

/** gRPC's frames: one byte for compression, the length in four. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

function onMessages(stream: ServerHttp2Stream, onMessage: (message: Uint8Array) => void): void {
  let waiting = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk])
    while (waiting.length >= 5 && waiting.length >= 5 + waiting.readUInt32BE(1)) {
      const end = 5 + waiting.readUInt32BE(1)
      onMessage(waiting.subarray(5, end))
      waiting = waiting.subarray(end)
    }
  })
}
