/** Closed loop: as much as each proxy can do, for payloads, connections and requests in flight. */
import type { Contender } from '../contenders/contender.ts'
import type { Cell } from '../figures.ts'
import type { WireName } from '../load/wire.ts'
import { interleave, mainShape, startWarm, type Context, type Shape } from './suite.ts'

export interface RequestTable {
  readonly wire: WireName
  readonly shape: Shape
  readonly rows: readonly { readonly contender: Contender; readonly cell: Cell }[]
}

const kilobyte = 1024
const allShapes: readonly Shape[] = [
  { payload: kilobyte, connections: 1, depth: 1 },
  mainShape,
  { payload: kilobyte, connections: 512, depth: 1 },
  { payload: kilobyte, connections: 1, depth: 32 },
  { payload: kilobyte, connections: 32, depth: 32 },
  { payload: 128, connections: 32, depth: 1 },
  { payload: 128, connections: 512, depth: 1 },
  { payload: 16 * kilobyte, connections: 32, depth: 1 },
  { payload: 16 * kilobyte, connections: 512, depth: 1 },
]
const quickShapes: readonly Shape[] = [mainShape, { payload: kilobyte, connections: 512, depth: 1 }]

export async function runRequests(
  context: Context,
  contenders: readonly Contender[],
  wires: readonly WireName[],
): Promise<readonly RequestTable[]> {
  const tables: RequestTable[] = []
  const shapes = context.plan.name === 'full' ? allShapes : quickShapes
  for (const wire of wires) {
    const able = contenders.filter((contender) => contender.wires.includes(wire))
    context.say(`requests: ${wire}, starting ${able.length} contenders`)
    const proxies = []
    for (const contender of able) proxies.push(await startWarm(context, contender, wire))
    for (const shape of shapes) {
      context.say(`requests: ${wire}, ${describe(shape)}`)
      const series = proxies.map((proxy) => ({ proxy, request: { wire, ...shape } }))
      const cells = await interleave(context, series)
      const rows = able.map((contender, index) => ({ contender, cell: cells[index] as Cell }))
      tables.push({ wire, shape, rows })
    }
    await Promise.all(proxies.map((proxy) => proxy.stop()))
  }
  return tables
}

export function describe({ payload, connections, depth }: Shape): string {
  const size = payload < kilobyte ? `${payload} B` : `${payload / kilobyte} KB`
  return `${size}, ${connections} connection${connections === 1 ? '' : 's'}, ${depth} in flight on each`
}
