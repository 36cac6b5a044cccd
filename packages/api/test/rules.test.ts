/** The rules of each kind: an object that breaks one, and the finding. The sound objects are in the seed's test and here. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { definitionOf, type Kind, loadResources } from '../src/index.ts'
import { findings } from './findings.ts'

/** What it is about, the spec in YAML, and the findings. */
type Case = readonly [about: string, spec: string, ...expected: string[]]

function suite(kind: Kind, cases: readonly Case[]): void {
  const metadata = definitionOf(kind).scope === 'Cluster' ? {} : { namespace: 'shop' }
  describe(kind, () => {
    for (const [about, spec, ...expected] of cases) {
      test(about, () => assert.deepEqual(findings(kind, parse(spec), metadata), expected))
    }
  })
}

const to = 'route: [{destination: {host: a.b}}]'

suite('MetaRouter', [
  [
    'a full one is sound',
    `
hosts: [orders.shop.svc.cluster.local]
exportTo: [shop, checkout]
gateways: [istio-system/ingress, local]
routes:
- name: canary
  match: {attributes: {method: {exact: placeOrder}, tenant: {prefix: beta-}, user: {regex: "a+"}, any: {regex: "*"}}}
  route: [{destination: {host: orders.shop.svc.cluster.local, subset: v2, port: {number: 20880}}}]
  mirror: {host: orders.shop.svc.cluster.local, subset: v3}
  mirrorPercentage: {value: 12.5}
  requestMutation: [{key: x-canary, value: "true"}]
  responseMutation: [{key: x, value: "y"}]
  timeout: 1.5s
- name: split
  route:
  - {destination: {host: orders.shop.svc.cluster.local, subset: v1}, weight: 90}
  - {destination: {host: orders.shop.svc.cluster.local, subset: v2}, weight: 10}
localRateLimit:
  tokenBucket: {maxTokens: 100, tokensPerFill: 100, fillInterval: 1s}
  conditions:
  - match: {attributes: {method: {exact: placeOrder}}}
    tokenBucket: {maxTokens: 10, fillInterval: 1s}
globalRateLimit:
  domain: shop
  match: {attributes: {method: {exact: placeOrder}}}
  rateLimitService: outbound|8081||ratelimit.infra.svc.cluster.local
  requestTimeout: 50ms
  denyOnFail: true
  descriptors: [{property: method, descriptorKey: method}]
`,
  ],
  ['one host, not two', 'hosts: [a.b, c.d]', 'error API_BAD_VALUE spec.hosts'],
  ['one host, not none', 'hosts: []', 'error API_BAD_VALUE spec.hosts'],
  ['a host is no wildcard', 'hosts: ["*.b"]', 'error API_BAD_HOST spec.hosts[0]'],
  ['a top-level domain of digits is none', 'hosts: [a.1]', 'error API_BAD_HOST spec.hosts[0]'],
  [
    'weights sum to 100',
    'hosts: [a.b]\nroutes: [{route: [{destination: {host: a.b}, weight: 30}, {destination: {host: c.d}, weight: 60}]}]',
    'error API_BAD_WEIGHTS spec.routes[0].route',
  ],
  [
    'the weight of a single destination does not matter',
    'hosts: [a.b]\nroutes: [{route: [{destination: {host: a.b}, weight: 30}]}]',
  ],
  [
    'a weight is at most 100',
    'hosts: [a.b]\nroutes: [{route: [{destination: {host: a.b}, weight: 101}]}]',
    'error API_OUT_OF_RANGE spec.routes[0].route[0].weight',
  ],
  [
    'a route needs a destination',
    'hosts: [a.b]\nroutes: [{route: []}]',
    'error API_MISSING_FIELD spec.routes[0].route',
  ],
  [
    'a subset has a valid name',
    'hosts: [a.b]\nroutes: [{route: [{destination: {host: a.b, subset: v_1}}]}]',
    'error API_BAD_NAME spec.routes[0].route[0].destination.subset',
  ],
  [
    'regexes are RE2',
    `hosts: [a.b]\nroutes: [{match: {attributes: {m: {regex: "(?=a)"}}}, ${to}}]`,
    'error API_BAD_REGEX spec.routes[0].match.attributes.m.regex',
  ],
  [
    'one kind of condition at a time',
    `hosts: [a.b]\nroutes: [{match: {attributes: {m: {exact: a, prefix: b}}}, ${to}}]`,
    'error API_TOO_MANY_OF spec.routes[0].match.attributes.m.prefix',
  ],
  [
    'attribute names do not differ in case only',
    `hosts: [a.b]\nroutes: [{match: {attributes: {m: {exact: a}, M: {exact: b}}}, ${to}}]`,
    'error API_BAD_VALUE spec.routes[0].match.attributes.M',
  ],
  [
    'a condition without anything is doubtful',
    `hosts: [a.b]\nroutes: [{match: {attributes: {m: {}}}, ${to}}]`,
    'warning API_DOUBTFUL spec.routes[0].match.attributes.m',
  ],
  [
    'a mirror percentage needs a mirror and a value',
    `hosts: [a.b]\nroutes: [{${to}, mirrorPercentage: {value: 0}}]`,
    'error API_OUT_OF_RANGE spec.routes[0].mirrorPercentage.value',
    'error API_MISSING_FIELD spec.routes[0].mirror',
  ],
  [
    'a mirror percentage is at most 100',
    `hosts: [a.b]\nroutes: [{${to}, mirror: {host: c.d}, mirrorPercentage: {value: 101}}]`,
    'error API_OUT_OF_RANGE spec.routes[0].mirrorPercentage.value',
  ],
  [
    'a mutation has a key and a value',
    `hosts: [a.b]\nroutes: [{${to}, requestMutation: [{key: "", value: ""}]}]`,
    'error API_BAD_VALUE spec.routes[0].requestMutation[0].key',
    'error API_BAD_VALUE spec.routes[0].requestMutation[0].value',
  ],
  [
    'routes after one without match are never reached',
    `hosts: [a.b]\nroutes: [{${to}}, {${to}}]`,
    'warning API_UNREACHABLE_ROUTE spec.routes[1]',
  ],
  ['a rate limit limits something', 'hosts: [a.b]\nlocalRateLimit: {}', 'error API_MISSING_FIELD spec.localRateLimit'],
  [
    'a bucket holds a token and fills',
    'hosts: [a.b]\nlocalRateLimit: {tokenBucket: {maxTokens: 0, tokensPerFill: 0, fillInterval: 1s}}',
    'error API_OUT_OF_RANGE spec.localRateLimit.tokenBucket.maxTokens',
    'error API_OUT_OF_RANGE spec.localRateLimit.tokenBucket.tokensPerFill',
  ],
  [
    'a bucket fills in some time',
    'hosts: [a.b]\nlocalRateLimit: {tokenBucket: {maxTokens: 1, fillInterval: 0s}}',
    'error API_BAD_DURATION spec.localRateLimit.tokenBucket.fillInterval',
  ],
  [
    'a global limit needs its domain, service and descriptors',
    'hosts: [a.b]\nglobalRateLimit: {descriptors: []}',
    'error API_MISSING_FIELD spec.globalRateLimit.domain',
    'error API_MISSING_FIELD spec.globalRateLimit.rateLimitService',
    'error API_MISSING_FIELD spec.globalRateLimit.descriptors',
  ],
  ['exportTo names namespaces', 'hosts: [a.b]\nexportTo: [A_]', 'error API_BAD_EXPORT_TO spec.exportTo[0]'],
  [
    'exportTo names nothing twice, `.` included',
    'hosts: [a.b]\nexportTo: [shop, .]',
    'error API_BAD_EXPORT_TO spec.exportTo[1]',
  ],
  ['exportTo * stands alone', 'hosts: [a.b]\nexportTo: ["*", shop]', 'error API_BAD_EXPORT_TO spec.exportTo'],
  ['a gateway has a name', 'hosts: [a.b]\ngateways: [a/b/c]', 'error API_BAD_VALUE spec.gateways[0]'],
])

suite('ApplicationProtocol', [
  ['is sound', 'protocol: acmerpc\ncodec: acme.codec'],
  ['a - would split the port name', 'protocol: acme-rpc\ncodec: x', 'error API_BAD_VALUE spec.protocol'],
  ['needs both', 'protocol: ""', 'error API_MISSING_FIELD spec.codec', 'error API_BAD_VALUE spec.protocol'],
])

const port = 'ports: [{number: 80, name: tcp-dubbo, protocol: TCP}]'

suite('ServiceEntry', [
  [
    'a full one is sound',
    `
hosts: [a.b, c]
addresses: [10.0.0.1, "fd00::1", 10.1.0.0/16]
ports: [{number: 20880, name: tcp-metaprotocol-dubbo, protocol: TCP, targetPort: 20881, appProtocol: aeraki.io/dubbo}]
location: MESH_INTERNAL
resolution: STATIC
endpoints:
- {address: 10.0.0.2, ports: {tcp-metaprotocol-dubbo: 1}, labels: {version: v1}, locality: cn/sh/a, weight: 3, network: n, serviceAccount: s}
- {address: "fd00::2"}
- {address: "unix:///run/x.sock"}
exportTo: ["*"]
subjectAltNames: ["spiffe://x"]
`,
  ],
  ['a host is not everything', `hosts: ["*"]\n${port}`, 'error API_BAD_VALUE spec.hosts[0]'],
  ['a host comes once', `hosts: [a.b, A.b]\n${port}`, 'error API_DUPLICATE_VALUE spec.hosts[1]'],
  [
    'an address is an address',
    `hosts: [a.b]\naddresses: [10.0.0.256]\n${port}`,
    'error API_BAD_VALUE spec.addresses[0]',
  ],
  [
    'a range cannot be looked up',
    `hosts: [a.b]\naddresses: [10.0.0.0/8]\nresolution: DNS\n${port}`,
    'error API_BAD_VALUE spec.addresses[0]',
  ],
  ['a wildcard cannot be looked up', `hosts: ["*.b"]\nresolution: DNS\n${port}`, 'error API_BAD_VALUE spec.hosts[0]'],
  [
    'numbers and names of ports come once',
    'hosts: [a.b]\nports: [{number: 1, name: a}, {number: 1, name: a}]',
    'error API_DUPLICATE_VALUE spec.ports[1].number',
    'error API_DUPLICATE_VALUE spec.ports[1].name',
  ],
  [
    'a port has a protocol of Istio',
    'hosts: [a.b]\nports: [{number: 1, name: a, protocol: DUBBO}]',
    'error API_BAD_VALUE spec.ports[0].protocol',
  ],
  ['a port name is a label', 'hosts: [a.b]\nports: [{number: 1, name: a_b}]', 'error API_BAD_VALUE spec.ports[0].name'],
  [
    'metaprotocol alone says too little',
    'hosts: [a.b]\nports: [{number: 1, name: tcp-metaprotocol}]',
    'warning API_PORT_WITHOUT_PROTOCOL spec.ports[0].name',
  ],
  [
    'aeraki.io/ alone says too little',
    'hosts: [a.b]\nports: [{number: 1, name: x, appProtocol: aeraki.io/}]',
    'warning API_PORT_WITHOUT_PROTOCOL spec.ports[0].appProtocol',
  ],
  ['without ports nothing reaches it', 'hosts: [a.b]', 'warning API_DOUBTFUL spec.ports'],
  [
    'endpoints or a selector, not both',
    `hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: 10.0.0.1}]\nworkloadSelector: {labels: {a: b}}\n${port}`,
    'error API_TOO_MANY_OF spec.workloadSelector',
  ],
  [
    'resolution NONE has no endpoints',
    `hosts: [a.b]\nendpoints: [{address: 10.0.0.1}]\n${port}`,
    'error API_BAD_VALUE spec.endpoints',
  ],
  [
    'STATIC endpoints are addresses',
    `hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: x.y}]\n${port}`,
    'error API_BAD_VALUE spec.endpoints[0].address',
  ],
  [
    'ports of an endpoint are those of the service',
    `hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: 10.0.0.1, ports: {x: 1}}]\n${port}`,
    'error API_BAD_VALUE spec.endpoints[0].ports.x',
  ],
  [
    'round robin takes one endpoint',
    `hosts: [a.b]\nresolution: DNS_ROUND_ROBIN\nendpoints: [{address: x.y}, {address: x.z}]\n${port}`,
    'error API_BAD_VALUE spec.endpoints',
  ],
])

suite('WorkloadEntry', [
  ['is sound', 'address: 10.0.0.1\nlabels: {app: x}\nlocality: a/b'],
  ['needs an address', 'labels: {app: x}', 'error API_MISSING_FIELD spec.address'],
  ['whose address is one', 'address: 10.0.0', 'error API_BAD_VALUE spec.address'],
  ['a locality has at most three parts', 'address: 10.0.0.1\nlocality: a/b/c/d', 'error API_BAD_VALUE spec.locality'],
  ['labels are valid', 'address: 10.0.0.1\nlabels: {app: "a b"}', 'error API_BAD_VALUE spec.labels.app'],
])

suite('VirtualService', [
  [
    'a full one is sound',
    `
hosts: [a.b, "*.c"]
gateways: [mesh, ns/gw]
http:
- name: x
  match:
  - uri: {prefix: /a}
    method: {exact: GET}
    headers: {user: {regex: "a.*"}, present: {}}
    withoutHeaders: {x: {}}
    queryParams: {q: {exact: "1"}}
    ignoreUriCase: true
    port: 80
    sourceLabels: {app: x}
    sourceNamespace: n
  route:
  - {destination: {host: a.b, subset: v1, port: {number: 80}}, weight: 30, headers: {request: {set: {a: b}, remove: [c]}}}
  - {destination: {host: a.b, subset: v2}, weight: 70}
  timeout: 5s
  retries: {attempts: 3, perTryTimeout: 1s, retryOn: "5xx", retryRemoteLocalities: true}
  mirrors: [{destination: {host: m.b}, percentage: {value: 5}}]
  fault: {delay: {fixedDelay: 1s, percentage: {value: 1}}, abort: {httpStatus: 503, percentage: {value: 0.1}}}
  rewrite: {uriRegexRewrite: {match: "^/a(.*)", rewrite: '\\1'}}
  headers: {response: {add: {x: y}}}
  corsPolicy: {allowOrigins: [{exact: x}], maxAge: 1h}
- match: [{uri: {exact: /old}}]
  redirect: {uri: /new, redirectCode: 302}
- directResponse: {status: 404, body: {string: no}}
tls: [{match: [{port: 443, sniHosts: [x.c]}], route: [{destination: {host: a.b}}]}]
tcp: [{match: [{port: 1, destinationSubnets: [10.0.0.0/8], sourceSubnet: 10.0.0.0/8}], route: [{destination: {host: a.b}}]}]
exportTo: ["."]
`,
  ],
  ['needs routes', 'hosts: [a.b]', 'error API_MISSING_FIELD spec.http'],
  ['every host is for gateways', `hosts: ["*"]\nhttp: [{${to}}]`, 'error API_BAD_VALUE spec.hosts[0]'],
  ['a route goes somewhere', 'hosts: [a.b]\nhttp: [{name: x}]', 'error API_MISSING_FIELD spec.http[0]'],
  [
    'a route goes one way',
    `hosts: [a.b]\nhttp: [{${to}, redirect: {uri: /x}}]`,
    'error API_TOO_MANY_OF spec.http[0].redirect',
  ],
  [
    'weights that sum to something else are proportions',
    'hosts: [a.b]\nhttp: [{route: [{destination: {host: a.b}, weight: 1}, {destination: {host: c.d}, weight: 2}]}]',
    'warning API_BAD_WEIGHTS spec.http[0].route',
  ],
  [
    'weights are not all 0',
    'hosts: [a.b]\nhttp: [{route: [{destination: {host: a.b}}, {destination: {host: c.d}}]}]',
    'error API_BAD_WEIGHTS spec.http[0].route',
  ],
  [
    'weights are not negative',
    'hosts: [a.b]\nhttp: [{route: [{destination: {host: a.b}, weight: -1}]}]',
    'error API_OUT_OF_RANGE spec.http[0].route[0].weight',
  ],
  [
    'regexes are RE2',
    `hosts: [a.b]\nhttp: [{match: [{headers: {"x.y": {regex: "("}}}], ${to}}]`,
    'error API_BAD_REGEX spec.http[0].match[0].headers["x.y"].regex',
  ],
  [
    'an unreachable route',
    `hosts: [a.b]\nhttp: [{match: [{name: x}], ${to}}, {${to}}]`,
    'warning API_UNREACHABLE_ROUTE spec.http[1]',
  ],
  [
    'one form of mirror',
    `hosts: [a.b]\nhttp: [{${to}, mirror: {host: a.b}, mirrors: []}]`,
    'error API_TOO_MANY_OF spec.http[0].mirrors',
  ],
  [
    'a fault has what it needs',
    `hosts: [a.b]\nhttp: [{${to}, fault: {delay: {}, abort: {httpStatus: 700}}}]`,
    'error API_MISSING_FIELD spec.http[0].fault.delay',
    'error API_BAD_VALUE spec.http[0].fault.abort.httpStatus',
  ],
  [
    'retries are not negative',
    `hosts: [a.b]\nhttp: [{${to}, retries: {attempts: -1}}]`,
    'error API_BAD_VALUE spec.http[0].retries.attempts',
  ],
  [
    'SNI hosts are among the hosts',
    'hosts: [a.b]\ntls: [{match: [{sniHosts: [c.d]}], route: [{destination: {host: a.b}}]}]',
    'error API_BAD_VALUE spec.tls[0].match[0].sniHosts[0]',
  ],
  [
    'subnets are subnets',
    'hosts: [a.b]\ntcp: [{match: [{destinationSubnets: [10.0.0.0/33]}], route: [{destination: {host: a.b}}]}]',
    'error API_BAD_VALUE spec.tcp[0].match[0].destinationSubnets[0]',
  ],
  [
    'a route list that is nearly one of ours is a slip',
    `hosts: [a.b]\nhtttp: [{${to}}]`,
    'error API_UNKNOWN_FIELD spec.htttp',
    'error API_MISSING_FIELD spec.http',
  ],
  [
    'a header has a name',
    `hosts: [a.b]\nhttp: [{${to}, headers: {request: {remove: ["a b"]}}}]`,
    'error API_BAD_VALUE spec.http[0].headers.request.remove[0]',
  ],
])

suite('DestinationRule', [
  [
    'a full one is sound',
    `
host: "*.b"
trafficPolicy:
  loadBalancer:
    consistentHash: {httpCookie: {name: x, ttl: 0s}, ringHash: {minimumRingSize: 1024}}
    localityLbSetting: {enabled: true, failover: [{from: a, to: b}], failoverPriority: [x]}
  connectionPool: {tcp: {maxConnections: 1, connectTimeout: 1s, tcpKeepalive: {probes: 1}}, http: {maxRetries: 1, h2UpgradePolicy: UPGRADE}}
  outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 1m, maxEjectionPercent: 100}
  tls: {mode: MUTUAL, clientCertificate: a, privateKey: b, sni: x}
  portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]
subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}, {name: all}]
workloadSelector: {matchLabels: {a: b}}
exportTo: [.]
`,
  ],
  [
    'subset names come once',
    'host: a.b\nsubsets: [{name: v1}, {name: v1}]',
    'error API_DUPLICATE_VALUE spec.subsets[1].name',
  ],
  ['subset names are valid', 'host: a.b\nsubsets: [{name: a.b}]', 'error API_BAD_NAME spec.subsets[0].name'],
  [
    'one kind of load balancing',
    'host: a.b\ntrafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}',
    'error API_TOO_MANY_OF spec.trafficPolicy.loadBalancer.consistentHash',
  ],
  [
    'a hash is of something',
    'host: a.b\ntrafficPolicy: {loadBalancer: {consistentHash: {}}}',
    'error API_MISSING_FIELD spec.trafficPolicy.loadBalancer.consistentHash',
  ],
  [
    'locality without outlier detection never fails over',
    'host: a.b\ntrafficPolicy: {loadBalancer: {localityLbSetting: {enabled: true}}}',
    'warning API_DOUBTFUL spec.trafficPolicy.loadBalancer.localityLbSetting',
  ],
  [
    'distribution sums to 100 and excludes failover',
    'host: a.b\ntrafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {distribute: [{from: a/*, to: {a/*: 80}}], failover: [{from: a, to: a}]}}}',
    'error API_TOO_MANY_OF spec.trafficPolicy.loadBalancer.localityLbSetting.failover',
    'error API_BAD_WEIGHTS spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to',
    'error API_BAD_VALUE spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0].to',
  ],
  [
    'limits are not negative',
    'host: a.b\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}',
    'error API_OUT_OF_RANGE spec.trafficPolicy.connectionPool.tcp.maxConnections',
  ],
  [
    'mutual TLS has a certificate',
    'host: a.b\ntrafficPolicy: {tls: {mode: MUTUAL}}',
    'error API_MISSING_FIELD spec.trafficPolicy.tls.clientCertificate',
  ],
  [
    'times are positive',
    'host: a.b\ntrafficPolicy: {outlierDetection: {interval: 0s}}',
    'error API_BAD_DURATION spec.trafficPolicy.outlierDetection.interval',
  ],
  [
    'a port level has its port',
    'host: a.b\ntrafficPolicy: {portLevelSettings: [{tls: {}}]}',
    'error API_MISSING_FIELD spec.trafficPolicy.portLevelSettings[0].port',
  ],
])

suite('Gateway', [
  [
    'is sound',
    `
selector: {istio: ingressgateway}
servers:
- {port: {number: 9090, name: tcp-metaprotocol-thrift-9090, protocol: TCP}, hosts: ["*"]}
- {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["ns/*.a.b"], tls: {mode: SIMPLE, credentialName: c}}
`,
  ],
  ['needs servers', 'selector: {a: b}', 'error API_MISSING_FIELD spec.servers'],
  [
    'HTTPS needs TLS',
    'servers: [{port: {number: 1, name: a, protocol: HTTPS}, hosts: [a.b]}]',
    'error API_MISSING_FIELD spec.servers[0].tls',
  ],
  [
    'SIMPLE needs a certificate',
    'servers: [{port: {number: 1, name: a, protocol: HTTPS}, hosts: [a.b], tls: {mode: SIMPLE}}]',
    'error API_MISSING_FIELD spec.servers[0].tls.serverCertificate',
    'error API_MISSING_FIELD spec.servers[0].tls.privateKey',
  ],
  [
    'port names come once',
    'servers: [{port: {number: 1, name: a, protocol: TCP}, hosts: [a.b]}, {port: {number: 2, name: a, protocol: TCP}, hosts: [a.b]}]',
    'error API_DUPLICATE_VALUE spec.servers[1].port',
  ],
  [
    'the namespace of a host is one',
    'servers: [{port: {number: 1, name: a, protocol: TCP}, hosts: [A_/a.b]}]',
    'error API_BAD_VALUE spec.servers[0].hosts[0]',
  ],
])

suite('RedisService', [
  [
    'a full one is sound',
    `
host: [cache.data.svc.cluster.local]
settings: {auth: {secret: {name: s, passwordField: pw}}, readPolicy: REPLICA, opTimeout: 2s, caseInsensitive: true}
redis:
- match: {key: {prefix: "session:", removePrefix: false}}
  route: {host: a.b}
  mirror: [{route: {host: c.d, port: 6379}, percentage: {value: 5}, excludeReadCommands: true}]
- route: {host: a.b}
faults: [{type: DELAY, percentage: {value: 1}, delay: 100ms, commands: [GET]}, {type: ERROR}]
`,
  ],
  [
    'one kind of authentication',
    'host: [a.b]\nsettings: {auth: {secret: {name: a}, plain: {password: b}}}',
    'error API_TOO_MANY_OF spec.settings.auth.plain',
  ],
  [
    'authentication with something',
    'host: [a.b]\nsettings: {auth: {plain: {}}}',
    'error API_MISSING_FIELD spec.settings.auth.plain.password',
  ],
  [
    'one route for the rest',
    'host: [a.b]\nredis: [{route: {host: a.b}}, {match: {key: {}}, route: {host: a.b}}]',
    'error API_DUPLICATE_VALUE spec.redis[1]',
  ],
  [
    'a prefix is no longer than Envoy has it',
    `host: [a.b]\nredis: [{match: {key: {prefix: ${'é'.repeat(501)}}}, route: {host: a.b}}]`,
    'error API_BAD_VALUE spec.redis[0].match.key.prefix',
  ],
  ['a delay has a length', 'host: [a.b]\nfaults: [{}]', 'error API_MISSING_FIELD spec.faults[0].delay'],
])

const pool = (redis: string) =>
  `host: a.b\ntrafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, redis: ${redis}}}`
const redisPath = 'spec.trafficPolicy.connectionPool.redis'

suite('RedisDestination', [
  [
    'is sound',
    pool('{mode: CLUSTER, discoveryEndpoints: ["a:6379", b, "[fd00::1]:6379"], auth: {plain: {password: x}}}'),
  ],
  ['seeds are for clusters', pool('{discoveryEndpoints: [a]}'), `warning API_DOUBTFUL ${redisPath}.discoveryEndpoints`],
  [
    'a seed has a valid port',
    pool('{mode: CLUSTER, discoveryEndpoints: ["a:0"]}'),
    `error API_BAD_VALUE ${redisPath}.discoveryEndpoints[0]`,
  ],
])

suite('DubboAuthorizationPolicy', [
  [
    'is sound',
    'action: ALLOW\nrules: [{from: [{source: {principals: [a, "b*"], notNamespaces: [dev]}}], to: [{operation: {interfaces: [x], methods: ["get*", "*"]}}]}]',
  ],
  ['without rules it denies everything', 'action: ALLOW', 'warning API_DOUBTFUL spec.rules'],
  [
    'a * is at an end',
    'rules: [{to: [{operation: {methods: ["a*b"]}}]}]',
    'error API_BAD_VALUE spec.rules[0].to[0].operation.methods[0]',
  ],
  [
    'a source says something',
    'rules: [{from: [{source: {}}]}]',
    'error API_MISSING_FIELD spec.rules[0].from[0].source',
  ],
])

suite('EnvoyFilter', [
  [
    'is sound, whatever its patch brings',
    'workloadSelector: {labels: {a: b}}\nconfigPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND, cluster: {service: a}}, patch: {operation: MERGE, value: {anything: [1, null]}}}]',
  ],
  [
    'a patch does something',
    'configPatches: [{applyTo: CLUSTER, patch: {}}]',
    'error API_MISSING_FIELD spec.configPatches[0].patch.operation',
  ],
  [
    'a patch brings something',
    'configPatches: [{applyTo: CLUSTER, patch: {operation: ADD}}]',
    'error API_MISSING_FIELD spec.configPatches[0].patch.value',
  ],
  [
    'a cluster is not found by a listener',
    'configPatches: [{applyTo: CLUSTER, match: {listener: {name: x}}, patch: {operation: REMOVE}}]',
    'error API_BAD_VALUE spec.configPatches[0].applyTo',
  ],
])

suite('Secret', [
  ['is sound', 'type: Opaque\ndata: {password: dGVzdHJlZGlzCg==}\nstringData: {username: x}'],
  ['data is base64', 'data: {password: "test!"}', 'error API_BAD_VALUE data.password'],
])

test('a mesh-wide kind takes no namespace', () => {
  const spec = { protocol: 'a', codec: 'b' }
  assert.deepEqual(findings('ApplicationProtocol', spec, { namespace: 'shop' }), [
    'warning API_NAMESPACE_IGNORED metadata.namespace',
  ])
})

const virtualService = (weight: number, timeout: string) =>
  `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a}, spec: {hosts: [a.b], http: [{timeout: ${timeout}, route: [${Array(3).fill(`{destination: {host: a.b}, weight: ${weight}}`).join(', ')}]}]}}`
const errors = (text: string) =>
  loadResources(text, 'x.yaml').diagnostics.flatMap(({ severity, code }) => (severity === 'error' ? [code] : []))

test('weights that no uint32 can sum, and durations of more than 292 years, are errors', () => {
  assert.deepEqual(errors(virtualService(1_431_655_765, '2540400h')), [])
  assert.deepEqual(errors(virtualService(1_431_655_766, '1s')), ['API_BAD_WEIGHTS'])
  assert.deepEqual(errors(virtualService(1, '2562048h')), ['API_BAD_DURATION'])
})
