/**
 * The objects that services are made of, indexed by what services ask for. Each object is converted once, when it
 * comes; `put` and `remove` say which facts changed (see dependencies.ts).
 *
 *   service:<key>           the ServiceEntries of a host in a namespace
 *   host:<host>             the ServiceEntries of a host in any namespace
 *   routing:<pattern>       MetaRouters and VirtualServices for a host or wildcard, as written or expanded
 *   destination:<pattern>   DestinationRules, likewise
 *   protocol:<name>         the ApplicationProtocol of a protocol
 *   policy:<kind>/<ns>/<host>  the policies of one kind in a namespace for a host, or, without host, for all; which
 *                           kinds there are, protocols say
 *   secret:<ns>/<name>      a Secret
 *   gateway:<ns>/<name>     a Gateway, and the MetaRouters that expose something through it
 *
 * Workloads are no facts: `put` names the services whose selector they match, before or after the change.
 */
import {
  canonicalHost,
  expandHost,
  hostCovers,
  isKind,
  isWildcard,
  keyOf,
  type Kind,
  type LoadedObject,
  type ObjectOf,
} from '@aeraki/api'
import { envoyProtocols } from '@aeraki/protocols/envoy'
import { unknownCodec } from './codecs.ts'
import { compareAge, createReporter, originOf, type Report } from './findings.ts'
import { policyOf } from './from-destination-rule.ts'
import { routingOfMetaRouter, routingOfVirtualService } from './from-routing.ts'
import { isSelected, labelsOf, selectorOf } from './from-service-entry.ts'
import { patternsFor } from './hosts.ts'
import { notInForce } from './not-in-force.ts'
import { type DestinationPolicy, type RoutingRule, type ServiceKey, serviceKey } from './model.ts'

type Entry = ObjectOf<'ServiceEntry'>
type Workload = ObjectOf<'WorkloadEntry'>
type Converted<T> = { readonly object: LoadedObject; readonly value: T }

export interface MeshInputs {
  /** Adds or replaces. */
  put(object: LoadedObject): Touched
  remove(object: LoadedObject): Touched
  entriesOf(key: ServiceKey): readonly Entry[]
  /** In every namespace, by namespace. */
  entriesOfHost(host: string): readonly Entry[]
  workloadsFor(entry: Entry): readonly Workload[]
  /** Every rule for the host, oldest first. */
  routingFor(host: string): readonly RoutingRule[]
  destinationsFor(host: string): readonly DestinationPolicy[]
  codecOf(protocol: string): string | undefined
  /** The oldest MetaRouter for the host. */
  routerFor(host: string): ObjectOf<'MetaRouter'> | undefined
  /** Oldest first. */
  routersOfGateway(namespace: string, name: string): readonly ObjectOf<'MetaRouter'>[]
  /** Oldest first. Of a kind that some protocol's `policyKinds` names. */
  policiesOf<K extends Kind>(kind: K, namespace: string, host: string): readonly ObjectOf<K>[]
  /** By namespace and name. */
  gateways(): readonly ObjectOf<'Gateway'>[]
  objectOf(kind: string, namespace: string, name: string): LoadedObject | undefined
  /** The full name of a host that an object of the namespace names; see expandHost. */
  fullName(host: string, namespace: string): string
  /** What converting the objects had to say. */
  reports(): Report[]
}

export interface Touched {
  readonly facts: ReadonlySet<string>
  readonly services: ReadonlySet<ServiceKey>
}

/** The facts that a search for a host's rules reads. */
export function patternFacts(prefix: 'routing' | 'destination', host: string): string[] {
  return patternsFor(host).map((pattern) => `${prefix}:${pattern}`)
}

/** @param clusterDomain of the names of Kubernetes services */
export function createMeshInputs(clusterDomain: string): MeshInputs {
  const objects = new Map<string, LoadedObject>()
  const reports = new Map<string, readonly Report[]>()
  const entries = new Index<Entry>()
  const hosts = new Index<Entry>()
  const workloads = new Index<Workload>()
  const selecting = new Index<Entry>()
  const routing = new Index<Converted<Omit<RoutingRule, 'wildcardRank'>>>()
  const destinations = new Index<Converted<Omit<DestinationPolicy, 'wildcardRank'>>>()
  const protocols = new Index<ObjectOf<'ApplicationProtocol'>>()
  const ruled = new Map<string, Rule>()
  /** Of rules for hosts that nobody has, kept: looking at ten thousand rules anew took 20 ms of each change. */
  const nobodys = new Map<string, readonly Report[]>()
  /** Rules to look at again, as they changed. */
  const unchecked = new Set<string>()
  /** Whether there was such a host when rules were looked at last; of hosts that came or went since. */
  const knownBefore = new Map<string, boolean>()
  const routers = new Index<ObjectOf<'MetaRouter'>>()
  const gateways = new Map<string, ObjectOf<'Gateway'>>()
  const gatewayRouters = new Index<ObjectOf<'MetaRouter'>>()
  const policies = new Index<LoadedObject>()

  /** A short name means the ServiceEntry host as written, or the Kubernetes service of the rule's namespace. */
  function spellings(host: string, namespace: string): Set<string> {
    return new Set([canonicalHost(host), expandHost(host, namespace, clusterDomain)])
  }

  function change(id: string, object: LoadedObject, present: boolean): Touched {
    const facts = new Set<string>()
    const services = new Set<ServiceKey>()
    const { namespace } = object.metadata
    const reporter = createReporter(object)
    if (present) for (const finding of notInForce(object)) reporter.report(finding)

    if (isKind(object, 'ServiceEntry')) {
      for (const host of object.spec.hosts.map(canonicalHost)) {
        const key = serviceKey(namespace, host)
        entries.set(key, id, present ? object : undefined)
        if (!knownBefore.has(host)) knownBefore.set(host, hosts.has(host))
        hosts.set(host, id, present ? object : undefined)
        services.add(key)
        facts.add(`host:${host}`)
      }
      const [first] = Object.entries(selectorOf(object) ?? {})
      if (first !== undefined) selecting.set(labelKey(namespace, first), id, present ? object : undefined)
    } else if (isKind(object, 'WorkloadEntry')) {
      const keys = Object.entries(labelsOf(object)).map((label) => labelKey(namespace, label))
      for (const key of keys) workloads.set(key, id, present ? object : undefined)
      const selected = keys.flatMap((key) => selecting.get(key)).filter((entry) => isSelected(entry, object))
      for (const entry of selected) {
        for (const host of entry.spec.hosts) services.add(serviceKey(namespace, canonicalHost(host)))
      }
    } else if (isKind(object, 'DestinationRule')) {
      const value = present ? policyOf(object, reporter) : undefined
      for (const pattern of spellings(object.spec.host, namespace)) {
        destinations.set(pattern, id, value === undefined ? undefined : { object, value })
        facts.add(`destination:${pattern}`)
      }
    } else if (isKind(object, 'VirtualService') || isKind(object, 'MetaRouter')) {
      const value = !present
        ? undefined
        : isKind(object, 'MetaRouter')
          ? routingOfMetaRouter(object)
          : routingOfVirtualService(object, reporter)
      for (const pattern of (object.spec.hosts ?? []).flatMap((host) => [...spellings(host, namespace)])) {
        routing.set(pattern, id, value === undefined ? undefined : { object, value })
        if (isKind(object, 'MetaRouter')) routers.set(pattern, id, present ? object : undefined)
        facts.add(`routing:${pattern}`)
      }
      if (isKind(object, 'MetaRouter')) {
        for (const gateway of object.spec.gateways ?? []) {
          const name = gateway.includes('/') ? gateway : `${namespace}/${gateway}`
          gatewayRouters.set(name, id, present ? object : undefined)
          facts.add(`gateway:${name}`)
        }
      }
    } else if (isKind(object, 'ApplicationProtocol')) {
      if (present) for (const finding of unknownCodec(object)) reporter.report(finding)
      protocols.set(object.spec.protocol, id, present ? object : undefined)
      facts.add(`protocol:${object.spec.protocol}`)
    } else if (isKind(object, 'Gateway')) {
      if (present) gateways.set(id, object)
      else gateways.delete(id)
      facts.add(`gateway:${namespace}/${object.metadata.name}`)
    } else if (isKind(object, 'Secret')) {
      facts.add(`secret:${namespace}/${object.metadata.name}`)
    } else if (policyKinds.has(object.kind)) {
      for (const host of policyHosts(object)) {
        policies.set(`${object.kind}/${namespace}/${host}`, id, present ? object : undefined)
        facts.add(`policy:${object.kind}/${namespace}/${host}`)
      }
    }

    if (present) objects.set(id, object)
    else objects.delete(id)
    if (present && isRule(object)) {
      ruled.set(id, object)
      unchecked.add(id)
    } else {
      ruled.delete(id)
      unchecked.delete(id)
      nobodys.delete(id)
    }
    if (present && reporter.reports.length > 0) reports.set(id, reporter.reports)
    else reports.delete(id)
    return { facts, services }
  }

  /** A policy without a field `host` is for every host of its namespace. */
  function policyHosts({ spec, metadata: { namespace } }: LoadedObject): readonly string[] {
    if (!('host' in spec)) return ['']
    const named = typeof spec.host === 'string' ? [spec.host] : spec.host
    return [...new Set(named.flatMap((host) => [...spellings(host, namespace)]))]
  }

  function rulesFor<T>(index: Index<Converted<T>>, host: string): (T & { wildcardRank: number })[] {
    const found = new Map<LoadedObject, T & { wildcardRank: number }>()
    for (const [wildcardRank, pattern] of patternsFor(host).entries()) {
      for (const { object, value } of index.get(pattern)) {
        if (!found.has(object)) found.set(object, { ...value, wildcardRank })
      }
    }
    return [...found].toSorted(([a], [b]) => compareAge(a, b)).map(([, rule]) => rule)
  }

  function isKnown(host: string, namespace: string): boolean {
    return [...spellings(host, namespace)].some((name) =>
      isWildcard(name) ? hosts.someKey((known) => hostCovers(name, known)) : hosts.has(name),
    )
  }

  /** Rules for hosts that no ServiceEntry has: mostly a slip of the pen. */
  function rulesOfNobody(): Report[] {
    const hostsDiffer = [...knownBefore].some(([host, known]) => hosts.has(host) !== known)
    knownBefore.clear()
    for (const id of hostsDiffer ? ruled.keys() : unchecked) {
      const rule = ruled.get(id)
      const found = rule === undefined ? [] : unknownHostsOf(rule)
      if (found.length > 0) nobodys.set(id, found)
      else nobodys.delete(id)
    }
    unchecked.clear()
    return [...nobodys.values()].flat()
  }

  function unknownHostsOf(rule: Rule): readonly Report[] {
    return hostFields(rule).flatMap(({ field, host }): Report[] => {
      if (isKnown(host, rule.metadata.namespace)) return []
      const message = `no ServiceEntry has this host: the ${rule.kind} has no effect on it`
      const remedy = 'correct the host, or add its ServiceEntry'
      const finding = { severity: 'warning', code: 'MESH_UNKNOWN_HOST', field, value: host, message, remedy } as const
      return [{ about: originOf(rule), finding }]
    })
  }

  return {
    put(object) {
      const id = keyOf(object)
      const before = objects.get(id)
      if (before === undefined) return change(id, object, true)
      const gone = change(id, before, false)
      const come = change(id, object, true)
      return { facts: gone.facts.union(come.facts), services: gone.services.union(come.services) }
    },
    remove(object) {
      const id = keyOf(object)
      const before = objects.get(id)
      return before === undefined ? { facts: new Set(), services: new Set() } : change(id, before, false)
    },
    entriesOf: (key) => entries.get(key).toSorted(compareAge),
    entriesOfHost: (host) => hosts.get(host).toSorted(compareNamespace),
    workloadsFor(entry) {
      const [first] = Object.entries(selectorOf(entry) ?? {})
      if (first === undefined) return []
      return workloads
        .get(labelKey(entry.metadata.namespace, first))
        .filter((workload) => isSelected(entry, workload))
        .toSorted(compareAge)
    },
    routingFor: (host) => rulesFor(routing, host),
    destinationsFor: (host) => rulesFor(destinations, host),
    routerFor: (host) => routers.get(host).toSorted(compareAge)[0],
    routersOfGateway: (namespace, name) => gatewayRouters.get(`${namespace}/${name}`).toSorted(compareAge),
    policiesOf: <K extends Kind>(kind: K, namespace: string, host: string) =>
      policyKeys(kind, namespace, host)
        .flatMap((key) => policies.get(key))
        .filter((object): object is LoadedObject & ObjectOf<K> => object.kind === kind)
        .toSorted(compareAge),
    codecOf: (protocol) => protocols.get(protocol).toSorted(compareAge)[0]?.spec.codec,
    gateways: () => [...gateways].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, gateway]) => gateway),
    fullName: (host, namespace) => expandHost(host, namespace, clusterDomain),
    objectOf: (kind, namespace, name) => objects.get(keyOf({ kind, metadata: { namespace, name } })),
    reports: () => [...[...reports.values()].flat(), ...rulesOfNobody()],
  }
}

/** Of the policies that are for a host: those that name it, and those that name none. */
function policyKeys(kind: Kind, namespace: string, host: string): string[] {
  return [`${kind}/${namespace}/${host}`, `${kind}/${namespace}/`]
}

export function policyFacts(kind: Kind, namespace: string, host: string): string[] {
  return policyKeys(kind, namespace, host).map((key) => `policy:${key}`)
}

const policyKinds: ReadonlySet<Kind> = new Set(envoyProtocols.flatMap((protocol) => protocol.policyKinds))

type Rule = ObjectOf<'VirtualService'> | ObjectOf<'MetaRouter'> | ObjectOf<'DestinationRule'>

function isRule(object: LoadedObject): object is Rule {
  return isKind(object, 'VirtualService') || isKind(object, 'MetaRouter') || isKind(object, 'DestinationRule')
}

function hostFields(rule: Rule): { field: string; host: string }[] {
  if (isKind(rule, 'DestinationRule')) return [{ field: 'spec.host', host: rule.spec.host }]
  return (rule.spec.hosts ?? []).map((host, i) => ({ field: `spec.hosts[${i}]`, host }))
}

function compareNamespace(a: LoadedObject, b: LoadedObject): number {
  return a.metadata.namespace === b.metadata.namespace
    ? compareAge(a, b)
    : a.metadata.namespace < b.metadata.namespace
      ? -1
      : 1
}

/** Objects by a key that several may have. */
class Index<T> {
  readonly #byKey = new Map<string, Map<string, T>>()

  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  someKey(test: (key: string) => boolean): boolean {
    return this.#byKey.keys().some(test)
  }

  get(key: string): T[] {
    return [...(this.#byKey.get(key)?.values() ?? [])]
  }

  set(key: string, id: string, value: T | undefined): void {
    const found = this.#byKey.get(key)
    if (value !== undefined) {
      if (found === undefined) this.#byKey.set(key, new Map([[id, value]]))
      else found.set(id, value)
    } else if (found?.delete(id) === true && found.size === 0) {
      this.#byKey.delete(key)
    }
  }
}

function labelKey(namespace: string, [label, value]: [string, string]): string {
  return `${namespace}/${label}=${value}`
}
