/** Builds one service from the objects that speak of it, and notes which facts it looked at. */
import { isIP } from 'node:net'
import { AerakiError, expandHost, type ObjectOf } from '@aeraki/api'
import type { VipAllocator } from '../vip/allocator.ts'
import { createReporter, type Finding, originOf, type Report, visibilityOf } from './findings.ts'
import { endpointsOf, isDns, portsOf } from './from-service-entry.ts'
import { type MeshInputs, patternFacts } from './inputs.ts'
import type {
  Destination,
  DestinationPolicy,
  Endpoint,
  Origin,
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

/** Undefined: no ServiceEntry speaks of it (any more). */
export function buildService(key: ServiceKey, inputs: MeshInputs, vips: VipAllocator): BuiltService | undefined {
  const entries = inputs.entriesOf(key)
  const [first] = entries
  if (first === undefined) return undefined
  const namespace = first.metadata.namespace
  const host = key.slice(namespace.length + 1)
  const facts = new Set<string>()
  const reports: Report[] = []

  const ports = mergedPorts(entries, inputs, facts, reports)
  const routing = inputs.routingFor(host).map((rule) => resolved(rule, inputs, facts))
  for (const fact of patternFacts('routing', host)) facts.add(fact)
  const destinations = new Map<string, readonly DestinationPolicy[]>()
  for (const target of new Set([host, ...routing.flatMap(({ routes }) => routes.flatMap(hostsOf))])) {
    for (const fact of patternFacts('destination', target)) facts.add(fact)
    destinations.set(target, inputs.destinationsFor(target))
  }
  const service: Service = {
    key,
    namespace,
    host,
    exportTo: visibilityOf(first.spec.exportTo, namespace),
    resolution: isDns(first) ? 'dns' : first.spec.resolution === 'STATIC' ? 'static' : 'none',
    addresses: addressesOf(host, entries, withoutThrowing(vips, first, reports), reports),
    ports,
    endpoints: dialable(entries, inputs, host, reports),
    rules: { routing, destinations },
  }
  reports.push(...ruleFindings(service, inputs, facts))
  return { service, facts, reports }
}

/** EDS has IP addresses only; one name in it would make a proxy refuse all the others. */
function dialable(entries: readonly Entry[], inputs: MeshInputs, host: string, reports: Report[]): Endpoint[] {
  return entries.flatMap((entry) => {
    const endpoints = endpointsOf({ entry, workloads: inputs.workloadsFor(entry) }, host)
    if (isDns(entry)) return endpoints
    const names = endpoints.filter(({ address }) => isIP(address) === 0)
    if (names.length > 0) {
      reports.push({
        about: originOf(entry),
        finding: {
          severity: 'warning',
          code: 'MESH_UNSUPPORTED_ADDRESS',
          field: 'spec.resolution',
          value: names[0]?.address,
          message: `${names.length} endpoints have names for addresses and are left out`,
          remedy: 'write resolution: DNS, or give them IP addresses',
        },
      })
    }
    return endpoints.filter(({ address }) => isIP(address) !== 0)
  })
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
        },
      })
    }
    return []
  }
  const given = new Map<string, ServiceAddress>()
  for (const entry of entries) {
    if (entry.spec.hosts[0] !== host) continue
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
      given.set(address, { address, substitute })
    }
  }
  if (given.size > 0) return [...given.values()]
  const address = vip(host)
  return address === undefined ? [] : [{ address, substitute: undefined }]
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

/** With short names of destinations made whole: a ServiceEntry's host as it stands wins over the Kubernetes name. */
function resolved(rule: RoutingRule, inputs: MeshInputs, facts: Set<string>): RoutingRule {
  const wholeName = <D extends Destination>(destination: D): D => {
    if (destination.host.includes('.')) return destination
    facts.add(`host:${destination.host}`)
    if (inputs.hasHost(destination.host)) return destination
    return { ...destination, host: expandHost(destination.host, rule.origin.namespace) }
  }
  return {
    ...rule,
    routes: rule.routes.map((route) => ({
      ...route,
      destinations: route.destinations.map(wholeName),
      mirrors: route.mirrors.map(wholeName),
    })),
  }
}

/** Rules that point to nothing, and rules that another one leaves no room for. */
function ruleFindings(service: Service, inputs: MeshInputs, facts: Set<string>): Report[] {
  const reports: Report[] = []
  const say = (origin: Origin, finding: Finding): void => {
    reports.push({ about: origin, finding })
  }
  for (const { origin, routes } of service.rules.routing) {
    const reported = new Set<string>()
    for (const { host, subset } of routes.flatMap(({ destinations, mirrors }) => [...destinations, ...mirrors])) {
      facts.add(`host:${host}`)
      const target = `${host} ${subset}`
      if (reported.has(target)) continue
      reported.add(target)
      if (!inputs.hasHost(host)) {
        say(origin, {
          severity: 'warning',
          code: 'MESH_UNKNOWN_HOST',
          field: 'spec',
          value: host,
          message: `routes for ${service.host} lead to ${host}, and no ServiceEntry has this host: such requests fail`,
          remedy: 'correct the host of the destination, or add its ServiceEntry',
        })
      } else if (subset !== '' && !hasSubset(service, host, subset)) {
        say(origin, {
          severity: 'warning',
          code: 'MESH_UNKNOWN_SUBSET',
          field: 'spec',
          value: subset,
          message: `routes for ${service.host} lead to subset ${subset} of ${host}, which no DestinationRule defines: such requests fail`,
          remedy: 'correct the name of the subset, or add it to the DestinationRule',
        })
      }
    }
  }
  const routers = service.rules.routing.filter(({ origin }) => origin.kind === 'MetaRouter')
  for (const { origin } of routers.slice(1)) {
    say(origin, {
      severity: 'warning',
      code: 'MESH_SECOND_ROUTER',
      field: 'spec.hosts',
      value: service.host,
      message: `${routers[0]?.origin.id ?? ''} routes ${service.host} already; clients that see both use one of them`,
      remedy: 'put all routes of a host into one MetaRouter',
    })
  }
  return reports
}

function hasSubset(service: Service, host: string, subset: string): boolean {
  const policies = service.rules.destinations.get(host) ?? []
  return policies.some(({ subsets }) => subsets.some(({ name }) => name === subset))
}
