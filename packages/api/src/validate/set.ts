/**
 * Rules between the objects of a set. They give warnings only: what is missing here may exist elsewhere (in the cluster, in
 * another folder), and objects arrive in any order.
 */
import { type Diagnostic, formatPosition } from '../diagnostic.ts'
import type { FieldPath } from '../field-path.ts'
import { protocolAnnotation } from '../load/early-form.ts'
import { canonicalHost, expandHost, hostCovers, isWildcard } from '../names/host.ts'
import { nearest } from '../names/nearest.ts'
import { protocolOfPort } from '../names/protocol.ts'
import { isKind, keyOf, type LoadedObject, type ObjectOf } from '../object.ts'
import { checkPortProtocols } from './port-protocols.ts'
import { type Reference, referencesOf } from './references.ts'
import { warning } from './set-finding.ts'

/** Checks every object against the others. Cost is linear in their number. */
export function validateSet(objects: readonly LoadedObject[]): Diagnostic[] {
  const set = new SetIndex(objects)
  const diagnostics: Diagnostic[] = []
  for (const object of objects) {
    checkReferences(object, set, diagnostics)
    if (isKind(object, 'MetaRouter')) checkMetaRouter(object, set, diagnostics)
    if (isKind(object, 'DestinationRule')) checkDestinationRule(object, set, diagnostics)
  }
  checkPortProtocols(objects, diagnostics)
  checkOnePerHost(objects, diagnostics)
  checkAddresses(objects, diagnostics)
  return diagnostics
}

class SetIndex {
  readonly #services = new Map<string, ObjectOf<'ServiceEntry'>>()
  readonly #wildcardServices: [string, ObjectOf<'ServiceEntry'>][] = []
  readonly #rules = new Map<string, ObjectOf<'DestinationRule'>[]>()
  readonly #wildcardRules: [string, ObjectOf<'DestinationRule'>][] = []
  readonly #keys: Set<string>
  /** Looking for similar hosts among thousands, for thousands, would cost more than it helps. */
  #suggestionsLeft = 20

  constructor(objects: readonly LoadedObject[]) {
    this.#keys = new Set(objects.map(keyOf))
    for (const object of objects) {
      if (isKind(object, 'ServiceEntry')) this.#addService(object)
      if (isKind(object, 'DestinationRule')) this.#addRule(object)
    }
  }

  #addService(object: ObjectOf<'ServiceEntry'>): void {
    for (const host of object.spec.hosts) {
      const key = canonicalHost(host)
      if (isWildcard(key)) this.#wildcardServices.push([key, object])
      else if (!this.#services.has(key)) this.#services.set(key, object)
    }
  }

  #addRule(object: ObjectOf<'DestinationRule'>): void {
    const key = expandHost(object.spec.host, object.metadata.namespace)
    if (isWildcard(key)) this.#wildcardRules.push([key, object])
    else this.#rules.set(key, [...(this.#rules.get(key) ?? []), object])
  }

  has(kind: string, namespace: string, name: string): boolean {
    return this.#keys.has(`${kind}/${namespace}/${name}`)
  }

  /** The host as written, and as the short name of a service of the namespace. */
  serviceOf(host: string, namespace: string): ObjectOf<'ServiceEntry'> | undefined {
    for (const name of [canonicalHost(host), expandHost(host, namespace)]) {
      const exact =
        this.#services.get(name) ?? this.#wildcardServices.find(([wildcard]) => hostCovers(wildcard, name))?.[1]
      if (exact !== undefined) return exact
    }
    return undefined
  }

  /** The host of a ServiceEntry that is nearest to one that none has. */
  similarHost(host: string): string | undefined {
    if (this.#suggestionsLeft === 0) return undefined
    this.#suggestionsLeft--
    return nearest(host, this.#services.keys())
  }

  subsetsOf(host: string, namespace: string): string[] {
    const key = expandHost(host, namespace)
    const wild = this.#wildcardRules.filter(([wildcard]) => hostCovers(wildcard, key)).map(([, rule]) => rule)
    const rules = [...(this.#rules.get(key) ?? []), ...wild]
    return rules.flatMap(({ spec }) => (spec.subsets ?? []).map(({ name }) => name))
  }
}

function checkReferences(object: LoadedObject, set: SetIndex, diagnostics: Diagnostic[]): void {
  const unknownHosts = new Set<string>()
  for (const reference of referencesOf(object)) {
    if (reference.to === 'object') checkObjectReference(object, reference, set, diagnostics)
    else checkHostReference(object, reference, set, unknownHosts, diagnostics)
  }
}

function checkObjectReference(
  object: LoadedObject,
  { path, kind, namespace, name }: Reference & { to: 'object' },
  set: SetIndex,
  diagnostics: Diagnostic[],
): void {
  if (set.has(kind, namespace, name)) return
  const message = `there is no ${kind} ${namespace}/${name} here`
  const remedy = `Add it, or correct the name.`
  diagnostics.push(warning(object, { code: 'API_UNKNOWN_REFERENCE', path, value: name, message, remedy }))
}

function checkHostReference(
  object: LoadedObject,
  { path, host, hostPath, subset, port, portPath = path }: Reference & { to: 'host' },
  set: SetIndex,
  unknownHosts: Set<string>,
  diagnostics: Diagnostic[],
): void {
  const { namespace } = object.metadata
  const service = set.serviceOf(host, namespace)
  const ports = (service?.spec.ports ?? []).map(({ number }) => number)
  if (service === undefined) {
    // Once per object: the host of a rule comes back in each of its routes.
    if (!unknownHosts.has(host)) diagnostics.push(unknownHost(object, host, hostPath, set))
    unknownHosts.add(host)
  } else if (port !== undefined && !ports.includes(port)) {
    const remedy = `Use one of ${ports.join(', ')}.`
    const finding = { path: portPath, value: port, message: `${host} has no such port`, remedy }
    diagnostics.push(warning(object, { code: 'API_UNKNOWN_PORT', ...finding }))
  }
  if (subset === undefined) return
  const subsets = set.subsetsOf(host, namespace)
  if (subsets.includes(subset)) return
  const remedy =
    subsets.length === 0
      ? 'Add a DestinationRule with it.'
      : `Use one of ${[...new Set(subsets)].join(', ')}, or add it.`
  const message = `no DestinationRule here has this subset of ${host}${didYouMean(nearest(subset, subsets))}`
  const finding = { path: [...path, 'subset'], value: subset, message, remedy }
  diagnostics.push(warning(object, { code: 'API_UNKNOWN_SUBSET', ...finding }))
}

function unknownHost(object: LoadedObject, host: string, path: FieldPath, set: SetIndex): Diagnostic {
  const message = `no ServiceEntry here has this host${didYouMean(set.similarHost(host))}`
  const remedy = 'Add a ServiceEntry with it, unless the service is known elsewhere.'
  return warning(object, { code: 'API_UNKNOWN_HOST', path, value: host, message, remedy })
}

function didYouMean(meant: string | undefined): string {
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

function checkMetaRouter(router: ObjectOf<'MetaRouter'>, set: SetIndex, diagnostics: Diagnostic[]): void {
  const [host = ''] = router.spec.hosts
  const service = set.serviceOf(host, router.metadata.namespace)
  const path = ['spec', 'hosts', 0]
  if (service === undefined) return
  const ports = service.spec.ports ?? []
  const protocols = ports.map(protocolOfPort).filter((protocol) => protocol !== undefined)
  if (protocols.length === 0) {
    diagnostics.push(
      warning(router, {
        code: 'API_NOT_META_PROTOCOL',
        path,
        value: host,
        message: `no port of it has a protocol of Aeraki, so the routes do nothing (ports: ${ports.map(({ name }) => name).join(', ')})`,
        remedy: `Name its port tcp-metaprotocol-<protocol> at ${formatPosition(service.source)}.`,
      }),
    )
    return
  }
  const wanted = router.metadata.annotations[protocolAnnotation]
  if (wanted === undefined || protocols.some(({ protocol }) => protocol === wanted)) return
  const found = protocols.map(({ protocol }) => protocol).join(', ')
  diagnostics.push(
    warning(router, {
      code: 'API_NOT_META_PROTOCOL',
      path,
      value: wanted,
      message: `the routes are for ${wanted}, but the service speaks ${found}`,
      remedy: `Correct the protocol, or the port name of the ServiceEntry at ${formatPosition(service.source)}.`,
    }),
  )
}

/** A subset whose labels no endpoint of the service has gets no request through. */
function checkDestinationRule(rule: ObjectOf<'DestinationRule'>, set: SetIndex, diagnostics: Diagnostic[]): void {
  const service = set.serviceOf(rule.spec.host, rule.metadata.namespace)
  const endpoints = service?.spec.endpoints
  // Workloads that a selector finds come and go; only a list says all.
  if (endpoints === undefined || service?.spec.workloadSelector !== undefined) return
  for (const [i, { name, labels = {} }] of (rule.spec.subsets ?? []).entries()) {
    const wanted = Object.entries(labels)
    if (endpoints.some((endpoint) => wanted.every(([key, value]) => endpoint.labels?.[key] === value))) continue
    diagnostics.push(
      warning(rule, {
        code: 'API_EMPTY_SUBSET',
        path: ['spec', 'subsets', i],
        value: labels,
        message: `no endpoint of ${rule.spec.host} has the labels of subset ${name}`,
        remedy: `Add an endpoint with them at ${formatPosition(service?.source ?? rule.source)}, or correct the labels.`,
      }),
    )
  }
}

/** One MetaRouter, and one VirtualService in the mesh, can hold for a host. */
function checkOnePerHost(objects: readonly LoadedObject[], diagnostics: Diagnostic[]): void {
  const first = new Map<string, LoadedObject>()
  for (const object of objects) {
    for (const [i, host] of routedHosts(object).entries()) {
      const key = `${object.kind} ${expandHost(host, object.metadata.namespace)}`
      const other = first.get(key)
      if (other === undefined) {
        first.set(key, object)
        continue
      }
      if (other === object) continue
      diagnostics.push(
        warning(object, {
          code: 'API_HOST_TAKEN',
          path: ['spec', 'hosts', i],
          value: host,
          message: `${keyOf(other)} at ${formatPosition(other.source)} has routes for the host already; only one of the two holds`,
          remedy: `Put all routes of the host into one ${object.kind}.`,
        }),
      )
    }
  }
}

function routedHosts(object: LoadedObject): readonly string[] {
  if (isKind(object, 'MetaRouter')) return object.spec.hosts
  if (!isKind(object, 'VirtualService')) return []
  const { gateways, hosts = [] } = object.spec
  return gateways === undefined || gateways.includes('mesh') ? hosts : []
}

/** Two services at one address and port: the listener can only be one's. */
function checkAddresses(objects: readonly LoadedObject[], diagnostics: Diagnostic[]): void {
  const first = new Map<string, ObjectOf<'ServiceEntry'>>()
  for (const object of objects) {
    if (!isKind(object, 'ServiceEntry')) continue
    for (const [i, address] of (object.spec.addresses ?? []).entries()) {
      for (const { number } of object.spec.ports ?? []) {
        const key = `${address} ${number}`
        const other = first.get(key)
        if (other === undefined) {
          first.set(key, object)
          continue
        }
        if (other === object || other.spec.hosts[0] === object.spec.hosts[0]) continue
        diagnostics.push(
          warning(object, {
            code: 'API_ADDRESS_TAKEN',
            path: ['spec', 'addresses', i],
            value: address,
            message: `${keyOf(other)} at ${formatPosition(other.source)} has the same address and port ${number}`,
            remedy: 'Give each service an address of its own, or none and let one be allocated.',
          }),
        )
      }
    }
  }
}
