/** What a proxy costs before and besides its requests: time to start, memory at rest and under load. */
import type { Contender } from '../contenders/contender.ts'
import { median } from '../figures.ts'
import { memoryMb } from '../load/process-figures.ts'
import type { WireName } from '../load/wire.ts'
import { startProxy } from '../processes.ts'
import { measure, usualWork, type Context, type Shape } from './suite.ts'

export interface Footprint {
  readonly contender: Contender
  readonly startUpMs: number
  readonly restMb: number
  readonly loadMb: number
}

/** Many clients: what connections and buffers take shows. */
const shape: Shape = { payload: 1024, connections: 512, depth: 1 }

export async function runFootprint(
  context: Context,
  contenders: readonly Contender[],
  wire: WireName,
): Promise<readonly Footprint[]> {
  const all: Footprint[] = []
  for (const contender of contenders) {
    if (!contender.wires.includes(wire) || contender.name === 'direct') continue
    context.say(`footprint: ${contender.name}, ${wire}`)
    const startUps: number[] = []
    for (let start = 1; start < context.plan.starts; start += 1) {
      const proxy = await startProxy(contender, usualWork(context, wire))
      startUps.push(proxy.startUpMs)
      await proxy.stop()
    }
    const proxy = await startProxy(contender, usualWork(context, wire))
    startUps.push(proxy.startUpMs)
    await new Promise((resolve) => setTimeout(resolve, 500))
    const restMb = memoryMb(proxy.pids)
    const request = { wire, ...shape, measureMs: context.plan.footprintMs }
    const { proxyMemoryMb } = await measure(context, { proxy, request })
    await proxy.stop()
    all.push({ contender, startUpMs: median(startUps), restMb, loadMb: proxyMemoryMb })
  }
  return all
}
