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
import { type EnvoyTranslation, envoyProtocolByName } from '@aeraki/protocols/envoy'
import { originOf, type Report, reportId } from '../mesh/findings.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Service, ServicePort, Visibility } from '../mesh/model.ts'
import { selectionId } from '../mesh/selection.ts'
import { clusterFilter, type GeneratedObject, inboundFilter, outboundFilter } from './object.ts'
import { envoyPort, type PortInput } from './port.ts'

export interface EnvoyContext {
  readonly mesh: Mesh
  readonly rootNamespace: string
  /** Whether clients know the addresses that were given in this process. Under Istio they don't. */
  readonly allocatedAddresses: boolean
}

export interface BuildContext extends EnvoyContext {
  /** See PortInput; kept for as long as objects are made. */
  readonly lastSecrets: PortInput['lastSecrets']
}

export interface Built {
  readonly objects: readonly GeneratedObject[]
  readonly reports: readonly Report[]
  /** What was looked at; see MeshInputs. */
  readonly facts: ReadonlySet<string>
}

/** No namespace is called so: the clients that no rule is for in particular. */
const everyoneElse = ''

type PortContext = BuildContext & Pick<PortInput, 'service' | 'port' | 'facts' | 'report'>

export function buildServiceFilters(service: Service, context: BuildContext): Built {
  const facts = new Set<string>([`routing:${service.host}`])
  const reports = new Map<string, Report>()
  const report = (each: Report): void => void reports.set(reportId(each), each)
  const exportTo = context.mesh.inputs.routerFor(service.host)?.spec.exportTo
  const objects = service.ports
    .filter(({ envoy }) => envoy !== undefined)
    .flatMap((port) => {
      const portContext = { ...context, service, port, facts, report }
      const named = namespacesOf(exportTo, service)
      return named === undefined
        ? [...outboundForEveryone(portContext), ...inbound(service.namespace, portContext)]
        : named.flatMap((namespace) => [
            ...outboundIn(namespace, translateOutbound(namespace, portContext), portContext),
            ...inbound(namespace, portContext),
          ])
    })
  return { objects, reports: [...reports.values()], facts }
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
  const objects = outboundIn(rootNamespace, common, context)
  const usual = selectionId(service, { namespace: everyoneElse, rootNamespace })
  for (const namespace of namespacesWithRules(service)) {
    if (namespace === rootNamespace || selectionId(service, { namespace, rootNamespace }) === usual) continue
    const special = translateOutbound(namespace, context)
    if (special?.terminal === undefined || isSame(special.terminal, common.terminal)) continue
    objects.push(...outboundIn(namespace, special, context, common.terminal?.name))
  }
  return objects
}

function isSame(a: EnvoyTranslation['terminal'], b: EnvoyTranslation['terminal']): boolean {
  return JSON.stringify(a?.config) === JSON.stringify(b?.config)
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

function outboundIn(
  namespace: string,
  translation: EnvoyTranslation | undefined,
  { service, port, report, mesh, allocatedAddresses }: PortContext,
  inPlaceOf?: string,
): GeneratedObject[] {
  if (translation === undefined) return []
  const addresses = service.addresses.filter(({ allocated }) => allocatedAddresses || !allocated)
  const entry = mesh.entryOf(service.key)
  if (addresses.length === 0 && entry !== undefined) {
    report({
      about: originOf(entry),
      finding: {
        severity: 'error',
        code: 'ENVOY_NO_ADDRESS',
        field: 'spec.addresses',
        value: service.host,
        message: `${service.host} has no single IP address: clients have no listener of its own to patch, calls stay plain TCP`,
        remedy: 'give it an address of its own, one that nothing else has',
      },
    })
    // Other services may still lead there.
    const clusters =
      inPlaceOf === undefined ? clusterFilter(namespace, service.host, port.number, translation) : undefined
    return clusters === undefined ? [] : [clusters]
  }
  return addresses.map(({ address }, index) =>
    outboundFilter({
      namespace,
      host: service.host,
      address,
      port: port.number,
      translation,
      withClusters: index === 0 && inPlaceOf === undefined,
      ...(inPlaceOf === undefined ? {} : { inPlaceOf }),
    }),
  )
}

function inbound(namespace: string, context: PortContext): GeneratedObject[] {
  const { service, port } = context
  const { workloadSelector } = service
  if (workloadSelector === undefined) return []
  const translations = new Map<number, EnvoyTranslation>()
  for (const targetPort of targetPorts(service, port)) {
    const translation = translate(context, { direction: 'inbound', targetPort }, service.namespace)
    if (translation !== undefined) translations.set(targetPort, translation)
  }
  const filter = inboundFilter({ namespace, host: service.host, port: port.number, workloadSelector, translations })
  return (filter.spec.configPatches ?? []).length === 0 ? [] : [filter]
}

/** What the entry says, and what workloads say for themselves. */
function targetPorts({ endpoints }: Service, { number, targetPort }: ServicePort): number[] {
  const own = endpoints.flatMap(({ ports }) => ports.get(number) ?? [])
  return [...new Set([targetPort, ...own])].toSorted((a, b) => a - b)
}
