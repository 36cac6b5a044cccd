/**
 * 512 clients with 32 requests in flight each. A proxy that has a connection to a server for each request under way opens
 * 16,384 of them, and keeps them: so each contender is alone here, started for this and stopped afterwards.
 */
import type { Contender } from '../contenders/contender.ts'
import { figuresOf, type Cell } from '../figures.ts'
import type { WireName } from '../load/wire.ts'
import { openFilesLimit } from '../machine.ts'
import { startProxy } from '../processes.ts'
import type { RequestTable } from './requests.ts'
import { measure, usualWork, type Context, type Shape } from './suite.ts'

const shape: Shape = { payload: 1024, connections: 512, depth: 32 }

/** Connections of one process at most, and what else it has open. */
const openFiles = shape.connections * (shape.depth + 1) + 500

export async function runCrowd(context: Context, contenders: readonly Contender[]): Promise<readonly RequestTable[]> {
  const tables: RequestTable[] = []
  for (const wire of context.plan.crowd.wires) {
    const rows = []
    for (const contender of contenders) {
      if (!contender.wires.includes(wire)) continue
      context.say(`crowd: ${wire}, ${contender.name}`)
      rows.push({ contender, cell: await alone(context, contender, wire) })
    }
    tables.push({ wire, shape, rows })
  }
  return tables
}

async function alone(context: Context, contender: Contender, wire: WireName): Promise<Cell> {
  const shares = contender.layer === 4 || (contender.multiplexes && wire === 'dubbo')
  const limit = openFilesLimit()
  if (!shares && limit < openFiles) return { failed: `needs ${openFiles} open files, and ${limit} are allowed` }
  const proxy = await startProxy(contender, usualWork(context, wire))
  try {
    const { warmUpMs, warmUpRequests, measureMs } = context.plan.crowd
    const request = { wire, ...shape, warmUpMs, warmUpRequests, measureMs }
    return figuresOf([await measure(context, { proxy, request })])
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) }
  } finally {
    await proxy.stop()
  }
}
