import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fromBinary, toBinary, toJson } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { AerakiError } from '@aeraki/api/errors'
import { BootstrapSchema } from '@aeraki/xds/gen-lean/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { BootstrapSchema as FullBootstrapSchema } from '@aeraki/xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { bootstrapFromFlags } from '../src/config/bootstrap.ts'
import { parseBootstrap } from '../src/config/bootstrap-file.ts'
import { fullRegistry } from '../src/config/full-registry.ts'
import { parseFlags } from '../src/flags.ts'

/** The listener is the static example of the reference, with every kind of matcher. */
const yaml = `
node: {id: proxy-1, cluster: demo, locality: {region: r, zone: z}, metadata: {NAMESPACE: demo}}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: orders
    address: {socket_address: {address: 127.0.0.1, port_value: 20880}}
    filter_chains:
    - filters:
      - name: aeraki.meta_protocol_proxy
        typed_config:
          "@type": type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy
          stat_prefix: orders
          protocol: {name: dubbo, codec: {name: aeraki.meta_protocol.codec.dubbo}, multiplexing: false}
          route_config:
            name: orders
            routes:
            - name: v2
              match:
                metadata:
                - {name: method, string_match: {prefix: get}}
                - {name: interface, exact_match: org.demo.Orders}
                - {name: group, prefix_match: g}
                - {name: version, safe_regex_match: {regex: "[12]"}}
                - {name: user, present_match: true, invert_match: true}
              route: {cluster: orders-v2, hash_policy: [method]}
              request_mutation: [{key: env, value: canary}]
            - name: rest
              route: {weighted_clusters: {clusters: [{name: a, weight: 20},{name: b, weight: 80}], total_weight: 100}}
          meta_protocol_filters: [{name: aeraki.meta_protocol.filters.router}]
  clusters:
  - name: orders-v2
    connect_timeout: 0.25s
    type: STATIC
    load_assignment:
      cluster_name: orders-v2
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 20881}}}}]}]
  - {name: a, type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}}
  - {name: b, type: STRICT_DNS, load_assignment: {cluster_name: b, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: localhost, port_value: 1}}}}]}]}}
  - name: xds
    type: STRICT_DNS
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: xds
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: control-plane.local, port_value: 15010}}}}]}]
dynamic_resources:
  ads_config: {api_type: DELTA_GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}
  lds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 3s}
  cds_config: {ads: {}, resource_api_version: V3}
`

function mistakes(text: string): string {
  try {
    parseBootstrap(text, 'b.yaml')
  } catch (error) {
    assert.ok(error instanceof AerakiError, String(error))
    return `${error.code} ${error.message}`
  }
  return 'none'
}

function dynamic(ads: string): string {
  return `node: {id: n}\ndynamic_resources: {ads_config: ${ads}, lds_config: {ads: {}}, cds_config: {ads: {}}}`
}

function namespace(node: string, given?: string): unknown {
  return bootstrapFromFlags({ controlPlane: 'h:1', node, namespace: given }).node.metadata?.['NAMESPACE']
}

describe('a bootstrap file', () => {
  test('gives node, admin address, static resources and the control plane', () => {
    const bootstrap = parseBootstrap(yaml, 'b.yaml')
    assert.equal(bootstrap.node.id, 'proxy-1')
    assert.equal(bootstrap.node.userAgentName, 'aeraki-proxy')
    assert.deepEqual(bootstrap.adminAddress, { host: '127.0.0.1', port: 0 })
    assert.deepEqual(bootstrap.controlPlane, {
      target: 'control-plane.local:15010',
      variant: 'delta',
      listeners: true,
      clusters: true,
      fetchTimeoutMs: 3000,
    })
    assert.deepEqual(
      bootstrap.clusters.map(({ name }) => name),
      ['orders-v2', 'a', 'b'],
      'the xDS cluster is not for requests',
    )
    assert.equal(bootstrap.clusters[0]?.config.config.connectTimeoutMs, 250)
    const [listener] = bootstrap.listeners
    assert.ok(listener?.config.filter.routes.kind === 'static')
    const [first, second] = listener.config.filter.routes.table.routes
    assert.deepEqual(
      first?.match.map(({ name, matcher, invert }) => [name, matcher.kind, invert]),
      [
        ['method', 'prefix', false],
        ['interface', 'exact', false],
        ['group', 'prefix', false],
        ['version', 'regex', false],
        ['user', 'present', true],
      ],
    )
    assert.deepEqual(second?.destinations, [
      { cluster: 'a', weight: 20 },
      { cluster: 'b', weight: 80 },
    ])
  })

  test('may be JSON, and may spell its fields in lowerCamelCase', () => {
    const json = JSON.stringify({
      node: { id: 'n' },
      admin: { address: { socketAddress: { address: '127.0.0.1', portValue: 1 } } },
      staticResources: {
        clusters: [
          {
            name: 'x',
            loadAssignment: {
              clusterName: 'x',
              endpoints: [
                { lbEndpoints: [{ endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: 5 } } } }] },
              ],
            },
          },
        ],
      },
      dynamicResources: {
        adsConfig: { apiType: 'GRPC', grpcServices: [{ envoyGrpc: { clusterName: 'x' } }] },
        cdsConfig: { ads: {} },
      },
    })
    const { controlPlane, adminAddress } = parseBootstrap(json, 'b.json')
    assert.deepEqual(adminAddress, { host: '127.0.0.1', port: 1 })
    assert.deepEqual(controlPlane, {
      target: '127.0.0.1:5',
      variant: 'state-of-the-world',
      listeners: false,
      clusters: true,
      fetchTimeoutMs: undefined,
    })
  })

  test('names every mistake with its line and column', () => {
    const said = mistakes(`node: {id: n}
static_resources:
  clusters:
  - name: a
    conect_timeout: 1s
    lb_policy: FAIREST
  - name: b
    connect_timeout: soon
admin: {address: {socket_address: {address: 127.0.0.1, port_value: many}}}
`)
    const lines = said.replace('PROXY_BOOTSTRAP_INVALID ', '').split('\n')
    assert.match(
      lines[0] ?? '',
      /^b\.yaml:5:5: static_resources\.clusters\[0\]\.conect_timeout: unknown field of envoy\.config\.cluster\.v3\.Cluster; did you mean "connect_timeout"\?$/,
    )
    assert.match(lines[1] ?? '', /^b\.yaml:6:5: static_resources\.clusters\[0\]\.lb_policy: .*FAIREST/)
    assert.match(lines[2] ?? '', /^b\.yaml:8:5: static_resources\.clusters\[1\]\.connect_timeout: .*soon/)
    assert.match(lines[3] ?? '', /^b\.yaml:9:56: admin\.address\.socket_address\.port_value: .*many/)
    assert.equal(lines.length, 4)
  })

  test('places what this proxy refuses at its line, also inside a TypedStruct', () => {
    const said = mistakes(`node: {id: n}
static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: 1}}
    filter_chains:
    - filters:
      - name: f
        typed_config:
          "@type": type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy
          value:
            stat_prefix: s
            protocol:
              name: cobol
            route_config: {name: r}
`)
    assert.match(
      said,
      /^PROXY_RESOURCE_UNSUPPORTED b\.yaml:15:15: listener "l": filter_chains\[0\]\.filters\[0\]\.typed_config\.protocol\.name: no protocol "cobol"; there are .*"dubbo"/,
    )
  })

  test('places mistakes in JSON, too, among them a key that is there twice', () => {
    assert.match(
      mistakes('{"node": {"id": "n"},\n "admin": {"adress": {}}}'),
      /b\.yaml:2:12: admin\.adress: unknown field/,
    )
    assert.match(mistakes('{"node": {"id": "a",\n "id": "b"}}'), /^PROXY_BOOTSTRAP_INVALID b\.yaml:2:2: .*unique/)
    assert.match(mistakes('{"node": {"id": "n"},\n "admin" {}}'), /^PROXY_BOOTSTRAP_INVALID b\.yaml:2:/)
    // What looks like a key within a text is none.
    const { node } = parseBootstrap('{"node": {"id": "a \\"b\\": c"}}', 'b.json')
    assert.equal(node.id, 'a "b": c')
  })

  test('may have what Envoy has and this proxy does not read, in YAML and in JSON, and keeps it', () => {
    const cluster = {
      name: 'a',
      type: 'STATIC',
      health_checks: [{ timeout: '1s', interval: '2s', tcp_health_check: { send: { text: '000000FF' } } }],
      upstream_connection_options: { tcp_keepalive: { keepalive_time: 30 } },
    }
    const value = {
      node: { id: 'n' },
      stats_config: { stats_tags: [{ tag_name: 't', regex: '(x)' }] },
      admin: {
        access_log: [
          {
            name: 'file',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
              stat_prefix: 'any type will do',
            },
          },
        ],
      },
      static_resources: { clusters: [cluster] },
    }
    for (const text of [JSON.stringify(value), `# YAML\n${JSON.stringify(value)}`]) {
      const { message, clusters, notes } = parseBootstrap(text, 'b.yaml')
      const full = fromBinary(FullBootstrapSchema, toBinary(BootstrapSchema, message))
      assert.deepEqual(toJson(FullBootstrapSchema, full, { registry: fullRegistry, useProtoFieldName: true }), value)
      const any = clusters[0]?.any
      assert.ok(any)
      assert.deepEqual(toJson(AnySchema, any, { registry: fullRegistry, useProtoFieldName: true }), {
        '@type': any.typeUrl,
        ...cluster,
      })
      assert.deepEqual(notes, ['health_checks: no effect; use outlier_detection'])
    }
  })

  test('is told of unknown fields and types within what this proxy does not read', () => {
    const said = mistakes(`node: {id: n}
stats_config: {stats_tagz: []}
admin: {access_log: [{name: f, typed_config: {"@type": type.googleapis.com/xds.type.v3.TypedStruct,
  type_url: type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, value: {clutser: c}}}]}
`)
    const [first = '', second = '', ...rest] = said.split('\n')
    assert.match(
      first,
      /b\.yaml:2:16: stats_config\.stats_tagz: unknown field of .*StatsConfig; did you mean "stats_tags"/,
    )
    assert.match(
      second,
      /b\.yaml:4:\d+: admin\.access_log\[0\]\.typed_config\..*clutser: unknown field of .*TcpProxy; did you/,
    )
    assert.deepEqual(rest, [])
    // A type that no registry has is for others to know.
    const { notes } = parseBootstrap(
      'admin: {access_log: [{name: f, typed_config: {"@type": type.googleapis.com/not.Known, any: thing}}]}',
      'b.yaml',
    )
    assert.deepEqual(notes, [])
  })

  test('says where YAML itself is broken, and what an unreadable file needs', () => {
    assert.match(mistakes('node: {id: n\nadmin: ]'), /^PROXY_BOOTSTRAP_INVALID b\.yaml:2:\d+: /)
    assert.match(mistakes('just text'), /b\.yaml:1:1: the file: string "just text" where a map of fields is expected/)
    assert.throws(() => parseFlags(['--bootstrap', '/nowhere.yaml']), {
      code: 'PROXY_BOOTSTRAP_UNREADABLE',
      message: /give --bootstrap a file/,
    })
  })

  test('needs a control plane that it can reach', () => {
    assert.match(
      mistakes(dynamic('{api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: gone}}]}')),
      /"gone" is none of static_resources\.clusters/,
    )
    assert.match(mistakes(dynamic('{api_type: REST}')), /ads_config\.api_type: give GRPC or DELTA_GRPC/)
    assert.match(mistakes('dynamic_resources: {lds_config: {path: /x}}'), /lds_config: path; give ads/)
    assert.match(mistakes('dynamic_resources: {lds_config: {ads: {}}}'), /ads_config: is missing/)
    const noId = mistakes(
      `dynamic_resources: {ads_config: {api_type: GRPC, grpc_services: [{google_grpc: {target_uri: "127.0.0.1:1"}}]}, lds_config: {ads: {}}}`,
    )
    assert.match(noId, /node\.id: is empty/)
  })
})

describe('flags', () => {
  const id = 'sidecar~127.0.0.1~web-1.shop~shop.svc.cluster.local'

  test('make the node that the control plane sees', () => {
    const flags = parseFlags([
      '--control-plane',
      '127.0.0.1:15010',
      '--node',
      id,
      '--locality',
      'r/z',
      '--labels',
      'app=web,version=v1',
      '--app',
      '127.0.0.1:8080',
      '--admin-address=127.0.0.1:0',
    ])
    assert.ok(flags.kind === 'run')
    const { node, controlPlane, adminAddress } = flags.bootstrap
    assert.deepEqual(node.metadata, {
      NAMESPACE: 'shop',
      LABELS: { app: 'web', version: 'v1' },
      AERAKI: { APP_ADDRESS: '127.0.0.1:8080' },
    })
    assert.deepEqual([node.id, node.locality?.region, node.locality?.zone, node.locality?.subZone], [id, 'r', 'z', ''])
    assert.equal(controlPlane?.target, '127.0.0.1:15010')
    assert.deepEqual(adminAddress, { host: '127.0.0.1', port: 0 })
  })

  test('that are wrong are told with the remedy', () => {
    const bad: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /give --bootstrap FILE, or --control-plane HOST:PORT and --node ID/],
      [['--control-plane', '127.0.0.1:1'], /needs --node ID/],
      [['--control-plane', 'nowhere', '--node', 'n'], /--control-plane "nowhere": give HOST:PORT/],
      [['--control-plane'], /--control-plane needs a value: --control-plane HOST:PORT/],
      [['--control-plane', '--node', 'n'], /--control-plane needs a value/],
      [['--nodes', 'n'], /unknown flag --nodes, see --help/],
      [['--node', 'n', '--node', 'm'], /--node is given twice/],
      [['x'], /"x": every value needs its flag/],
      [['--control-plane', '127.0.0.1:1', '--node', 'n', '--labels', 'app'], /--labels "app": give KEY=VALUE/],
      [['--control-plane', '127.0.0.1:1', '--node', 'n', '--locality', 'a/b/c/d'], /--locality "a\/b\/c\/d"/],
      [['--control-plane', '127.0.0.1:1', '--node', 'n', '--admin-address', 'here'], /--admin-address "here"/],
      [['--control-plane', '127.0.0.1:1', '--node', 'n', '--drain-time', 'long'], /--drain-time "long"/],
      [['--bootstrap', 'b', '--node', 'n'], /--bootstrap and --node: give one or the other/],
    ]
    for (const [args, message] of bad)
      assert.throws(() => parseFlags(args), { code: 'PROXY_FLAGS_INVALID', message }, args.join(' '))
    assert.equal(parseFlags(['--help']).kind, 'help')
  })

  test('have a namespace of their own, or the one in the node id', () => {
    assert.equal(namespace(id), 'shop')
    assert.equal(namespace(id, 'other'), 'other')
    assert.equal(namespace('just-a-name'), 'default')
  })
})
