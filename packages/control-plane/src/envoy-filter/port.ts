/** A port of a service as a protocol's Envoy side wants it: routes with clusters in the place of hosts, and policies. */
import { canonicalHost, type ClientTls, type Kind } from '@aeraki/api'
import type {
  EnvoyDestination,
  EnvoyPort,
  EnvoyRoute,
  EnvoyUpstream,
  KnownSecret,
  ObjectRef,
  WeightedCluster,
} from '@aeraki/protocols/envoy'
import { originOf, type Report } from '../mesh/findings.ts'
import { policyFacts } from '../mesh/inputs.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Destination, PortTrafficPolicy, RouteRule, Service, ServicePort } from '../mesh/model.ts'
import { routingFor, type SelectionContext, selectPolicy } from '../mesh/selection.ts'
import { hashAttribute } from '../translate/hash.ts'
import { inboundCluster, outboundCluster } from '../translate/names.ts'
import { effectivePolicy } from '../translate/traffic-policy.ts'

export interface PortInput {
  readonly mesh: Mesh
  readonly service: Service
  readonly port: ServicePort
  readonly side: { readonly direction: 'outbound' } | { readonly direction: 'inbound'; readonly targetPort: number }
  /** Whose rules count. */
  readonly context: SelectionContext
  /** Whether the proxies have nothing but what they get from here: no agent with certificates, no DNS of the hosts. */
  readonly standalone: boolean
  /** By namespace and name, the last entries of each Secret that was looked at. */
  readonly lastSecrets: Map<string, Readonly<Record<string, string>>>
  /** Gets the facts that are looked at; see MeshInputs. */
  readonly facts: Set<string>
  report(report: Report): void
}

export function envoyPort(input: PortInput): EnvoyPort {
  const { mesh, service, port, side, context, facts } = input
  const { host, namespace } = service
  const { direction } = side
  const entry = mesh.entryOf(service.key)
  const rules = direction === 'inbound' ? undefined : routingOf(input)
  const policy = effectivePolicy(selectPolicy(service, host, context).policy, undefined, port.number)
  facts.add(`routing:${host}`)
  return {
    direction,
    namespace,
    host,
    number: port.number,
    targetPort: side.direction === 'inbound' ? side.targetPort : port.targetPort,
    cluster: side.direction === 'inbound' ? inboundCluster(side.targetPort) : outboundCluster(port.number, '', host),
    entry: entry === undefined ? { kind: 'ServiceEntry', namespace, name: host } : refOf(originOf(entry)),
    annotations: service.annotations,
    application: port.protocol,
    routes: rules?.map(({ rule, origin }) => routeOf(rule, origin, input)),
    router: mesh.inputs.routerFor(host),
    idleTimeoutMs: policy.connectionPool?.idleTimeoutMs,
    upstream: upstreamOf(input, policy),
    policies<K extends Kind>(kind: K, of = host) {
      const full = mesh.inputs.fullName(of, namespace)
      for (const fact of policyFacts(kind, namespace, full)) facts.add(fact)
      return mesh.inputs.policiesOf(kind, namespace, full)
    },
    fullName: (of) => mesh.inputs.fullName(of, namespace),
    resolve: (destination) => resolve(destination, input),
    secret(name) {
      facts.add(`secret:${namespace}/${name}`)
      return secretOf(name, input)
    },
    report: ({ kind, namespace: space, name }, finding) =>
      input.report({ about: { id: `${kind} ${space}/${name}`, kind, namespace: space, name }, finding }),
  }
}

function refOf({ kind, namespace, name }: ObjectRef): ObjectRef {
  return { kind, namespace, name }
}

function routingOf({ service, port, context }: PortInput): { rule: RouteRule; origin: ObjectRef }[] | undefined {
  const selected = routingFor(service, port.protocol?.name ?? port.envoy ?? '', port.number, context)
  return selected?.routes.map((rule) => ({ rule, origin: refOf(selected.origin) }))
}

function routeOf(rule: RouteRule, origin: ObjectRef, { service, port, context }: PortInput): EnvoyRoute {
  const hashed = rule.destinations.flatMap((each) => hashAttribute(service, each, port.number, context) ?? [])
  return {
    origin,
    name: rule.name,
    match: rule.match,
    clusters: weightedClusters(rule, port),
    mirrors: rule.mirrors.map((mirror) => ({ cluster: clusterOf(mirror, port), percent: mirror.percent })),
    timeoutMs: rule.timeoutMs,
    requestMutation: rule.requestMutation,
    responseMutation: rule.responseMutation,
    hashAttributes: [...new Set(hashed)],
  }
}

/** Two destinations that are one cluster are one. */
function weightedClusters({ destinations }: RouteRule, port: ServicePort): WeightedCluster[] {
  const weights = new Map<string, number>()
  for (const destination of destinations) {
    const cluster = clusterOf(destination, port)
    weights.set(cluster, (weights.get(cluster) ?? 0) + Math.max(1, destination.weight))
  }
  return [...weights].map(([cluster, weight]) => ({ cluster, weight }))
}

function clusterOf({ host, subset, port }: Destination, called: ServicePort): string {
  return outboundCluster(port ?? called.number, subset, host)
}

function resolve(
  { host, port, subset = '' }: EnvoyDestination,
  { mesh, service, port: called, facts }: PortInput,
): string | undefined {
  const written = canonicalHost(host)
  for (const name of new Set([written, mesh.inputs.fullName(host, service.namespace)])) {
    facts.add(`host:${name}`)
    const services = mesh.servicesOfHost(name)
    const found = services.find(({ namespace }) => namespace === service.namespace) ?? services[0]
    if (found === undefined) continue
    const numbers = found.ports.map(({ number }) => number)
    const [only] = numbers
    const number =
      port ??
      (numbers.length === 1
        ? only
        : (
            found.ports.find((each) => each.number === called.number) ??
            found.ports.find((each) => each.name === called.name)
          )?.number)
    return number !== undefined && numbers.includes(number) ? outboundCluster(number, subset, name) : undefined
  }
  return undefined
}

function upstreamOf(input: PortInput, policy: PortTrafficPolicy): EnvoyUpstream {
  const { service, port, standalone } = input
  const tls = policy.tls ?? automaticTls(input)
  // Inline endpoints belong to hosts that no DNS need know; of the others Kubernetes knows.
  const unknownToDns = standalone || service.workloadSelector === undefined
  return {
    hasLoadBalancer: policy.loadBalancer !== undefined,
    tls: standalone && tls?.mode === 'ISTIO_MUTUAL' ? undefined : tls,
    endpoints: unknownToDns
      ? service.endpoints.map(({ address, ports }) => ({ address, port: ports.get(port.number) ?? port.number }))
      : [],
  }
}

/** Istio's injector puts it on the pods that have a sidecar; WorkloadEntries may have it, too. */
const tlsModeLabel = 'security.istio.io/tlsMode'

/**
 * Istio's automatic mutual TLS, as far as it can be known here: nobody says otherwise, and every server has a sidecar. Where
 * only some have one, istiod chooses server by server; a cluster that finds its servers itself has one way for all, and stays
 * plain.
 */
function automaticTls({ mesh, service }: PortInput): ClientTls | undefined {
  // Istio's default: the workloads of such a host are nobody's in the mesh.
  if (mesh.entryOf(service.key)?.spec.location !== 'MESH_INTERNAL') return undefined
  const { endpoints } = service
  const all = endpoints.length > 0 && endpoints.every(({ labels }) => labels[tlsModeLabel] === 'istio')
  return all ? { mode: 'ISTIO_MUTUAL' } : undefined
}

/** One that is deleted keeps its last entries in force: nobody is locked out, or let in, for it. */
function secretOf(name: string, { mesh, service, lastSecrets }: PortInput): KnownSecret | undefined {
  const key = `${service.namespace}/${name}`
  const object = mesh.inputs.objectOf('Secret', service.namespace, name)
  if (object?.kind === 'Secret') {
    const entries = entriesOf(object.spec)
    lastSecrets.set(key, entries)
    return { entries, isGone: false }
  }
  const last = lastSecrets.get(key)
  return last === undefined ? undefined : { entries: last, isGone: true }
}

/** `data` is base64, `stringData` is not and wins. */
function entriesOf({
  data = {},
  stringData = {},
}: {
  readonly data?: Readonly<Record<string, string>>
  readonly stringData?: Readonly<Record<string, string>>
}): Record<string, string> {
  const decoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])
  return { ...Object.fromEntries(decoded), ...stringData }
}
