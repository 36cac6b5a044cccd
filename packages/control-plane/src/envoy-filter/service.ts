/**
 * One service -> its EnvoyFilters.
 *
 * Clients. Without an `exportTo` of its MetaRouter a service's outbound filters are in the root namespace, for everyone;
 * where clients of a namespace have rules of their own (a VirtualService of theirs, or one exported to them alone), another
 * EnvoyFilter in that namespace replaces the first one's filter: Istio applies those of the root namespace first. With
 * `exportTo` they are in the namespaces that it names, and nowhere else.
 *
 * Workloads. Inbound filters are in the namespace of the service, whose workloads its selector means; with `exportTo`, beside
 * the outbound ones.
 */
import { type DynamicRoutes, type EnvoyTranslation, envoyProtocolByName } from '@aeraki/protocols/envoy'
import { originOf, type Report, reportId } from '../mesh/findings.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Service, ServicePort, Visibility } from '../mesh/model.ts'
import { selectionId } from '../mesh/selection.ts'
import { outboundCluster, routeName } from '../translate/names.ts'
import { deliver, type DeliveredFilter, inlineFilters, type ListenerFilters, type RouteDelivery } from './delivery.ts'
import {
  clusterFilter,
  extensionConfigFilter,
  type GeneratedObject,
  inboundFilter,
  objectName,
  outboundFilter,
} from './object.ts'
import { envoyPort, type PortInput } from './port.ts'

export interface EnvoyContext {
  readonly mesh: Mesh
  readonly rootNamespace: string
  /** Whether clients know the addresses that were given in this process. Under Istio they don't. */
  readonly allocatedAddresses: boolean
  /** How routes come to the clients' proxies. Default: inline. */
  readonly delivery?: RouteDelivery
  /** Makes inbound filters for services, too, of which nobody says which their workloads are. */
  readonly anyWorkload?: boolean
}

export interface BuildContext extends EnvoyContext {
  /** See PortInput; kept for as long as objects are made. */
  readonly lastSecrets: PortInput['lastSecrets']
}

export interface Built {
  readonly objects: readonly GeneratedObject[]
  /** What filters fetch that are in the objects, apart from those that EXTENSION_CONFIG brings. */
  readonly routes: readonly ServiceRoutes[]
  readonly reports: readonly Report[]
  /** What was looked at; see MeshInputs. */
  readonly facts: ReadonlySet<string>
}

/** Routes of a service for the clients of a namespace. */
export interface ServiceRoutes {
  /** Empty: for all others. */
  readonly namespace: string
  /** In the folder where they are delivered in files. */
  readonly file: string
  readonly routes: DynamicRoutes
}

/** No namespace is called so: the clients that no rule is for in particular. */
const everyoneElse = ''

type PortContext = BuildContext &
  Pick<PortInput, 'service' | 'port' | 'facts' | 'report'> & { readonly routes: ServiceRoutes[] }

export function buildServiceFilters(service: Service, context: BuildContext): Built {
  const facts = new Set<string>([`routing:${service.host}`])
  const reports = new Map<string, Report>()
  const report = (each: Report): void => void reports.set(reportId(each), each)
  const routes: ServiceRoutes[] = []
  const exportTo = context.mesh.inputs.routerFor(service.host)?.spec.exportTo
  const objects = service.ports
    .filter(({ envoy }) => envoy !== undefined)
    .flatMap((port) => {
      const portContext = { ...context, service, port, facts, report, routes }
      const named = namespacesOf(exportTo, service)
      return named === undefined
        ? [...outboundForEveryone(portContext), ...inbound(service.namespace, portContext)]
        : named.flatMap((namespace) => [...exported(namespace, portContext), ...inbound(namespace, portContext)])
    })
  return { objects, routes, reports: [...reports.values()], facts }
}

/** Undefined: everywhere. */
function namespacesOf(exportTo: readonly string[] | undefined, { namespace }: Service): readonly string[] | undefined {
  if (exportTo === undefined || exportTo.length === 0 || exportTo.includes('*')) return undefined
  return [
    ...new Set(exportTo.filter((name) => name !== '~').map((name) => (name === '.' ? namespace : name))),
  ].toSorted()
}

function outboundForEveryone(context: PortContext): GeneratedObject[] {
  const { service, rootNamespace } = context
  const common = translateOutbound(everyoneElse, context)
  if (common === undefined) return []
  const delivered = deliverTo(everyoneElse, common, context)
  const objects = outboundIn(rootNamespace, common, delivered, context)
  const usual = selectionId(service, { namespace: everyoneElse, rootNamespace })
  for (const namespace of namespacesWithRules(service)) {
    if (namespace === rootNamespace || selectionId(service, { namespace, rootNamespace }) === usual) continue
    const special = translateOutbound(namespace, context)
    if (special?.terminal === undefined || isSame(special.terminal.config, common.terminal?.config)) continue
    const other = deliverTo(namespace, special, context)
    objects.push(...outboundIn(namespace, special, other, context, delivered))
  }
  return objects
}

function exported(namespace: string, context: PortContext): GeneratedObject[] {
  const translation = translateOutbound(namespace, context)
  if (translation === undefined) return []
  return outboundIn(namespace, translation, deliverTo(namespace, translation, context), context)
}

function deliverTo(
  namespace: string,
  { terminal }: EnvoyTranslation,
  { service, port, delivery = { kind: 'inline' }, routes }: PortContext,
): DeliveredFilter | undefined {
  if (terminal === undefined) return undefined
  const ofNamespace = namespace === everyoneElse ? '' : `@${namespace}`
  const file = `${routeName(service.host, port.number)}${ofNamespace.replace('@', '.')}.json`
  const extensionConfig = outboundCluster(port.number, '', service.host) + ofNamespace
  const delivered = deliver(terminal, delivery, { extensionConfig, file })
  if (delivered.routes !== undefined) routes.push({ namespace, file, routes: delivered.routes })
  return delivered
}

function isSame(a: object | undefined, b: object | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Where some rule for the service is from or for. */
function namespacesWithRules({ host, rules }: Service): string[] {
  const all = [...rules.routing, ...(rules.destinations.get(host)?.policies ?? [])]
  return [...new Set(all.flatMap(({ origin, exportTo }) => [origin.namespace, ...namesOf(exportTo)]))].toSorted()
}

function namesOf(visibility: Visibility): Iterable<string> {
  return visibility.kind === 'everyone' ? [] : visibility.namespaces
}

function translateOutbound(namespace: string, context: PortContext): EnvoyTranslation | undefined {
  return translate(context, { direction: 'outbound' }, namespace)
}

function translate(
  { mesh, service, port, rootNamespace, allocatedAddresses, lastSecrets, facts, report }: PortContext,
  side: PortInput['side'],
  namespace: string,
): EnvoyTranslation | undefined {
  const standalone = allocatedAddresses
  const input = {
    mesh,
    service,
    port,
    side,
    context: { namespace, rootNamespace },
    standalone,
    lastSecrets,
    facts,
    report,
  }
  return envoyProtocolByName(port.envoy ?? '')?.translate(envoyPort(input))
}

/** `others`: what the EnvoyFilter for everyone puts there; this one is for clients with rules of their own. */
function outboundIn(
  namespace: string,
  { before = [], clusters = [] }: EnvoyTranslation,
  delivered: DeliveredFilter | undefined,
  { service, port, report, mesh, allocatedAddresses }: PortContext,
  others?: DeliveredFilter,
): GeneratedObject[] {
  const { host } = service
  const addresses = service.addresses.filter(({ allocated }) => allocatedAddresses || !allocated)
  const entry = mesh.entryOf(service.key)
  if (addresses.length === 0 && entry !== undefined) {
    report({
      about: originOf(entry),
      finding: {
        severity: 'error',
        code: 'ENVOY_NO_ADDRESS',
        field: 'spec.addresses',
        value: host,
        message: `${host} has no single IP address: clients have no listener of its own to patch, calls stay plain TCP`,
        remedy: 'give it an address of its own, one that nothing else has',
      },
    })
    // Other services may still lead there.
    const filter = others === undefined ? clusterFilter(namespace, host, port.number, clusters) : undefined
    return filter === undefined ? [] : [filter]
  }
  const filters = { before, ...(delivered === undefined ? {} : { terminal: delivered.filter }) }
  const config = delivered?.extensionConfig
  const configName = objectName('aeraki-config', host, String(port.number))
  return [
    // Where only what is fetched differs, the filter that fetches it is there already.
    ...(others !== undefined && isSame(others.filter, delivered?.filter)
      ? []
      : addresses.map(({ address }, index) =>
          outboundFilter({
            namespace,
            host,
            address,
            port: port.number,
            filters,
            clusters: index === 0 && others === undefined ? clusters : [],
            ...(others === undefined ? {} : { inPlaceOf: others.filter.name }),
          }),
        )),
    ...(config === undefined ? [] : [extensionConfigFilter(configName, namespace, undefined, config)]),
  ]
}

function inbound(namespace: string, context: PortContext): GeneratedObject[] {
  const { service, port, anyWorkload } = context
  const workloadSelector = service.workloadSelector ?? (anyWorkload === true ? {} : undefined)
  if (workloadSelector === undefined) return []
  const chains = new Map<number, ListenerFilters>()
  for (const targetPort of targetPorts(service, port)) {
    const translation = translate(context, { direction: 'inbound', targetPort }, service.namespace)
    if (translation !== undefined) chains.set(targetPort, inlineFilters(translation))
  }
  const filter = inboundFilter({ namespace, host: service.host, port: port.number, workloadSelector, chains })
  return (filter.spec.configPatches ?? []).length === 0 ? [] : [filter]
}

/** What the entry says, and what workloads say for themselves. */
function targetPorts({ endpoints }: Service, { number, targetPort }: ServicePort): number[] {
  const own = endpoints.flatMap(({ ports }) => ports.get(number) ?? [])
  return [...new Set([targetPort, ...own])].toSorted((a, b) => a - b)
}
