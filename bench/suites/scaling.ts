/** What more routes, endpoints and connections cost. */
import type { Contender, Endpoints, Work } from '../contenders/contender.ts'
import type { Cell } from '../figures.ts'
import { startProxy } from '../processes.ts'
import { openFilesLimit } from '../machine.ts'
import { interleave, mainShape, usualWork, warmUp, type Context, type Series } from './suite.ts'

export interface Curve {
  readonly of: 'routes' | 'endpoints' | 'connections'
  readonly counts: readonly number[]
  readonly lines: readonly { readonly contender: Contender; readonly cells: readonly Cell[] }[]
}

const wire = 'dubbo'

export async function runScaling(context: Context, contenders: readonly Contender[]): Promise<readonly Curve[]> {
  const { plan } = context
  const usual = usualWork(context, wire)
  const [portA, portB] = context.load.backends[wire]
  const routes = (count: number): Omit<Work, 'port'> => ({ ...usual, rules: count - 1 })
  const endpoints = (count: number): Omit<Work, 'port'> => ({
    ...usual,
    backends: [loopbacks(Math.ceil(count / 2), portA), loopbacks(Math.max(1, count >> 1), portB)],
  })
  return [
    await curve(context, contenders, 'routes', plan.routes, routes),
    await curve(context, contenders, 'endpoints', plan.endpoints, endpoints),
    await connectionCurve(context, contenders),
  ]
}

const tooManyFiles = `with a connection to a server for each it needs more than the ${openFilesLimit()} open files allowed`

/** One proxy for each count; all counts of a contender take turns. */
async function curve(
  context: Context,
  contenders: readonly Contender[],
  of: Curve['of'],
  counts: readonly number[],
  workOf: (count: number) => Omit<Work, 'port'>,
): Promise<Curve> {
  const lines = []
  for (const contender of contenders) {
    context.say(`scaling: ${of}, ${contender.name}`)
    const series: Series[] = []
    for (const count of counts) {
      const proxy = await startProxy(contender, workOf(count))
      const each = { proxy, request: { wire, ...mainShape } } as const
      await warmUp(context, each)
      series.push(each)
    }
    lines.push({ contender, cells: await interleave(context, series) })
    await Promise.all(series.map(({ proxy }) => proxy.stop()))
  }
  return { of, counts, lines }
}

async function connectionCurve(context: Context, contenders: readonly Contender[]): Promise<Curve> {
  const counts = context.plan.connections
  const lines = []
  for (const contender of contenders) {
    context.say(`scaling: connections, ${contender.name}`)
    const proxy = await startProxy(contender, usualWork(context, wire))
    await warmUp(context, { proxy, request: { wire, ...mainShape } })
    const times = { warmUpMs: 500, measureMs: 1000 }
    // More than it may open: Envoy crashes.
    const possible = counts.filter((connections) => contender.multiplexes || 2 * connections < openFilesLimit() - 500)
    const series = possible.map(
      (connections) => ({ proxy, request: { wire, ...mainShape, connections, ...times } }) as const,
    )
    const cells = await interleave(context, series)
    const left: readonly Cell[] = counts.slice(possible.length).map(() => ({ failed: tooManyFiles }))
    lines.push({ contender, cells: [...cells, ...left] })
    await proxy.stop()
  }
  return { of: 'connections', counts, lines }
}

/** Addresses of this machine, all different. */
function loopbacks(count: number, port: number): Endpoints {
  return Array.from({ length: count }, (_, index) => ({ host: `127.1.${index >> 8}.${index & 255}`, port }))
}
