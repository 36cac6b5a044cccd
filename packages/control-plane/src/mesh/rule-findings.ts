/** Rules that lead to nothing, and rules that another one leaves no room for. */
import { protocolOfPort } from '@aeraki/api'
import { protocols as knownProtocols } from '@aeraki/protocols'
import type { Finding, Report } from './findings.ts'
import type { MeshInputs } from './inputs.ts'
import type { Origin, RouteDestination, RouteMirror, RouteRule, RoutingRule, Service } from './model.ts'
import { takesVirtualServices } from './selection.ts'

/** Notes the facts it looks at. */
export function ruleFindings(
  service: Service,
  inputs: MeshInputs,
  rootNamespace: string,
  facts: Set<string>,
): Report[] {
  return [
    ...service.rules.routing.flatMap((rule) => destinationFindings(service, rule, inputs, facts)),
    ...contestFindings(service),
    ...placeFindings(service, rootNamespace),
  ]
}

function warn(about: Origin, finding: Omit<Finding, 'severity'>): Report {
  return { about, finding: { severity: 'warning', ...finding } }
}

function destinationFindings(
  service: Service,
  { origin, routes }: RoutingRule,
  inputs: MeshInputs,
  facts: Set<string>,
): Report[] {
  const reports: Report[] = []
  const said = new Set<string>()
  const sayOnce = (finding: Omit<Finding, 'severity'>): void => {
    if (!said.has(finding.message)) reports.push(warn(origin, finding))
    said.add(finding.message)
  }
  for (const route of routes) {
    for (const destination of [...route.destinations, ...route.mirrors]) {
      const { host, subset } = destination
      facts.add(`host:${host}`)
      if (inputs.entriesOfHost(host).length === 0) {
        sayOnce({
          code: 'MESH_UNKNOWN_HOST',
          field: 'spec',
          value: host,
          message: `routes for ${service.host} lead to ${host}, and no ServiceEntry has this host: such requests fail`,
          remedy: 'correct the host of the destination, or add its ServiceEntry',
        })
        continue
      }
      if (subset !== '' && !hasSubset(service, host, subset)) {
        sayOnce({
          code: 'MESH_UNKNOWN_SUBSET',
          field: 'spec',
          value: subset,
          message: `routes for ${service.host} lead to subset ${subset} of ${host}, which no DestinationRule defines: such requests fail`,
          remedy: 'correct the name of the subset, or add it to the DestinationRule',
        })
      }
      for (const port of missingPorts(service, route, destination, inputs)) {
        sayOnce({
          code: 'MESH_UNKNOWN_PORT',
          field: 'spec',
          value: port,
          message: `routes for ${service.host} lead to port ${port} of ${host}, which is none that speaks a protocol of Aeraki: such requests fail`,
          remedy: 'write the port of the destination: {host, port: {number}}',
        })
      }
    }
  }
  return reports
}

function missingPorts(
  service: Service,
  route: RouteRule,
  { host, port }: RouteDestination | RouteMirror,
  inputs: MeshInputs,
): number[] {
  const there = new Set(
    inputs
      .entriesOfHost(host)
      .flatMap(({ spec }) => spec.ports ?? [])
      .filter((each) => protocolOfPort(each) !== undefined)
      .map(({ number }) => number),
  )
  const called = service.ports.flatMap(({ number, protocol }) =>
    protocol !== undefined && (route.port === undefined || route.port === number) ? [number] : [],
  )
  return (port === undefined ? called : [port]).filter((number) => !there.has(number))
}

function hasSubset(service: Service, host: string, subset: string): boolean {
  const { policies = [] } = service.rules.destinations.get(host) ?? {}
  return policies.some(({ subsets }) => subsets.some(({ name }) => name === subset))
}

/** Of several rules for the same host and the same clients one holds. A namespace's own rule is no contest but a choice. */
function contestFindings({ host, ports, rules }: Service): Report[] {
  const reports: Report[] = []
  const protocols = ports.flatMap(({ protocol }) => (protocol === undefined ? [] : [protocol.name]))
  const routable = knownProtocols
    .flatMap(({ name, virtualService }) => (virtualService === true ? [name] : []))
    .join(' and ')
  const ignored = protocols.length > 0 && !protocols.some(takesVirtualServices)
  const [router] = rules.routing.filter(({ origin }) => origin.kind === 'MetaRouter')
  const firsts = new Map<string, RoutingRule>()
  for (const rule of rules.routing) {
    const { origin, wildcardRank } = rule
    const isRouter = origin.kind === 'MetaRouter'
    if (!isRouter && ignored) {
      reports.push(
        warn(origin, {
          code: 'MESH_UNSUPPORTED_FIELD',
          field: 'spec.hosts',
          value: host,
          message: `a VirtualService routes ${routable} alone, and ${host} speaks ${protocols.join(', ')}: it has no effect`,
          remedy: 'write a MetaRouter with these routes',
        }),
      )
      continue
    }
    const peers = isRouter ? 'MetaRouter' : `VirtualService ${origin.namespace} ${wildcardRank}`
    const winner = isRouter ? firsts.get(peers) : (router ?? firsts.get(peers))
    if (!firsts.has(peers)) firsts.set(peers, rule)
    if (winner === undefined) continue
    reports.push(
      warn(origin, {
        code: 'MESH_SECOND_ROUTER',
        field: 'spec.hosts',
        value: host,
        message: `${winner.origin.id} routes ${host} already; clients that see both use one of them`,
        remedy: 'put all routes of a host into one object',
      }),
    )
  }
  return reports
}

/** Somebody who means a DestinationRule for all has to put it where all look for it. */
function placeFindings({ host, namespace, rules }: Service, rootNamespace: string): Report[] {
  const { policies = [] } = rules.destinations.get(host) ?? {}
  return policies.flatMap(({ origin, exportTo }) => {
    if (origin.namespace === namespace || origin.namespace === rootNamespace) return []
    // Exported to nobody else, it says itself that it is for its own namespace.
    if (exportTo.kind === 'namespaces' && exportTo.namespaces.isSubsetOf(new Set([origin.namespace]))) return []
    return [
      warn(origin, {
        code: 'MESH_RULE_OUT_OF_PLACE',
        field: 'metadata.namespace',
        value: origin.namespace,
        message: `counts for clients in namespace ${origin.namespace} alone: others look in their own, in ${namespace} (that of ${host}) and in ${rootNamespace}`,
        remedy: `put it into namespace ${namespace}, or write exportTo: [.] if that is meant`,
      }),
    ]
  })
}
