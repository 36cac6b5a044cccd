/** What we want to be true, and whether it is. */
import { aerakiBun, aerakiNode } from '../contenders/aeraki.ts'
import type { Contender } from '../contenders/contender.ts'
import { envoyDubbo, envoyThrift } from '../contenders/envoy.ts'
import { haproxyTcp } from '../contenders/haproxy.ts'
import type { Cell, Figures } from '../figures.ts'
import type { WireName } from '../load/wire.ts'
import type { Footprint } from '../suites/footprint.ts'
import { figures } from '../suites/suite.ts'
import type { Results } from './results.ts'

export interface Goal {
  readonly figure: string
  readonly limit: string
  /** Undefined: not measured. */
  readonly value: string | undefined
  readonly met: boolean | undefined
}

export function goalsOf(results: Results): readonly Goal[] {
  return [
    ...cpuGoals(results),
    ...latencyGoals(results),
    ...memoryGoals(results),
    ...routeGoals(results),
    ...controlPlaneGoals(results),
  ]
}

const envoyOf: Readonly<Record<WireName, Contender>> = { dubbo: envoyDubbo, thrift: envoyThrift }
const nameOf: Readonly<Record<WireName, string>> = { dubbo: 'Dubbo', thrift: 'Thrift' }

function cpuGoals({ requests }: Results): readonly Goal[] {
  const goals: Goal[] = []
  const against = (wire: WireName, connections: number, ours: Contender, peer: Contender, limit: number): void => {
    const table = requests.find(
      ({ shape, ...each }) =>
        each.wire === wire && shape.connections === connections && shape.payload === 1024 && shape.depth === 1,
    )
    const value = ratio(cellOf(table?.rows, ours)?.cpuUs, cellOf(table?.rows, peer)?.cpuUs)
    const figure = `CPU per request, ${nameOf[wire]}, ${connections} connections, ${ours.name} against ${peer.name}`
    goals.push(atMost(figure, value, limit))
  }
  for (const wire of ['dubbo', 'thrift'] as const) {
    for (const connections of [32, 512]) {
      against(wire, connections, aerakiBun, envoyOf[wire], 0.4)
      against(wire, connections, aerakiNode, envoyOf[wire], 0.7)
    }
  }
  for (const connections of [32, 512]) against('dubbo', connections, aerakiBun, haproxyTcp, 1)
  return goals
}

function latencyGoals({ latency }: Results): readonly Goal[] {
  return (['dubbo', 'thrift'] as const).flatMap((wire) =>
    [aerakiBun, aerakiNode].map((ours) => {
      const peer = envoyOf[wire]
      const rows = latency.find((table) => table.wire === wire)?.rows
      const value = ratio(cellOf(rows, ours)?.p99Us, cellOf(rows, peer)?.p99Us)
      return atMost(`p99 at half of ${peer.name}'s saturation, ${nameOf[wire]}, ${ours.name} against it`, value, 1)
    }),
  )
}

function memoryGoals({ footprint }: Results): readonly Goal[] {
  return (['dubbo', 'thrift'] as const).flatMap((wire) => {
    const of = (contender: Contender): Footprint | undefined =>
      footprint[wire].find((each) => each.contender === contender)
    const ours = of(aerakiBun)
    const peer = of(envoyOf[wire])
    const against = `${nameOf[wire]}, ${aerakiBun.name} against ${envoyOf[wire].name}`
    return [
      atMost(`memory at rest, ${against}`, ratio(ours?.restMb, peer?.restMb), 1),
      atMost(`memory under load, ${against}`, ratio(ours?.loadMb, peer?.loadMb), 1),
    ]
  })
}

/** By CPU per request: how many requests a core can do is its inverse, whatever else was busy. */
function routeGoals({ scaling }: Results): readonly Goal[] {
  const curve = scaling.find(({ of }) => of === 'routes')
  return [aerakiBun, aerakiNode].map((ours) => {
    const cells = curve?.lines.find(({ contender }) => contender === ours)?.cells
    const at = (count: number): number | undefined => figures(cells?.[curve?.counts.indexOf(count) ?? -1])?.cpuUs
    const value = ratio(at(10), at(10_000))
    const figure = `requests per CPU second with 10,000 routes against 10, ${ours.name}`
    return { figure, limit: 'at least 0.95', value: value?.toFixed(2), met: value && value >= 0.95 } as Goal
  })
}

function controlPlaneGoals({ controlPlane }: Results): readonly Goal[] {
  const at = (services: number): number | undefined =>
    controlPlane?.rows.find((row) => row.services === services && row.proxies === 100)?.inForceMs
  const value = at(10_000)
  const few = at(100)
  return [
    {
      figure: 'one rule changed among 10,000 services, 100 proxies: until in force, median',
      limit: 'under 100 ms',
      value: value === undefined ? undefined : `${value.toFixed(0)} ms`,
      met: value === undefined ? undefined : value < 100,
    },
    atMost('the same, against 100 services', ratio(value, few), 1.5),
  ]
}

function atMost(figure: string, value: number | undefined, limit: number): Goal {
  return {
    figure,
    limit: `at most ${limit.toFixed(1)}`,
    value: value?.toFixed(2),
    met: value === undefined ? undefined : value <= limit,
  }
}

function cellOf(
  rows: readonly { readonly contender: Contender; readonly cell: Cell }[] | undefined,
  contender: Contender,
): Figures | undefined {
  return figures(rows?.find((row) => row.contender === contender)?.cell)
}

function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || !(b > 0) ? undefined : a / b
}
