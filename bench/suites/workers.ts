/** Two workers each: what a second one brings and costs. */
import type { Contender } from '../contenders/contender.ts'
import type { Cell } from '../figures.ts'
import { memoryMb } from '../load/process-figures.ts'
import type { WireName } from '../load/wire.ts'
import { startProxy } from '../processes.ts'
import { interleave, mainShape, usualWork, warmUp, type Context, type Shape } from './suite.ts'

export interface WorkerTable {
  readonly wire: WireName
  readonly shape: Shape
  readonly rows: readonly {
    readonly contender: Contender
    readonly cell: Cell
    /** Resident, before the first request. */
    readonly restMb: number
  }[]
}

export const workers = 2

const shapes: readonly Shape[] = [mainShape, { ...mainShape, connections: 512 }]

export async function runWorkers(context: Context, contenders: readonly Contender[]): Promise<readonly WorkerTable[]> {
  const tables: WorkerTable[] = []
  for (const wire of context.plan.workerWires) {
    const able = contenders.filter((contender) => contender.wires.includes(wire))
    context.say(`workers: ${wire}, starting ${able.length} contenders with ${workers} each`)
    const started = []
    for (const contender of able) {
      const proxy = await startProxy(contender, { ...usualWork(context, wire), workers })
      await new Promise((resolve) => setTimeout(resolve, 500))
      const restMb = memoryMb(proxy.pids)
      await warmUp(context, { proxy, request: { wire, ...mainShape } })
      started.push({ contender, proxy, restMb })
    }
    for (const shape of shapes) {
      context.say(`workers: ${wire}, ${shape.connections} connections`)
      const cells = await interleave(
        context,
        started.map(({ proxy }) => ({ proxy, request: { wire, ...shape } })),
      )
      const rows = started.map(({ contender, restMb }, index) => ({ contender, restMb, cell: cells[index] as Cell }))
      tables.push({ wire, shape, rows })
    }
    await Promise.all(started.map(({ proxy }) => proxy.stop()))
  }
  return tables
}
