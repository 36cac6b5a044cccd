/** Builds one service from the objects that speak of it, and notes which facts it looked at. */
import { isIP } from 'node:net'
import { AerakiError, canonicalHost, type ObjectOf } from '@aeraki/api'
import type { VipAllocator } from '../vip/allocator.ts'
import { createReporter, originOf, type Report, visibilityOf } from './findings.ts'
import { endpointsOf, isDns, portsOf, workloadLabelsOf } from './from-service-entry.ts'
import { type MeshInputs, patternFacts } from './inputs.ts'
import { ruleFindings } from './rule-findings.ts'
import type {
  Destination,
  Endpoint,
  HostPolicies,
  RouteRule,
  RoutingRule,
  Service,
  ServiceAddress,
  ServiceKey,
  ServicePort,
} from './model.ts'

export interface BuiltService {
  readonly service: Service
  readonly facts: ReadonlySet<string>
  readonly reports: readonly Report[]
}

type Entry = ObjectOf<'ServiceEntry'>

export interface BuildContext {
  readonly inputs: MeshInputs
  readonly vips: VipAllocator
  readonly rootNamespace: string
}

/** Undefined: no ServiceEntry speaks of it (any more). */
export function buildService(key: ServiceKey, { inputs, vips, rootNamespace }: BuildContext): BuiltService | undefined {
  const entries = inputs.entriesOf(key)
  const [first] = entries
  if (first === undefined) return undefined
  const namespace = first.metadata.namespace
  const host = key.slice(namespace.length + 1)
  const facts = new Set<string>()
  const reports: Report[] = []

  const ports = mergedPorts(entries, inputs, facts, reports)
  const routing = inputs.routingFor(host).map((rule) => resolved(rule, host, inputs, facts))
  for (const fact of patternFacts('routing', host)) facts.add(fact)
  const destinations = new Map<string, HostPolicies>()
  for (const target of new Set([host, ...routing.flatMap(({ routes }) => routes.flatMap(hostsOf))])) {
    for (const fact of patternFacts('destination', target)) facts.add(fact)
    if (target !== host) facts.add(`host:${target}`)
    const homes = target === host ? [namespace] : inputs.entriesOfHost(target).map(({ metadata }) => metadata.namespace)
    destinations.set(target, { namespaces: [...new Set(homes)], policies: inputs.destinationsFor(target) })
  }
  const resolution = isDns(first) ? 'dns' : first.spec.resolution === 'STATIC' ? 'static' : 'none'
  const service: Service = {
    key,
    namespace,
    host,
    exportTo: visibilityOf(first.spec.exportTo, namespace),
    annotations: first.metadata.annotations,
    workloadSelector: entries.map(workloadLabelsOf).find((labels) => labels !== undefined),
    resolution,
    addresses: addressesOf(host, entries, withoutThrowing(vips, first, reports), reports),
    ports,
    endpoints: dialable(entries, inputs, host, resolution, reports),
    rules: { routing, destinations },
  }
  reports.push(...ruleFindings(service, inputs, rootNamespace, facts))
  return { service, facts, reports }
}

/** Of the endpoints that are written, those that a proxy can dial. One that it can't would make it refuse all of them. */
function dialable(
  entries: readonly Entry[],
  inputs: MeshInputs,
  host: string,
  resolution: Service['resolution'],
  reports: Report[],
): Endpoint[] {
  const dials = entries.flatMap((entry) => {
    const leftOut = new Map<string, Endpoint[]>()
    const good: Endpoint[] = []
    for (const endpoint of endpointsOf({ entry, workloads: inputs.workloadsFor(entry) }, host)) {
      const problem = addressProblem(endpoint.address, resolution)
      if (problem === undefined) good.push(endpoint)
      else leftOut.set(problem, [...(leftOut.get(problem) ?? []), endpoint])
    }
    for (const [problem, endpoints] of leftOut) {
      reports.push({
        about: originOf(entry),
        finding: {
          severity: 'warning',
          code: 'MESH_UNSUPPORTED_ADDRESS',
          field: 'spec.resolution',
          value: endpoints[0]?.address,
          message: `${endpoints.length} endpoints of ${host} ${problem} and are left out`,
          remedy: 'give them IP addresses, or names and resolution: DNS',
          standalone: true,
        },
      })
    }
    return good
  })
  const [first] = entries
  if (dials.length === 0 && first !== undefined) {
    reports.push({
      about: originOf(first),
      finding: {
        severity: 'warning',
        code: 'MESH_NO_ENDPOINTS',
        field: first.spec.workloadSelector === undefined ? 'spec.endpoints' : 'spec.workloadSelector',
        value: host,
        message: `${host} has no endpoint: requests to it fail`,
        remedy:
          'add endpoints, or WorkloadEntries of the same namespace with all labels of workloadSelector; resolution NONE has none in standalone mode',
        standalone: true,
      },
    })
  }
  return dials
}

function addressProblem(address: string, resolution: Service['resolution']): string | undefined {
  if (address === '') return 'have no address'
  if (address.startsWith('unix:')) return 'are socket files'
  return isIP(address) === 0 && resolution !== 'dns' ? 'have names for addresses' : undefined
}

/** The first entry that has a port number says what it is. */
function mergedPorts(
  entries: readonly Entry[],
  inputs: MeshInputs,
  facts: Set<string>,
  reports: Report[],
): ServicePort[] {
  const ports = new Map<number, ServicePort>()
  for (const entry of entries) {
    const reporter = createReporter(entry)
    const codecOf = (protocol: string): string | undefined => {
      facts.add(`protocol:${protocol}`)
      return inputs.codecOf(protocol)
    }
    for (const port of portsOf(entry, codecOf, reporter)) if (!ports.has(port.number)) ports.set(port.number, port)
    reports.push(...reporter.reports)
  }
  return [...ports.values()]
}

/**
 * The addresses that the entries give, or one out of the block. Of an entry with several hosts the first host has the
 * addresses: they can't be told apart on one address by protocols that name no host.
 */
function addressesOf(
  host: string,
  entries: readonly Entry[],
  vip: (key: string) => string | undefined,
  reports: Report[],
): ServiceAddress[] {
  const [first] = entries
  const given = new Map<string, ServiceAddress>()
  for (const entry of entries) {
    if (canonicalHost(entry.spec.hosts[0] ?? '') !== host) continue
    for (const [index, address] of (entry.spec.addresses ?? []).entries()) {
      if (isIP(address) === 0) {
        reports.push({
          about: originOf(entry),
          finding: {
            severity: 'warning',
            code: 'MESH_UNSUPPORTED_ADDRESS',
            field: `spec.addresses[${index}]`,
            value: address,
            message: 'only single IP addresses can be bound: the address is left out',
            remedy: 'write an address without a prefix length, or none to be given one',
          },
        })
        continue
      }
      const substitute = isLoopback(address) ? undefined : vip(given.size === 0 ? host : `${host}#${address}`)
      given.set(address, { address, substitute, allocated: false })
    }
  }
  if (host.startsWith('*')) {
    if (first !== undefined) {
      reports.push({
        about: originOf(first),
        finding: {
          severity: 'warning',
          code: 'MESH_WILDCARD_HOST',
          field: 'spec.hosts',
          value: host,
          message: 'a wildcard has no address that clients could call: the host is left out',
          remedy: 'name the hosts one by one',
          standalone: true,
        },
      })
    }
    return [...given.values()]
  }
  if (given.size > 0) return [...given.values()]
  const address = vip(host)
  return address === undefined ? [] : [{ address, substitute: undefined, allocated: true }]
}

/** A block without a free address costs this service its address, not the others their changes. */
function withoutThrowing(vips: VipAllocator, entry: Entry, reports: Report[]): (key: string) => string | undefined {
  return (key) => {
    try {
      return vips.allocate(key)
    } catch (error) {
      if (!(error instanceof AerakiError)) throw error
      reports.push({
        about: originOf(entry),
        finding: {
          severity: 'error',
          code: error.code,
          field: 'spec.addresses',
          value: key,
          message: error.message,
          remedy: 'give the service an address of its own',
        },
      })
      return undefined
    }
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

function hostsOf({ destinations, mirrors }: RouteRule): string[] {
  return [...destinations, ...mirrors].map(({ host }) => host)
}

/**
 * With destinations made whole. A short name is a ServiceEntry's host as it stands, else the Kubernetes name. Without a
 * port the only port of the host is meant, as in Istio, and where there are several the one that was called.
 */
function resolved(rule: RoutingRule, ownHost: string, inputs: MeshInputs, facts: Set<string>): RoutingRule {
  const whole = <D extends Destination>(destination: D): D => {
    const host = wholeName(destination.host, rule.origin.namespace, inputs, facts)
    if (destination.port !== undefined || host === ownHost) return { ...destination, host }
    facts.add(`host:${host}`)
    const ports = new Set(
      inputs.entriesOfHost(host).flatMap(({ spec }) => (spec.ports ?? []).map((each) => each.number)),
    )
    const [port] = ports.size === 1 ? ports : []
    return { ...destination, host, port }
  }
  return {
    ...rule,
    routes: rule.routes.map((route) => ({
      ...route,
      destinations: route.destinations.map(whole),
      mirrors: route.mirrors.map(whole),
    })),
  }
}

function wholeName(host: string, namespace: string, inputs: MeshInputs, facts: Set<string>): string {
  if (host.includes('.')) return host
  facts.add(`host:${host}`)
  return inputs.entriesOfHost(host).length > 0 ? host : inputs.fullName(host, namespace)
}
