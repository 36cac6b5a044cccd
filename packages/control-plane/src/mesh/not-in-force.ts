/**
 * What is accepted because Istio or Aeraki has it, and has no effect in standalone mode (yet). Whoever writes it is told
 * so, here and nowhere else; fields whose absence changes what a rule matches are dealt with where it is converted.
 */
import type { Kind, LoadedObject } from '@aeraki/api'
import type { Finding } from './findings.ts'

interface Field {
  /** `spec.http[].fault`: `[]` stands for every entry of a list. */
  readonly path: string
  readonly message: string
  readonly remedy: string
  /** Only then; else whenever the field is there. */
  readonly when?: (value: unknown, spec: LoadedObject['spec']) => boolean
}

const remove = 'remove it; docs/control-plane.md lists what is honoured'

function fields(
  under: readonly string[],
  names: readonly string[],
  message = 'has no effect in standalone mode',
): Field[] {
  return under.flatMap((prefix) => names.map((name) => ({ path: `${prefix}.${name}`, message, remedy: remove })))
}

/** Of routes, neither the proxy nor Envoy's filters for our protocols do it: so it is under Istio, too. */
const nowhere = 'has no effect on the protocols of Aeraki'

const policies = ['spec.trafficPolicy', 'spec.subsets[].trafficPolicy']
const portPolicies = policies.map((policy) => `${policy}.portLevelSettings[]`)

const byKind: Partial<Record<Kind, readonly Field[]>> = {
  MetaRouter: ['spec.localRateLimit', 'spec.globalRateLimit'].map((path) => ({
    path,
    message: 'rate limits are not in force in standalone mode: no request is refused',
    remedy: remove,
  })),
  VirtualService: [
    ...fields(['spec'], ['tls'], nowhere),
    {
      path: 'spec.tcp',
      message: 'beside http routes, tcp routes have no effect on the protocols of Aeraki',
      remedy: 'write the routes as http',
      when: (_, spec) => 'http' in spec && (spec.http ?? []).length > 0,
    },
    ...fields(
      ['spec.http[]'],
      ['redirect', 'directResponse', 'delegate', 'rewrite', 'retries', 'fault', 'corsPolicy'],
      nowhere,
    ),
    ...fields(['spec.http[]'], ['headers.request.remove', 'headers.response.remove', 'route[].headers'], nowhere),
    ...fields(['spec.http[].match[]'], ['ignoreUriCase', 'statPrefix'], nowhere),
  ],
  DestinationRule: [
    ...fields(policies, ['tunnel', 'proxyProtocol', 'retryBudget']),
    ...[...policies, ...portPolicies].map((policy) => ({
      path: `${policy}.tls.mode`,
      message: 'TLS to the endpoints is not supported in standalone mode; connections are plaintext',
      remedy: 'remove tls, or use mode DISABLE',
      when: (mode: unknown) => mode !== 'DISABLE',
    })),
    ...[...policies, ...portPolicies].map((policy) => ({
      path: `${policy}.loadBalancer.simple`,
      message: 'PASSTHROUGH is not supported in standalone mode; LEAST_REQUEST is used',
      remedy: 'choose LEAST_REQUEST, ROUND_ROBIN or RANDOM',
      when: (simple: unknown) => simple === 'PASSTHROUGH',
    })),
    ...fields(
      [...policies, ...portPolicies],
      [
        'loadBalancer.warmup',
        'loadBalancer.warmupDurationSecs',
        'connectionPool.tcp.maxConnectionDuration',
        'connectionPool.tcp.tcpKeepalive',
        'connectionPool.http.maxRequestsPerConnection',
        'connectionPool.http.idleTimeout',
        'connectionPool.http.h2UpgradePolicy',
        'connectionPool.http.useClientProtocol',
        'connectionPool.http.maxConcurrentStreams',
      ],
    ),
    ...['spec.subsets[].trafficPolicy', 'spec.subsets[].trafficPolicy.portLevelSettings[]'].map((policy) => ({
      path: `${policy}.connectionPool.tcp.idleTimeout`,
      message: 'has no effect for a subset: a client is connected to the service as a whole',
      remedy: 'write it in the trafficPolicy of the rule',
    })),
  ],
  Gateway: [
    {
      path: 'spec.servers[].tls',
      message: 'MetaProtocol Proxies end no TLS: the server is not served by them',
      remedy: 'serve it by an Istio ingress gateway, or remove tls',
    },
  ],
  ServiceEntry: [...fields(['spec'], ['subjectAltNames']), ...fields(['spec.endpoints[]'], ['network'])],
  WorkloadEntry: fields(['spec'], ['network']),
}

const kinds: Partial<Record<Kind, string>> = {
  DubboAuthorizationPolicy: 'a MetaProtocol Proxy does not check access: every call is allowed there',
}

/** Every part of the object that has no effect, each with what to do. Routes are no more in force under Istio than here. */
export function notInForce(object: LoadedObject): Finding[] {
  const findings = withoutEffect(object)
  return object.kind === 'VirtualService' ? findings : findings.map((finding) => ({ ...finding, standalone: true }))
}

function withoutEffect(object: LoadedObject): Finding[] {
  const whole = kinds[object.kind]
  if (whole !== undefined) {
    return [
      {
        severity: 'warning',
        code: 'MESH_UNSUPPORTED_KIND',
        field: 'kind',
        value: object.kind,
        message: whole,
        remedy: 'remove the object, unless the folder is for Istio too',
      },
    ]
  }
  return (byKind[object.kind] ?? []).flatMap(({ path, message, remedy, when }) =>
    find(object, path.split('.'), '').flatMap(({ field, value }): Finding[] =>
      when === undefined || when(value, object.spec)
        ? [{ severity: 'warning', code: 'MESH_UNSUPPORTED_FIELD', field, value: shown(value), message, remedy }]
        : [],
    ),
  )
}

function find(value: unknown, [step, ...rest]: readonly string[], at: string): { field: string; value: unknown }[] {
  if (value === undefined || value === null) return []
  if (step === undefined) return [{ field: at, value }]
  const name = step.replace('[]', '')
  const inner: unknown = Reflect.get(Object(value), name)
  const field = at === '' ? name : `${at}.${name}`
  if (!step.endsWith('[]')) return find(inner, rest, field)
  return Array.isArray(inner) ? inner.flatMap((each, i) => find(each, rest, `${field}[${i}]`)) : []
}

/** A value that says something in a line of its own. */
function shown(value: unknown): unknown {
  return typeof value === 'object' ? undefined : value
}
