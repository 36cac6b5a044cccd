/**
 * What Consul says of a service's instances, to registrations:
 *
 *     [ { Node: { Node, Address, Datacenter }, Service: { ID, Service, Address, Port, Tags, Meta, Weights, Kind },
 *         Checks: [ { Status: passing | warning | critical } ] } ]
 *
 * https://developer.hashicorp.com/consul/api-docs/health#list-nodes-for-service
 */
import type { UnitContents } from '../contract.ts'
import { isDubboInstance, stringsOf } from '../dubbo/application.ts'
import { parseProviderUrl } from '../dubbo/provider-url.ts'
import { toRegistration } from '../dubbo/registration.ts'
import { isRecord } from '../guards.ts'
import { collect, type Parsed, rejected } from '../parsed.ts'
import { weightOf } from '../weight.ts'

export interface ServiceOptions {
  readonly domain: string | undefined
  /** Of instances that do not say one. */
  readonly protocol: string
}

/** Proxies and gateways of Consul's own mesh; services of people have none. */
export function isOwnKind(kind: unknown): boolean {
  return typeof kind === 'string' && kind !== '' && kind !== 'typical'
}

/** @param body of /v1/health/service/NAME */
export function readService(name: string, body: unknown, options: ServiceOptions): UnitContents {
  if (!Array.isArray(body)) return collect([rejected(name, 'REGISTRATION_MALFORMED', 'the answer is no list')])
  return collect(body.map((entry: unknown) => readEntry(name, entry, options)))
}

function readEntry(name: string, entry: unknown, { domain, protocol }: ServiceOptions): Parsed {
  const node = isRecord(entry) ? entry['Node'] : undefined
  const service = isRecord(entry) ? entry['Service'] : undefined
  if (!isRecord(node) || !isRecord(service)) {
    return rejected(name, 'REGISTRATION_MALFORMED', 'an instance without Node or Service')
  }
  if (isOwnKind(service['Kind'])) return { kind: 'nothing' }
  const id = `${textOf(node['Node'])}/${textOf(service['ID']) || name}`
  const meta = stringsOf(service['Meta'])
  const parameters = new Map([...tagsOf(service['Tags']), ...meta])
  const place = { registryGroup: domain }
  const url = meta.get('url')
  if (url === undefined && isDubboInstance(parameters)) {
    const reason =
      'an application of Dubbo, whose services Consul does not know: its interfaces are to be registered, by register-mode=interface or all'
    return rejected(id, 'REGISTRATION_NO_METADATA', reason)
  }
  // Dubbo writes the whole URL of the provider.
  const parsed = isProviderUrl(url)
    ? parseProviderUrl(encodeURIComponent(url), place)
    : toRegistration(
        {
          provider: id,
          interface: name,
          group: '',
          version: '',
          protocol: meta.get('protocol') ?? protocol,
          address: textOf(service['Address']) || textOf(node['Address']),
          port: service['Port'],
          parameters,
          rank: 0,
        },
        place,
      )
  if (parsed.kind !== 'accepted') return parsed
  const status = statusOf(isRecord(entry) ? entry['Checks'] : undefined)
  const weights = isRecord(service['Weights']) ? service['Weights'] : {}
  const weight = weightOf(weights[status === 'warning' ? 'Warning' : 'Passing'], 1)
  if (weight === 0) return rejected(id, 'REGISTRATION_DISABLED', `its weight while ${status} is 0`)
  const { registration } = parsed
  return {
    kind: 'accepted',
    registration: {
      ...registration,
      process: id,
      weight: isProviderUrl(url) ? registration.weight : weight,
      locality: registration.locality ?? localityOf(meta, textOf(node['Datacenter'])),
      health: status === 'critical' ? 'unhealthy' : 'healthy',
    },
  }
}

/** `key=value`, `key|value` and `key:value` are labels; a bare tag says that it is there. */
function tagsOf(tags: unknown): [string, string][] {
  if (!Array.isArray(tags)) return []
  return tags.flatMap((tag: unknown): [string, string][] => {
    if (typeof tag !== 'string' || tag === '') return []
    const pair = /^([^=|:]+)[=|:](.+)$/s.exec(tag)
    return pair === null ? [[`tag.${tag}`, 'true']] : [[pair[1] ?? '', pair[2] ?? '']]
  })
}

/** The worst of all checks, of the node and of the service. Maintenance is a critical check. */
function statusOf(checks: unknown): 'passing' | 'warning' | 'critical' {
  const all = Array.isArray(checks)
    ? checks.map((check: unknown) => (isRecord(check) ? check['Status'] : undefined))
    : []
  if (all.some((status) => status !== 'passing' && status !== 'warning')) return 'critical'
  return all.includes('warning') ? 'warning' : 'passing'
}

function localityOf(meta: ReadonlyMap<string, string>, datacenter: string): string | undefined {
  const [region, zone] = [meta.get('region'), meta.get('zone')]
  const said = meta.get('istio-locality')?.replaceAll('.', '/')
  if (said !== undefined && said !== '') return said
  if (region !== undefined) return zone === undefined ? region : `${region}/${zone}`
  if (datacenter === '') return undefined
  return zone === undefined ? datacenter : `${datacenter}/${zone}`
}

function isProviderUrl(url: string | undefined): url is string {
  return url !== undefined && /^[a-z][a-z0-9+.-]*:\/\/[^/]+\/.*\?.*\bside=provider\b/.test(url)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
