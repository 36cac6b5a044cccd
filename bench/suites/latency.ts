/**
 * Open loop: half of what Envoy's proxy for the protocol can do is asked of every contender, each request at its time,
 * and latencies count from that time (so a proxy that stalls is charged for all who wait).
 */
import type { Contender } from '../contenders/contender.ts'
import type { Cell } from '../figures.ts'
import type { WireName } from '../load/wire.ts'
import { figures, interleave, mainShape, startWarm, type Context } from './suite.ts'

export interface LatencyTable {
  readonly wire: WireName
  /** Requests per second. */
  readonly rate: number
  readonly peer: string
  readonly rows: readonly { readonly contender: Contender; readonly cell: Cell }[]
}

/** @param peer whose saturation sets the rate */
export async function runLatency(
  context: Context,
  contenders: readonly Contender[],
  wire: WireName,
  peer: Contender,
): Promise<LatencyTable> {
  const able = contenders.filter((contender) => contender.wires.includes(wire))
  context.say(`latency: ${wire}, starting ${able.length} contenders`)
  const proxies = []
  for (const contender of able) proxies.push(await startWarm(context, contender, wire))
  const peerProxy = proxies[able.indexOf(peer)]
  if (peerProxy === undefined) throw new Error(`${peer.name} does not do ${wire}`)
  const [saturated] = await interleave(context, [{ proxy: peerProxy, request: { wire, ...mainShape } }])
  const saturation = figures(saturated)?.perSecond
  if (saturation === undefined) throw new Error(`${peer.name} failed: there is no rate to compare at`)
  const rate = Math.round(saturation / 2)
  context.say(`latency: ${wire} at ${rate} requests per second`)
  const open = { rate, warmUpMs: 300, measureMs: context.plan.latencyMs }
  const series = proxies.map((proxy) => ({ proxy, request: { wire, ...mainShape, ...open } }))
  const cells = await interleave(context, series)
  await Promise.all(proxies.map((proxy) => proxy.stop()))
  return {
    wire,
    rate,
    peer: peer.name,
    rows: able.map((contender, index) => ({ contender, cell: cells[index] as Cell })),
  }
}
