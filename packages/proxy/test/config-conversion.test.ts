import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { JsonValue } from '@bufbuild/protobuf'
import { RouteConfigurationSchema as InlineSchema } from '@aeraki/xds/gen-lean/aeraki/route_pb.ts'
import { ClusterSchema } from '@aeraki/xds/gen-lean/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen-lean/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen-lean/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen-lean/envoy/config/route/v3/route_pb.ts'
import { clusterFromXds } from '../src/config/from-cluster.ts'
import { endpointsFromXds } from '../src/config/from-endpoints.ts'
import { listenerFromXds } from '../src/config/from-listener.ts'
import { clustersOf, routeTableFromHttp, routeTableFromInline } from '../src/config/from-routes.ts'
import type { ListenerConfig, RouteConfig, RouteTableConfig } from '../src/config/model.ts'
import { Place } from '../src/config/refusal.ts'
import { edsCluster, json, listener, staticCluster } from './support/xds.ts'

const refused = (message: RegExp) => ({ code: /^PROXY_RESOURCE_(INVALID|UNSUPPORTED)$/, message })

function inline(...list: readonly JsonValue[]): RouteTableConfig {
  return routeTableFromInline(json(InlineSchema, { name: 't', routes: [...list] }), new Place('routes "t"'))
}

function http(...list: readonly JsonValue[]): RouteTableConfig {
  const message = json(RouteConfigurationSchema, { name: 't', virtual_hosts: [{ name: 'dummy', routes: [...list] }] })
  return routeTableFromHttp(message, new Place('routes "t"'))
}

function matcher(header: JsonValue): RouteConfig['match'][number] | undefined {
  return inline({ match: { metadata: [header] }, route: { cluster: 'c' } }).routes[0]?.match[0]
}

describe('a route table', () => {
  test('says the same in its inline form and as an HTTP route configuration', () => {
    const fromInline = inline(
      {
        name: 'v2',
        match: { metadata: [{ name: 'Method', string_match: { prefix: 'get' } }] },
        route: {
          cluster: 'orders-v2',
          hash_policy: ['method'],
          request_mirror_policies: [{ cluster: 'shadow', runtime_fraction: { default_value: { numerator: 25 } } }],
        },
        request_mutation: [{ key: 'Env', value: 'canary' }],
        response_mutation: [{ key: 'served-by', value: 'v2' }],
      },
      {
        name: 'rest',
        route: {
          weighted_clusters: {
            clusters: [
              { name: 'a', weight: 20 },
              { name: 'b', weight: 80 },
            ],
          },
        },
      },
    )
    const fromHttp = http(
      {
        name: 'v2',
        match: { prefix: '/', headers: [{ name: 'method', string_match: { prefix: 'get' } }] },
        route: {
          cluster: 'orders-v2',
          hash_policy: [{ header: { header_name: 'method' } }],
          request_mirror_policies: [{ cluster: 'shadow', runtime_fraction: { default_value: { numerator: 25 } } }],
        },
        request_headers_to_add: [{ header: { key: 'Env', value: 'canary' } }],
        response_headers_to_add: [{ header: { key: 'served-by', value: 'v2' } }],
      },
      {
        name: 'rest',
        match: { prefix: '/' },
        route: {
          weighted_clusters: {
            clusters: [
              { name: 'a', weight: 20 },
              { name: 'b', weight: 80 },
            ],
          },
        },
      },
    )
    assert.deepEqual(fromInline, fromHttp)
    assert.deepEqual(fromHttp.routes[0], {
      name: 'v2',
      match: [{ name: 'method', matcher: { kind: 'prefix', value: 'get', ignoreCase: false }, invert: false }],
      destinations: [{ cluster: 'orders-v2', weight: 1 }],
      timeoutMs: undefined,
      requestMutation: { set: [{ key: 'Env', value: 'canary' }] },
      responseMutation: { set: [{ key: 'served-by', value: 'v2' }] },
      hashPolicy: ['method'],
      mirrors: [{ cluster: 'shadow', fraction: 0.25 }],
    })
    assert.deepEqual([...clustersOf(fromHttp)], ['orders-v2', 'shadow', 'a', 'b'])
  })

  test('takes every kind of matcher, in the old form and in the new', () => {
    const cases: readonly (readonly [JsonValue, unknown, boolean])[] = [
      [{ name: 'm', exact_match: 'a' }, { kind: 'exact', value: 'a', ignoreCase: false }, false],
      [{ name: 'm', exact_match: '' }, { kind: 'present' }, false],
      [{ name: 'm', prefix_match: 'a' }, { kind: 'prefix', value: 'a', ignoreCase: false }, false],
      [{ name: 'm', suffix_match: 'a' }, { kind: 'suffix', value: 'a', ignoreCase: false }, false],
      [{ name: 'm', contains_match: 'a' }, { kind: 'contains', value: 'a', ignoreCase: false }, false],
      [{ name: 'm', safe_regex_match: { regex: 'a.*' } }, { kind: 'regex', pattern: 'a.*' }, false],
      [{ name: 'm', safe_regex_match: { google_re2: {}, regex: 'a.*' } }, { kind: 'regex', pattern: 'a.*' }, false],
      [{ name: 'm', present_match: true }, { kind: 'present' }, false],
      [{ name: 'm', present_match: false }, { kind: 'present' }, true],
      [{ name: 'm', present_match: false, invert_match: true }, { kind: 'present' }, false],
      [{ name: 'm' }, { kind: 'present' }, false],
      [{ name: 'm', exact_match: 'a', invert_match: true }, { kind: 'exact', value: 'a', ignoreCase: false }, true],
      [
        { name: 'm', string_match: { exact: 'a', ignore_case: true } },
        { kind: 'exact', value: 'a', ignoreCase: true },
        false,
      ],
      [{ name: 'm', string_match: { suffix: 'a' } }, { kind: 'suffix', value: 'a', ignoreCase: false }, false],
      [{ name: 'm', string_match: { contains: 'a' } }, { kind: 'contains', value: 'a', ignoreCase: false }, false],
      [{ name: 'm', string_match: { safe_regex: { regex: '(a|b)+' } } }, { kind: 'regex', pattern: '(a|b)+' }, false],
    ]
    for (const [header, expected, invert] of cases) {
      assert.deepEqual(matcher(header), { name: 'm', matcher: expected, invert }, JSON.stringify(header))
    }
  })

  test('reads timeouts: absent is the default, zero is none', () => {
    const timeouts = http(
      { match: { prefix: '/' }, route: { cluster: 'c' } },
      { match: { prefix: '/' }, route: { cluster: 'c', timeout: '0s' } },
      { match: { prefix: '/' }, route: { cluster: 'c', timeout: '1.0005s' } },
    ).routes.map(({ timeoutMs }) => timeoutMs)
    assert.deepEqual(timeouts, [undefined, 0, 1001])
  })

  test('lets the last of several mutations of a key win', () => {
    const [route] = inline({
      route: { cluster: 'c' },
      request_mutation: [
        { key: 'k', value: '1' },
        { key: 'l', value: '2' },
        { key: 'k', value: '3' },
      ],
    }).routes
    assert.deepEqual(route?.requestMutation, {
      set: [
        { key: 'k', value: '3' },
        { key: 'l', value: '2' },
      ],
    })
  })

  test('is refused with the path of the field, the value and the remedy', () => {
    const bad: readonly (readonly [JsonValue, RegExp])[] = [
      [{ route: { cluster: '' } }, /routes "t": routes\[0\]\.route\.cluster: is empty/],
      [{}, /routes\[0\]\.route: is missing/],
      [{ route: {} }, /no destination; give cluster or weighted_clusters/],
      [{ route: { weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } } }, /weights add up to 0/],
      [{ route: { weighted_clusters: { clusters: [] } } }, /weights add up to 0/],
      [
        { match: { metadata: [{ name: 'm', safe_regex_match: { regex: '(?=a)' } }] }, route: { cluster: 'c' } },
        /routes\[0\]\.match\.metadata\[0\]\.safe_regex_match\.regex: "\(\?=a\)" is not a regular expression of RE2/,
      ],
      [
        { match: { metadata: [{ name: '', exact_match: 'a' }] }, route: { cluster: 'c' } },
        /metadata\[0\]\.name: is empty/,
      ],
      [
        { match: { metadata: [{ name: 'm', range_match: { start: 1, end: 2 } }] }, route: { cluster: 'c' } },
        /range_match: attributes are text/,
      ],
    ]
    for (const [route, message] of bad) assert.throws(() => inline(route), refused(message))
  })

  test('over RDS needs exactly one virtual host, and conditions on headers only', () => {
    const hosts = json(RouteConfigurationSchema, { name: 't', virtual_hosts: [{ name: 'a' }, { name: 'b' }] })
    assert.throws(() => routeTableFromHttp(hosts, new Place('routes "t"')), refused(/has 2 virtual hosts/))
    assert.throws(
      () => http({ match: { prefix: '/api' }, route: { cluster: 'c' } }),
      refused(/virtual_hosts\[0\]\.routes\[0\]\.match: a condition on the path/),
    )
    assert.throws(
      () => http({ match: { prefix: '/' }, redirect: {} }),
      refused(/redirect; every route needs a "route"/),
    )
  })
})

describe('a cluster', () => {
  const place = new Place('cluster "c"')

  test('has the defaults of Envoy', () => {
    assert.deepEqual(clusterFromXds(edsCluster('c'), place), {
      config: {
        name: 'c',
        policy: 'round-robin',
        connectTimeoutMs: 5000,
        limits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024 },
        outlier: undefined,
        overprovisioningFactor: 140,
        panicThreshold: 50,
        endpoints: { kind: 'eds', name: 'c' },
      },
      dns: undefined,
    })
  })

  test('reads policy, limits, outlier detection, panic threshold and service name', () => {
    const message = json(ClusterSchema, {
      name: 'outbound|20880|v1|demo',
      type: 'EDS',
      lb_policy: 'LEAST_REQUEST',
      connect_timeout: '10s',
      eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' }, service_name: 'demo' },
      circuit_breakers: { thresholds: [{ max_connections: 7, max_requests: 8, max_pending_requests: 9 }] },
      outlier_detection: {
        consecutive_5xx: 3,
        interval: '1s',
        base_ejection_time: '2s',
        max_ejection_percent: 100,
        consecutive_gateway_failure: 4,
        enforcing_consecutive_gateway_failure: 100,
      },
      common_lb_config: { healthy_panic_threshold: {} },
    })
    const { config } = clusterFromXds(message, place)
    assert.equal(config.policy, 'least-request')
    assert.equal(config.connectTimeoutMs, 10_000)
    assert.deepEqual(config.limits, { maxConnections: 7, maxPendingRequests: 9, maxRequests: 8 })
    assert.deepEqual(config.outlier, {
      consecutive5xx: 3,
      consecutiveGatewayFailure: 4,
      intervalMs: 1000,
      baseEjectionMs: 2000,
      maxEjectionMs: 300_000,
      maxEjectionPercent: 100,
    })
    assert.equal(config.panicThreshold, 0)
    assert.deepEqual(config.endpoints, { kind: 'eds', name: 'demo' })
  })

  test('carries its static endpoints', () => {
    const { config } = clusterFromXds(staticCluster('c', '10.0.0.1:80', '10.0.0.2:81'), place)
    assert.equal(config.endpoints.kind, 'static')
    assert.deepEqual(
      config.endpoints.kind === 'static' &&
        config.endpoints.assignment.localities[0]?.endpoints.map(({ address }) => address),
      [
        { host: '10.0.0.1', port: 80 },
        { host: '10.0.0.2', port: 81 },
      ],
    )
  })

  test('of type STRICT_DNS gets its endpoints under a name that no control plane can use', () => {
    const message = json(ClusterSchema, {
      name: 'c',
      type: 'STRICT_DNS',
      dns_refresh_rate: '1s',
      dns_lookup_family: 'V4_ONLY',
      load_assignment: {
        cluster_name: 'c',
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'db.local', port_value: 80 } } } }] },
        ],
      },
    })
    const { config, dns } = clusterFromXds(message, place)
    assert.deepEqual(config.endpoints, { kind: 'eds', name: 'dns!c' })
    assert.equal(dns?.assignment.name, 'dns!c')
    assert.equal(dns?.refreshMs, 1000)
    assert.equal(dns?.family, 'v4')
  })

  test('is refused rather than served without what it asks for', () => {
    const bad: readonly (readonly [JsonValue, RegExp])[] = [
      [{ name: 'c', type: 'ORIGINAL_DST' }, /type: ORIGINAL_DST; use EDS/],
      [{ name: 'c', type: 'EDS' }, /eds_cluster_config\.eds_config: is missing/],
      [{ name: 'c', type: 'EDS', eds_cluster_config: { eds_config: { self: {} } } }, /self; give ads/],
      [{ name: 'c', lb_policy: 'CLUSTER_PROVIDED' }, /lb_policy: "CLUSTER_PROVIDED"; use/],
      [{ name: 'c', transport_socket: { name: 'envoy.transport_sockets.tls' } }, /transport_socket: .*plain text/],
      [{ name: 'c', connect_timeout: '0s' }, /connect_timeout: 0; give a duration above zero/],
      [
        {
          name: 'c',
          load_assignment: {
            cluster_name: 'c',
            endpoints: [
              { lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'x.y', port_value: 1 } } } }] },
            ],
          },
        },
        /load_assignment\.endpoints\[0\]\.lb_endpoints\[0\]\.endpoint\.address\.socket_address\.address: "x\.y" is not an IP address/,
      ],
    ]
    for (const [message, reason] of bad) {
      assert.throws(() => clusterFromXds(json(ClusterSchema, message), place), refused(reason))
    }
  })
})

test('endpoints keep locality, priority, weight and health', () => {
  const message = json(ClusterLoadAssignmentSchema, {
    cluster_name: 'c',
    endpoints: [
      {
        locality: { region: 'r', zone: 'z', sub_zone: 's' },
        priority: 1,
        load_balancing_weight: 5,
        lb_endpoints: [
          {
            health_status: 'DRAINING',
            load_balancing_weight: 3,
            endpoint: { address: { socket_address: { address: '::1', port_value: 1 } } },
          },
        ],
      },
    ],
  })
  assert.deepEqual(endpointsFromXds(message, new Place('endpoints "c"')), {
    name: 'c',
    localities: [
      {
        region: 'r',
        zone: 'z',
        subZone: 's',
        priority: 1,
        weight: 5,
        endpoints: [{ address: { host: '::1', port: 1 }, weight: 3, health: 'draining' }],
      },
    ],
  })
})

const withFilter = (typed_config: JsonValue, name = 'aeraki.meta_protocol_proxy') =>
  json(ListenerSchema, {
    name: 'l',
    address: { socket_address: { address: '127.0.0.1', port_value: 1 } },
    filter_chains: [{ filters: [{ name, typed_config }] }],
  })

describe('a listener', () => {
  const place = new Place('listener "l"')
  const convert = (message: Parameters<typeof listenerFromXds>[0]): ListenerConfig => listenerFromXds(message, place)

  test('is one MetaProtocol filter on one address', () => {
    assert.deepEqual(
      convert(listener('l', { port: 20_880, host: '193.193.192.192', rds: 'demo_20880', substitute: '127.240.0.1' })),
      {
        name: 'l',
        address: { host: '193.193.192.192', port: 20_880 },
        substitute: { host: '127.240.0.1', port: 20_880 },
        direction: 'outbound',
        filter: { statPrefix: 'l', protocol: 'dubbo', routes: { kind: 'rds', name: 'demo_20880' }, idleTimeoutMs: 0 },
      },
    )
  })

  test('may name a port for its substitute', () => {
    const found = convert(listener('l', { port: 80, cluster: 'c', substitute: '127.240.0.1:8080' }))
    assert.deepEqual(found.substitute, { host: '127.240.0.1', port: 8080 })
    assert.throws(
      () => convert(listener('l', { port: 80, cluster: 'c', substitute: 'localhost' })),
      refused(/substitute: "localhost"; give an IP/),
    )
  })

  const filter = {
    stat_prefix: 's',
    application_protocol: 'mine',
    codec: { name: 'aeraki.meta_protocol.codec.dubbo' },
    route_config: { name: 'r', routes: [{ route: { cluster: 'c' } }] },
  }
  test('takes its filter as a TypedStruct of either kind, and the deprecated fields', () => {
    for (const type of ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']) {
      const message = withFilter({
        '@type': `type.googleapis.com/${type}`,
        type_url: 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
        value: { ...filter, idle_timeout: '60s' },
      })
      const { protocol, routes, idleTimeoutMs } = convert(message).filter
      assert.equal(protocol, 'dubbo')
      assert.equal(routes.kind === 'static' && routes.table.name, 'r')
      assert.equal(idleTimeoutMs, 60_000)
    }
  })

  test('may have fields in a TypedStruct that this proxy does not read', () => {
    const message = withFilter({
      '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
      type_url: 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
      value: {
        ...filter,
        access_log: [{ name: 'file', filter: { status_code_filter: { comparison: { op: 'GE' } } } }],
        tracing: { verbose: true, client_sampling: { value: 50 } },
      },
    })
    const noted = new Place('listener "l"')
    assert.equal(listenerFromXds(message, noted).filter.protocol, 'dubbo')
    assert.deepEqual(
      noted.notes
        .filter((note) => /access_log|tracing/.test(note))
        .map((note) => note.replace(/^.*typed_config\./, '')),
      ['tracing: no effect', 'access_log: no effect'],
    )
  })

  test('is refused for what this proxy does not have', () => {
    const type = 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy'
    const bad: readonly (readonly [JsonValue, RegExp])[] = [
      [
        { '@type': type, ...filter, codec: { name: 'aeraki.meta_protocol.codec.nope' } },
        /typed_config\.codec\.name: no codec "aeraki\.meta_protocol\.codec\.nope"; there are/,
      ],
      [{ '@type': type, ...filter, codec: null }, /application_protocol: no protocol "mine"; there are/],
      [{ '@type': type, ...filter, stat_prefix: '' }, /stat_prefix: is empty/],
      [
        {
          '@type': type,
          ...filter,
          meta_protocol_filters: [
            { name: 'aeraki.meta_protocol.filters.ratelimit' },
            { name: 'aeraki.meta_protocol.filters.router' },
          ],
        },
        /meta_protocol_filters\[0\]\.name: "aeraki\.meta_protocol\.filters\.ratelimit"; this proxy has/,
      ],
      [{ '@type': type, ...filter, route_config: null }, /has no routes; give rds or route_config/],
      [
        { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct', type_url: type, value: { bogus: 1 } },
        /typed_config: is not a aeraki\.meta_protocol_proxy\.v1alpha\.MetaProtocolProxy: .*bogus/,
      ],
      [
        {
          '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
          stat_prefix: 'x',
          cluster: 'c',
        },
        /of type envoy\.extensions\.filters\.network\.tcp_proxy\.v3\.TcpProxy; this proxy has/,
      ],
    ]
    for (const [config, reason] of bad) assert.throws(() => convert(withFilter(config)), refused(reason))
    const empty = json(ListenerSchema, {
      name: 'l',
      address: { socket_address: { address: '1.2.3.4', port_value: 1 } },
    })
    assert.throws(() => convert(empty), refused(/filter_chains: is empty/))
    assert.throws(() => convert(json(ListenerSchema, { name: 'l' })), refused(/address: is missing/))
    assert.throws(
      () => convert(json(ListenerSchema, { name: 'l', address: { pipe: { path: '/x' } } })),
      refused(/address: pipe; /),
    )
  })

  test('takes filters that only observe, and says that they have no effect', () => {
    const noted = new Place('listener "l"')
    listenerFromXds(
      withFilter({
        '@type': 'type.googleapis.com/aeraki.meta_protocol_proxy.v1alpha.MetaProtocolProxy',
        ...filter,
        meta_protocol_filters: [
          { name: 'aeraki.meta_protocol.filters.istio_stats' },
          { name: 'aeraki.meta_protocol.filters.router' },
        ],
      }),
      noted,
    )
    assert.match(noted.notes.join(), /istio_stats has no effect/)
  })
})
