/**
 * A closed-loop load of Dubbo calls: bun load.ts PORT CONNECTIONS DEPTH SECONDS FRAME_BYTES
 * Prints one JSON object: requests, seconds, p50Us, p99Us, wrong (answers with an unknown id).
 */
import { bun, Channel, type BunSocket } from './bun-sockets.ts'
import { idAt, requestFrame } from './dubbo.ts'

const [port = 0, connections = 1, depth = 1, seconds = 1, frameBytes = 216] = process.argv.slice(2).map(Number)
const request = requestFrame(frameBytes)
/** Microseconds up to a second; slower ones count as a second. */
const latencies = new Uint32Array(1_000_001)
let requests = 0
let wrong = 0
let closed = 0
let counting = false
let running = true

class Client extends Channel {
  /** When the request of each slot was sent, in microseconds. */
  readonly sentAt = new Float64Array(depth)

  send(slot: number): void {
    const bytes = Buffer.from(request)
    bytes.writeUInt32BE(slot, idAt + 4)
    this.sentAt[slot] = performance.now() * 1000
    this.append(bytes)
  }

  received(slot: number): void {
    if (slot >= depth) {
      wrong += 1
      return
    }
    if (counting) {
      requests += 1
      const us = Math.min(1_000_000, Math.round(performance.now() * 1000 - (this.sentAt[slot] as number)))
      latencies[us] = (latencies[us] as number) + 1
    }
    if (running) this.send(slot)
  }
}

const sockets: BunSocket<Client>[] = []
for (let index = 0; index < connections; index += 1) {
  sockets.push(
    await bun.connect<Client>({
      hostname: '127.0.0.1',
      port,
      data: new Client(),
      socket: {
        data: (socket, chunk) => {
          socket.data.frames(chunk, (bytes, at) => socket.data.received(bytes.readUInt32BE(at + idAt + 4)))
          socket.data.flush(socket)
        },
        drain: (socket) => socket.data.flush(socket),
        close: () => {
          if (running) closed += 1
        },
        error: () => undefined,
      },
    }),
  )
}
for (const socket of sockets) {
  for (let slot = 0; slot < depth; slot += 1) socket.data.send(slot)
  socket.data.flush(socket)
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
await pause(1500)
counting = true
console.log('start')
const start = performance.now()
await pause(seconds * 1000)
counting = false
const elapsed = (performance.now() - start) / 1000
running = false
console.log(
  JSON.stringify({ requests, seconds: elapsed, p50Us: percentile(0.5), p99Us: percentile(0.99), wrong, closed }),
)
process.exit(0)

function percentile(share: number): number {
  let left = requests * share
  for (let us = 0; us < latencies.length; us += 1) {
    left -= latencies[us] as number
    if (left <= 0) return us
  }
  return 0
}
