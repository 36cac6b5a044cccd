/** What suites share: their surroundings, and interleaved rounds. */
import type { Contender, Work } from '../contenders/contender.ts'
import { figuresOf, isFailed, type Cell } from '../figures.ts'
import type { Load } from '../load/load.ts'
import type { LoadRequest, LoadResult } from '../load/protocol.ts'
import { calledMethod, type WireName } from '../load/wire.ts'
import type { Plan } from '../options.ts'
import { startProxy, type Proxy } from '../processes.ts'

export interface Context {
  readonly load: Load
  readonly plan: Plan
  /** Says how far it is. */
  readonly say: (text: string) => void
}

export interface Shape {
  readonly payload: number
  readonly connections: number
  /** In flight on each connection. */
  readonly depth: number
}

/** The shape that the goals and the chart are about. */
export const mainShape: Shape = { payload: 1024, connections: 32, depth: 1 }

/** Rules by method before the one that matches, unless the suite is about their number. */
export const usualRules = 10

/** One series of measurements that takes turns with others. */
export interface Series {
  readonly proxy: Proxy
  readonly request: Partial<LoadRequest> & Pick<LoadRequest, 'wire'> & Shape
}

/** Measures all series in turn, and that as many times as the plan says; the cells are in the series' order. */
export async function interleave(context: Context, series: readonly Series[]): Promise<readonly Cell[]> {
  const results: LoadResult[][] = series.map(() => [])
  const failures: (string | undefined)[] = series.map(() => undefined)
  for (let round = 0; round < context.plan.rounds; round += 1) {
    for (const [index, each] of series.entries()) {
      if (failures[index] !== undefined) continue
      try {
        results[index]?.push(await measure(context, each))
      } catch (error) {
        failures[index] = error instanceof Error ? error.message : String(error)
        context.say(`${each.proxy.name} failed: ${failures[index]}`)
      }
    }
  }
  return results.map((rounds, index) => {
    const failed = failures[index]
    return failed === undefined ? figuresOf(rounds) : { failed }
  })
}

export function measure({ load, plan }: Context, { proxy, request }: Series): Promise<LoadResult> {
  return load.run({
    port: proxy.port,
    method: calledMethod,
    warmUpMs: plan.warmUpMs,
    warmUpRequests: 0,
    measureMs: plan.measureMs,
    rate: 0,
    pids: proxy.pids,
    ...request,
  })
}

/** Starts a contender and warms it up. */
export async function startWarm(context: Context, contender: Contender, wire: WireName): Promise<Proxy> {
  const proxy = await startProxy(contender, usualWork(context, wire))
  await warmUp(context, { proxy, request: { wire, ...mainShape } })
  return proxy
}

/** Lets the compilers of a proxy that has just been started see the code run. */
export async function warmUp(context: Context, { proxy, request }: Series): Promise<void> {
  const { firstWarmUpMs: warmUpMs, firstWarmUpRequests: warmUpRequests } = context.plan
  await measure(context, { proxy, request: { ...request, warmUpMs, warmUpRequests, measureMs: 50 } })
}

export function usualWork({ load }: Context, wire: WireName): Omit<Work, 'port'> {
  const [a, b] = load.backends[wire].map((port) => [{ host: '127.0.0.1', port }])
  return { wire, workers: 1, rules: usualRules, backends: [a ?? [], b ?? []] }
}

/** Figures of a cell, or a failure if it has none. */
export function figures(cell: Cell | undefined): Exclude<Cell, { failed: string }> | undefined {
  return cell === undefined || isFailed(cell) ? undefined : cell
}
