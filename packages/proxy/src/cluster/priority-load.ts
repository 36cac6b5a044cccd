/**
 * How much of the traffic goes to each priority, as Envoy computes it:
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
 *
 * A priority's availability is its share of healthy endpoints times the overprovisioning factor, at most 100 percent;
 * the same for degraded ones. Lower priority numbers take what they can of the 100 percent, first with their healthy
 * endpoints, then with their degraded ones. When all together can't take 100 percent, the loads are scaled up to it,
 * and priorities with fewer available endpoints than the panic threshold use all of theirs.
 */
export interface PriorityHealth {
  readonly total: number
  readonly healthy: number
  readonly degraded: number
}

/** Percentages; all `healthy` and `degraded` of all priorities together make 100. */
export interface PriorityLoad {
  healthy: number
  degraded: number
  /** Endpoints are chosen among all, whatever their health. */
  panic: boolean
}

export function priorityLoads(
  priorities: readonly PriorityHealth[],
  overprovisioningFactor: number,
  panicThreshold: number,
): readonly PriorityLoad[] {
  const loads = priorities.map((): PriorityLoad => ({ healthy: 0, degraded: 0, panic: false }))
  if (loads.length === 0) return loads
  const healthy = priorities.map((each) => availability(each.healthy, each.total, overprovisioningFactor))
  const degraded = priorities.map((each) => availability(each.degraded, each.total, overprovisioningFactor))
  const available = Math.min(100, sum(healthy) + sum(degraded))
  if (available > 0) distribute(loads, healthy, degraded, available)
  if (available === 100) return loads
  priorities.forEach((each, index) => {
    const share = each.total === 0 ? 0 : (100 * (each.healthy + each.degraded)) / each.total
    const load = loads[index] as PriorityLoad
    load.panic = share < panicThreshold
  })
  if (loads.every(({ panic }) => panic)) distributeByEndpoints(loads, priorities)
  return loads
}

function availability(count: number, total: number, factor: number): number {
  return total === 0 ? 0 : Math.min(100, Math.floor((factor * count) / total))
}

function distribute(
  loads: readonly PriorityLoad[],
  healthy: readonly number[],
  degraded: readonly number[],
  available: number,
): void {
  let left = 100
  loads.forEach((load, index) => {
    load.healthy = Math.min(left, Math.floor(((healthy[index] as number) * 100) / available))
    left -= load.healthy
  })
  loads.forEach((load, index) => {
    load.degraded = Math.min(left, Math.floor(((degraded[index] as number) * 100) / available))
    left -= load.degraded
  })
  // What rounding left over.
  const firstHealthy = loads.find((load) => load.healthy > 0)
  const firstDegraded = loads.find((load) => load.degraded > 0)
  if (firstHealthy !== undefined) firstHealthy.healthy += left
  else if (firstDegraded !== undefined) firstDegraded.degraded += left
}

/** All priorities panic: each gets its share of all endpoints. */
function distributeByEndpoints(loads: readonly PriorityLoad[], priorities: readonly PriorityHealth[]): void {
  const total = sum(priorities.map((each) => each.total))
  if (total === 0) return
  let left = 100
  loads.forEach((load, index) => {
    load.healthy = Math.floor((100 * (priorities[index] as PriorityHealth).total) / total)
    load.degraded = 0
    left -= load.healthy
  })
  const first = loads.find((load) => load.healthy > 0)
  if (first !== undefined) first.healthy += left
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
