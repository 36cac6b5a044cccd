/**
 * The C++ filter is in no Envoy that can be had from a package registry: what is generated is read back with the schema of
 * Aeraki 1.4 (packages/xds/proto/aeraki) instead.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromJson, type JsonObject } from '@bufbuild/protobuf'
import { loadValue } from '@aeraki/api'
import { MetaProtocolProxySchema } from '@aeraki/xds/gen/aeraki/meta_protocol_proxy_pb.ts'
import { metaprotocolEnvoy } from '../../src/metaprotocol/envoy.ts'
import { testPort, type TestPortOptions } from '../support/envoy-port.ts'

const application = { name: 'dubbo', codec: 'aeraki.meta_protocol.codec.dubbo', multiplexing: true }
const host = 'demo.shop.svc.cluster.local'

function configOf(options: TestPortOptions): JsonObject {
  const config = metaprotocolEnvoy.translate(testPort({ application, ...options }))?.terminal?.config
  assert.ok(config !== undefined)
  // Without the filters, whose types are not generated; they are compared as they stand.
  fromJson(MetaProtocolProxySchema, { ...config, metaProtocolFilters: [] })
  return config
}

function routerOf(spec: object) {
  const { objects } = loadValue(
    { apiVersion: 'metaprotocol.aeraki.io/v1alpha1', kind: 'MetaRouter', metadata: { name: 'r' }, spec },
    'test',
  )
  const [router] = objects.filter((object) => object.kind === 'MetaRouter')
  assert.ok(router !== undefined)
  return router
}

const common = [
  {
    name: 'aeraki.meta_protocol.filters.metadata_exchange',
    config: {
      '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.filters.metadata_exchange.v1alpha.MetadataExchange',
    },
  },
  {
    name: 'aeraki.meta_protocol.filters.istio_stats',
    config: {
      '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.filters.istio_stats.v1alpha.IstioStats',
      destinationService: host,
    },
  },
  {
    name: 'aeraki.meta_protocol.filters.router',
    config: { '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.filters.router.v1alpha.Router' },
  },
]

test('clients fetch their routes from Aeraki', () => {
  assert.deepEqual(configOf({ idleTimeoutMs: 1500 }), {
    statPrefix: `outbound|20880||${host}`,
    applicationProtocol: 'dubbo',
    rds: {
      configSource: {
        apiConfigSource: {
          apiType: 'GRPC',
          transportApiVersion: 'V3',
          grpcServices: [{ envoyGrpc: { clusterName: 'aeraki-xds' } }],
        },
        resourceApiVersion: 'V3',
      },
      routeConfigName: `${host}_20880`,
    },
    codec: { name: 'aeraki.meta_protocol.codec.dubbo' },
    metaProtocolFilters: common,
    idleTimeout: '1.5s',
  })
})

test('workloads have one route, and the rate limits of the MetaRouter before it', () => {
  const router = routerOf({
    hosts: [host],
    localRateLimit: {
      tokenBucket: { maxTokens: 100, fillInterval: '1m' },
      conditions: [
        {
          match: { attributes: { method: { exact: 'sayHello' }, Attachment: { regex: '*' }, empty: {} } },
          tokenBucket: { maxTokens: 1, tokensPerFill: 2, fillInterval: '100ms' },
        },
      ],
    },
    globalRateLimit: {
      domain: 'shop',
      rateLimitService: 'outbound|8081||limits.shop.svc.cluster.local',
      denyOnFail: true,
      descriptors: [{ property: 'method', descriptorKey: 'm' }],
    },
  })
  const config = configOf({ direction: 'inbound', targetPort: 20881, router })
  assert.deepEqual(config['routeConfig'], {
    name: 'inbound|20881||',
    routes: [{ name: 'default', route: { cluster: 'inbound|20881||' } }],
  })
  assert.deepEqual(config['metaProtocolFilters'], [
    {
      name: 'aeraki.meta_protocol.filters.local_ratelimit',
      config: {
        '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.filters.local_ratelimit.v1alpha.LocalRateLimit',
        statPrefix: host,
        tokenBucket: { maxTokens: 100, tokensPerFill: 1, fillInterval: '60s' },
        conditions: [
          {
            match: {
              metadata: [
                { name: 'attachment', presentMatch: true },
                { name: 'method', exactMatch: 'sayHello' },
              ],
            },
            tokenBucket: { maxTokens: 1, tokensPerFill: 2, fillInterval: '0.1s' },
          },
        ],
      },
    },
    {
      name: 'aeraki.meta_protocol.filters.ratelimit',
      config: {
        '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.filters.ratelimit.v1alpha.RateLimit',
        match: {},
        domain: 'shop',
        timeout: '0.02s',
        failureModeDeny: true,
        rateLimitService: {
          grpcService: { envoyGrpc: { clusterName: 'outbound|8081||limits.shop.svc.cluster.local' } },
          transportApiVersion: 'V3',
        },
        descriptors: [{ property: 'method', descriptorKey: 'm' }],
      },
    },
    ...common,
  ])
})
