/** The servers behind the proxies: they answer each request with its id and as many bytes as it brought, and count. */
import { bun, type BunHandlers } from './bun-api.ts'
import { Channel } from './channel.ts'
import { calledMethod, type Wire, type WireName } from './wire.ts'
import { wires } from './wires.ts'

/** Payloads whose frames the backend knows; a frame of any other length is wrong. */
export const payloads = [128, 1024, 16_384] as const

export class Backend {
  /** Two, so that a split has two places to go. */
  readonly ports: readonly [number, number]
  /** Requests that came whole. */
  served = 0
  /** Frames of a length that no request has: a proxy changed what it should have passed on. */
  wrong = 0

  constructor(name: WireName) {
    const wire = wires[name]
    const answers = answersOf(wire)
    const socket: BunHandlers<Channel> = {
      open: (opened) => {
        opened.setNoDelay(true)
        opened.data = new Channel()
      },
      data: (from, chunk) => {
        const channel = from.data
        channel.frames(wire, chunk, (bytes, at, length) => {
          const answer = answers.get(length)
          if (answer === undefined) {
            this.wrong += 1
            return
          }
          this.served += 1
          channel.append(answer, wire.idAt, bytes.readUInt32BE(at + wire.idAt))
        })
        channel.flush(from)
      },
      drain: (from) => from.data.drain(from),
      close: () => undefined,
      error: () => undefined,
    }
    // Any address: endpoints of 127.0.0.0/8 all lead here.
    const listen = (): number => bun.listen<Channel>({ hostname: '0.0.0.0', port: 0, backlog: 4096, socket }).port
    this.ports = [listen(), listen()]
  }
}

function answersOf(wire: Wire): ReadonlyMap<number, Buffer> {
  return new Map(
    payloads.map((payload) => [wire.request(calledMethod, payload).length, wire.response(calledMethod, payload)]),
  )
}
