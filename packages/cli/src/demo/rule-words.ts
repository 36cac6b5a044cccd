/** A proxy's routes in words, as the view shows them: `v2-route: user = "test" → v2, adds tracing=100`. */

/** The part of Envoy's RouteConfiguration that is told, in its JSON form. */
export interface RouteConfigDump {
  readonly name?: string
  readonly virtual_hosts?: readonly { readonly routes?: readonly RouteDump[] }[]
}

export interface RouteDump {
  readonly name?: string
  readonly match?: { readonly headers?: readonly Readonly<Record<string, unknown>>[] }
  readonly route?: {
    readonly cluster?: string
    readonly weighted_clusters?: { readonly clusters?: readonly { readonly name?: string; readonly weight?: number }[] }
  }
  readonly request_headers_to_add?: readonly { readonly header?: { readonly key?: string; readonly value?: string } }[]
}

/** The part of `/clusters?format=json` that is told. */
export interface ClusterStatus {
  readonly name: string
  readonly host_statuses?: readonly HostStatus[]
}

interface HostStatus {
  readonly address: { readonly socket_address: { readonly address: string } }
  readonly priority?: number
  readonly locality?: { readonly region?: string; readonly zone?: string }
  readonly health_status?: { readonly failed_outlier_check?: boolean }
}

const SIGNS: readonly (readonly [field: string, sign: string])[] = [
  ['exact_match', '='],
  ['prefix_match', 'begins with'],
  ['suffix_match', 'ends with'],
  ['contains_match', 'contains'],
]

export function describeRoutes(tables: readonly RouteConfigDump[], clusters: readonly ClusterStatus[]): string[] {
  const routes = tables.flatMap((table) => (table.virtual_hosts ?? []).flatMap((host) => host.routes ?? []))
  const choosing = new Set(routes.map((route) => route.route?.cluster ?? '').filter((name) => subsetOf(name) === ''))
  return [
    ...routes.map(describeRoute),
    ...clusters.filter((cluster) => choosing.has(cluster.name)).flatMap((cluster) => describePriorities(cluster)),
  ]
}

function describeRoute(route: RouteDump): string {
  const conditions = (route.match?.headers ?? []).map(describeCondition)
  const name = route.name === undefined || route.name === '' ? '' : `${route.name}: `
  const added = (route.request_headers_to_add ?? []).map(({ header }) => `${header?.key ?? ''}=${header?.value ?? ''}`)
  const when = conditions.length === 0 ? 'every call' : conditions.join(' and ')
  return `${name}${when} → ${describeDestination(route)}${added.length === 0 ? '' : `, adds ${added.join(', ')}`}`
}

function describeCondition(matcher: Readonly<Record<string, unknown>>): string {
  const name = text(matcher['name'])
  const not = matcher['invert_match'] === true ? 'not ' : ''
  const nested = matcher['string_match']
  const fields = typeof nested === 'object' && nested !== null ? Object.entries(nested) : Object.entries(matcher)
  for (const [field, value] of fields) {
    const sign = SIGNS.find(([known]) => known === field || known === `${field}_match`)?.[1]
    if (sign !== undefined) return `${not}${name} ${sign} "${text(value)}"`
    if (field === 'safe_regex_match' || field === 'safe_regex') {
      return `${not}${name} matches ${text((value as { regex?: unknown }).regex)}`
    }
  }
  return `${not}${name} is there`
}

function describeDestination(route: RouteDump): string {
  const weighted = route.route?.weighted_clusters?.clusters
  if (weighted === undefined) return describeCluster(route.route?.cluster ?? '')
  const all = weighted.reduce((sum, cluster) => sum + (cluster.weight ?? 0), 0)
  return weighted
    .map(({ name = '', weight = 0 }) => `${describeCluster(name)} ${((100 * weight) / Math.max(1, all)).toFixed(0)} %`)
    .join(', ')
}

function describeCluster(name: string): string {
  const subset = subsetOf(name)
  return subset === '' ? 'all instances' : (subset ?? name)
}

/** `outbound|20880|v1|host`: `v1`. Undefined for other names. */
function subsetOf(cluster: string): string | undefined {
  const parts = cluster.split('|')
  return parts.length === 4 ? parts[2] : undefined
}

/** `first ap-guangzhou/zone-1; then ap-guangzhou/zone-2`, in one line for each priority. */
function describePriorities(cluster: ClusterStatus): string[] {
  const byPriority = new Map<number, string[]>()
  for (const host of cluster.host_statuses ?? []) {
    const priority = host.priority ?? 0
    const place = [host.locality?.region, host.locality?.zone].filter((part) => part !== undefined && part !== '')
    const out = host.health_status?.failed_outlier_check === true ? ' (ejected)' : ''
    const shown = `${host.address.socket_address.address} in ${place.join('/') || 'no locality'}${out}`
    byPriority.set(priority, [...(byPriority.get(priority) ?? []), shown])
  }
  return [...byPriority]
    .toSorted(([a], [b]) => a - b)
    .map(([priority, hosts]) => `  priority ${priority}: ${hosts.join(', ')}`)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
