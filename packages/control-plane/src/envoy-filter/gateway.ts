/**
 * One Gateway -> what exposes services through it: for each of its servers with a port of ours, and the MetaRouter that
 * names the gateway, the EnvoyFilter of the gateway's listener, and the VirtualService without which istiod makes no
 * listener for it.
 *
 *   aeraki-gateway-outbound-<gateway>.<namespace>-<port>   listener 0.0.0.0_<port>
 *   aeraki-gateway-config-<gateway>.<namespace>-<port>     the configuration that its filter fetches, where routes are delivered so
 *   aeraki-vs-<namespace>.<gateway>-<port>
 *
 * What is exposed on which port: mesh/exposure.ts.
 */
import type { ObjectOf } from '@aeraki/api'
import { type EnvoyTranslation, envoyProtocolByName } from '@aeraki/protocols/envoy'
import { type Finding, originOf, type Report, reportId } from '../mesh/findings.ts'
import { exposuresOf, type GatewayServer, isOurServer } from '../mesh/exposure.ts'
import { deliver, inlineFilters, type RouteDelivery } from './delivery.ts'
import {
  envoyFilter,
  extensionConfigFilter,
  filterPatches,
  type GeneratedObject,
  objectName,
  ownerLabel,
} from './object.ts'
import { envoyPort } from './port.ts'
import type { Built, BuildContext } from './service.ts'

type Gateway = ObjectOf<'Gateway'>

export function buildGatewayFilters(gateway: Gateway, context: BuildContext): Built {
  const facts = new Set<string>()
  const reports = new Map<string, Report>()
  const report = (each: Report): void => void reports.set(reportId(each), each)
  const objects = (gateway.spec.servers ?? []).flatMap((server, index) =>
    isOurServer(server)
      ? serverObjects({ gateway, server, field: `spec.servers[${index}]`, context, facts, report })
      : [],
  )
  return { objects, routes: [], reports: [...reports.values()], facts }
}

interface ServerInput {
  readonly gateway: Gateway
  readonly server: GatewayServer
  readonly field: string
  readonly context: BuildContext
  readonly facts: Set<string>
  readonly report: (report: Report) => void
}

function serverObjects(input: ServerInput): GeneratedObject[] {
  const { gateway, server, field, context, facts, report } = input
  const { mesh, rootNamespace } = context
  const { namespace, name } = gateway.metadata
  const say = (finding: Omit<Finding, 'code' | 'severity'>): void =>
    report({ about: originOf(gateway), finding: { severity: 'warning', code: 'ENVOY_GATEWAY', ...finding } })

  const candidates = exposuresOf(mesh, gateway, server, ({ envoy }) => envoy !== undefined, facts)
  const [chosen, ...others] = candidates
  if (chosen === undefined) {
    say({
      field: `${field}.port`,
      value: server.port.number,
      message: 'no MetaRouter exposes a service on this port: nothing is served there',
      remedy: `write gateways: [${namespace}/${name}] into a MetaRouter that has a destination with this port number, or with none`,
    })
    return []
  }
  for (const { router } of others) {
    say({
      field: `${field}.port`,
      value: server.port.number,
      message: `${originOf(chosen.router).id} has this port already; ${originOf(router).id} is not served on it`,
      remedy: 'give each MetaRouter a server of its own',
    })
  }
  const { service, port } = chosen
  const side = { direction: 'outbound' } as const
  const translation = envoyProtocolByName(port.envoy ?? '')?.translate(
    envoyPort({
      mesh,
      service,
      port,
      side,
      context: { namespace, rootNamespace },
      standalone: context.allocatedAddresses,
      lastSecrets: context.lastSecrets,
      facts,
      report,
    }),
  )
  if (translation === undefined) return []
  const number = server.port.number
  const { filters, config } = delivered(translation, `gateway|${number}||${name}.${namespace}`, context.delivery)
  const nameOf = (what: string): string => objectName(what, `${name}.${namespace}`, String(number))
  return [
    ...(config === undefined
      ? []
      : [extensionConfigFilter(nameOf('aeraki-gateway-config'), namespace, gateway.spec.selector, config)]),
    envoyFilter(
      nameOf('aeraki-gateway-outbound'),
      namespace,
      gateway.spec.selector,
      filterPatches(filters, { name: `0.0.0.0_${number}` }),
    ),
    {
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'VirtualService',
      metadata: {
        name: objectName('aeraki-vs', `${namespace}.${name}`, String(number)),
        namespace,
        labels: ownerLabel,
      },
      spec: {
        hosts: [service.host],
        gateways: [`${namespace}/${name}`],
        tcp: [
          {
            match: [{ port: number }],
            route: [{ destination: { host: service.host, port: { number: port.number } } }],
          },
        ],
      },
    },
  ]
}

/** In the listener, or, as for sidecars, fetched by it: `configName` is what it asks for then. */
function delivered(translation: EnvoyTranslation, configName: string, delivery: RouteDelivery | undefined) {
  const { before = [], terminal } = translation
  if (terminal === undefined || delivery?.kind !== 'extension-config') return { filters: inlineFilters(translation) }
  const { filter, extensionConfig } = deliver(terminal, delivery, { extensionConfig: configName, file: '' })
  return { filters: { before, terminal: filter }, config: extensionConfig }
}
