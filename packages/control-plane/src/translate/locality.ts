/**
 * Locality load balancing, Istio's rules: which locality of a service a client of some locality uses first.
 *
 * - `distribute`: shares of the traffic by locality; localities that are not named get none.
 * - Failover, only with outlier detection (without it nobody would notice that the near ones are gone): priority 0 is
 *   the client's own region, zone and subzone, 1 its region and zone, 2 its region, 3 elsewhere. With `failover`,
 *   regions that are not the ones to fail over to come after these.
 * - `failoverPriority`: endpoints by how many of the labels, in order, they share with the client.
 *
 * Priorities are then numbered from 0 without gaps, as Envoy demands.
 */
import { formatLocality, type Locality } from '@aeraki/api'
import type { Endpoint, LocalitySetting, PortTrafficPolicy } from '../mesh/model.ts'

/** What of a client matters to its endpoints. */
export interface Client {
  readonly locality: Locality
  readonly labels: Readonly<Record<string, string>>
}

export interface LocalityGroup {
  readonly locality: Locality
  readonly priority: number
  /** Undefined: localities share by their endpoints alone. */
  readonly weight: number | undefined
  readonly endpoints: readonly Endpoint[]
}

/** What the mesh does where a DestinationRule says nothing: Istio's default. */
const meshDefault: LocalitySetting = { enabled: true, distribute: [], failover: [], failoverPriority: [] }

/** Undefined: a client's place makes no difference to these endpoints. */
export function localityMode(policy: PortTrafficPolicy): LocalitySetting | undefined {
  const setting = policy.loadBalancer?.locality ?? meshDefault
  if (!setting.enabled) return undefined
  return setting.distribute.length > 0 || policy.outlier !== undefined ? setting : undefined
}

/** True when the cluster must split by locality weights before it splits by endpoint. */
export function isLocalityWeighted(setting: LocalitySetting | undefined): boolean {
  return setting !== undefined && setting.distribute.length > 0
}

/** What two clients must share to get the very same endpoints. */
export function clientKey(setting: LocalitySetting | undefined, client: Client): string {
  if (setting === undefined) return ''
  const labels = setting.failoverPriority.map((entry) => `${entry}:${client.labels[splitLabel(entry).label] ?? ''}`)
  return [formatLocality(client.locality), ...labels].join(',')
}

/** Groups in a stable order: by priority, then by locality. Endpoints keep their order. */
export function groupByLocality(
  endpoints: readonly Endpoint[],
  setting: LocalitySetting | undefined,
  client: Client,
): LocalityGroup[] {
  const distribute = setting === undefined ? undefined : sharesOf(setting, client.locality)
  const groups = new Map<string, { locality: Locality; raw: number; endpoints: Endpoint[] }>()
  for (const endpoint of endpoints) {
    const raw = distribute !== undefined || setting === undefined ? 0 : rawPriority(endpoint, setting, client)
    const id = `${String(raw).padStart(6, '0')}|${formatLocality(endpoint.locality)}`
    const group = groups.get(id)
    if (group === undefined) groups.set(id, { locality: endpoint.locality, raw, endpoints: [endpoint] })
    else group.endpoints.push(endpoint)
  }
  const ordered = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
  if (distribute !== undefined) {
    const weights = localityWeights(
      ordered.map(({ locality, endpoints: members }) => ({ locality, weight: sumOfWeights(members) })),
      distribute,
    )
    return ordered.flatMap(({ locality, endpoints: members }) => {
      const weight = weights.get(formatLocality(locality))
      return weight === undefined ? [] : [{ locality, priority: 0, weight, endpoints: members }]
    })
  }
  const weighted = isLocalityWeighted(setting)
  const raws = [...new Set(ordered.map(({ raw }) => raw))]
  const weights = fittingWeights(ordered.map(({ endpoints: members }) => sumOfWeights(members)))
  return ordered.map(({ locality, raw, endpoints: members }, index) => ({
    locality,
    priority: raws.indexOf(raw),
    weight: weighted ? weights[index] : undefined,
    endpoints: members,
  }))
}

function rawPriority(endpoint: Endpoint, setting: LocalitySetting, client: Client): number {
  const byPlace = client.locality.region === '' ? 0 : placePriority(endpoint.locality, setting, client.locality)
  if (setting.failoverPriority.length === 0) return byPlace
  const byLabels = labelPriority(endpoint, setting.failoverPriority, client)
  return setting.failover.length === 0 ? byLabels : byLabels * 5 + byPlace
}

function placePriority(there: Locality, setting: LocalitySetting, here: Locality): number {
  if (there.region !== here.region) {
    const fallback = setting.failover.find(({ from }) => from === here.region)
    return fallback !== undefined && fallback.to !== there.region ? 4 : 3
  }
  if (there.zone !== here.zone) return 2
  return there.subZone === here.subZone ? 0 : 1
}

function labelPriority(endpoint: Endpoint, order: readonly string[], client: Client): number {
  const labels = labelsWithPlace(endpoint.labels, endpoint.locality)
  const own = labelsWithPlace(client.labels, client.locality)
  const mismatch = order.findIndex((entry) => {
    const { label, value } = splitLabel(entry)
    return labels[label] !== (value ?? own[label])
  })
  return mismatch === -1 ? 0 : order.length - mismatch
}

/** The well-known topology labels say the same as the locality. */
function labelsWithPlace(labels: Readonly<Record<string, string>>, place: Locality): Record<string, string> {
  const result: Record<string, string> = {}
  if (place.region !== '') result['topology.kubernetes.io/region'] = place.region
  if (place.zone !== '') result['topology.kubernetes.io/zone'] = place.zone
  if (place.subZone !== '') result['topology.istio.io/subzone'] = place.subZone
  return Object.assign(result, labels)
}

function splitLabel(entry: string): { label: string; value: string | undefined } {
  const at = entry.indexOf('=')
  return at === -1 ? { label: entry, value: undefined } : { label: entry.slice(0, at), value: entry.slice(at + 1) }
}

/** The shares for clients of this place: the first `from` that covers it. */
function sharesOf(setting: LocalitySetting, here: Locality): ReadonlyMap<string, number> | undefined {
  if (here.region === '') return undefined
  return setting.distribute.find(({ from }) => covers(from, here))?.to
}

/** `region`, `region/*`, `region/zone`, `region/zone/*`, `region/zone/subzone`, `*`. */
export function covers(pattern: string, place: Locality): boolean {
  const own = [place.region, place.zone, place.subZone]
  return pattern.split('/').every((part, index) => part === '*' || part === (own[index] ?? ''))
}

/** A share that covers several localities is divided by their endpoints; each locality belongs to the first pattern. */
function localityWeights(
  places: readonly { readonly locality: Locality; readonly weight: number }[],
  shares: ReadonlyMap<string, number>,
): Map<string, number> {
  const weights = new Map<string, number>()
  const taken = new Set<string>()
  for (const [pattern, share] of shares) {
    const covered = places.filter(({ locality }) => !taken.has(formatLocality(locality)) && covers(pattern, locality))
    const total = covered.reduce((sum, { weight }) => sum + weight, 0)
    for (const { locality, weight } of covered) {
      taken.add(formatLocality(locality))
      if (share > 0) weights.set(formatLocality(locality), (share * weight) / total)
    }
  }
  if ([...weights.values()].every(Number.isInteger)) return weights
  // Envoy's weights are whole numbers: keep the proportions to a part in a million.
  return new Map([...weights].map(([place, weight]) => [place, Math.max(1, Math.round(weight * 10_000))]))
}

const mostWeight = 4_294_967_295

/** The weights of one list must sum to a uint32, or proxies refuse it. */
export function fittingWeights(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  if (sum <= mostWeight) return weights
  // Room for what the least weight of 1 adds.
  const scale = (mostWeight - weights.length) / sum
  return weights.map((weight) => Math.max(1, Math.floor(weight * scale)))
}

function sumOfWeights(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0)
}
