/**
 * Backend and load in one process, so that the proxy has a core for itself. Reads commands from stdin, one JSON object a
 * line: {"port": of the proxy, "connections", "depth", "seconds"}; answers each with a line of results. Prints the
 * backend's port first.
 */
import { createInterface } from 'node:readline'
import { ByteBuffer } from '@aeraki/protocols'
import type { Connection, ConnectionHandler } from '../src/io/io.ts'
import { selectIo } from '../src/io/select.ts'
import { callFrame, frameLength, responseFrame } from './frames.ts'

const io = selectIo()
const call = callFrame()
const response = responseFrame()
const headerBytes = 16

/** Cuts frames of the fixed length out of chunks. */
class Cutter {
  readonly #header = Buffer.alloc(headerBytes)
  #filled = 0

  /** Calls back with the id for each frame. */
  push(chunk: Uint8Array, onFrame: (id: number) => void): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let at = 0
    while (at < bytes.length) {
      const take = Math.min(frameLength - this.#filled, bytes.length - at)
      if (this.#filled < headerBytes)
        bytes.copy(this.#header, this.#filled, at, at + Math.min(take, headerBytes - this.#filled))
      this.#filled += take
      at += take
      if (this.#filled === frameLength) {
        this.#filled = 0
        onFrame(this.#header.readInt32BE(8))
      }
    }
  }
}

const nothing = { onOpen: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined }

function serve(connection: Connection): ConnectionHandler {
  const cutter = new Cutter()
  const out = new ByteBuffer()
  return {
    ...nothing,
    onData(chunk) {
      cutter.push(chunk, (id) => {
        const at = out.reserve(frameLength)
        response.copy(out.bytes, at)
        out.bytes.writeInt32BE(id, at + 8)
        out.commit(at + frameLength)
      })
      if (out.length > 0) connection.send(out)
    },
    onEnd: () => connection.end(),
  }
}

const backend = await io.listen({ host: '127.0.0.1', port: 0 }, {}, serve)
console.log(backend.address.port)

interface Command {
  readonly port: number
  readonly connections: number
  readonly depth: number
  readonly seconds: number
}

let latencies: number[] = []
let running = false

function open(port: number, depth: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const cutter = new Cutter()
    const out = new ByteBuffer()
    const startedAt = new Float64Array(depth + 1)
    const send = (id: number): void => {
      const at = out.reserve(frameLength)
      call.copy(out.bytes, at)
      out.bytes.writeInt32BE(id, at + 8)
      out.commit(at + frameLength)
      startedAt[id] = performance.now()
    }
    const connection = io.connect(
      { host: '127.0.0.1', port },
      { timeoutMs: 5000 },
      {
        ...nothing,
        onOpen() {
          for (let id = 1; id <= depth; id += 1) send(id)
          connection.send(out)
          resolve(connection)
        },
        onData(chunk) {
          cutter.push(chunk, (id) => {
            if (running) latencies.push(performance.now() - (startedAt[id] ?? 0))
            send(id)
          })
          if (out.length > 0) connection.send(out)
        },
        onClose(error) {
          if (running) console.error('closed', error)
          reject(error ?? new Error('closed'))
        },
      },
    )
  })
}

async function run({ port, connections, depth, seconds }: Command): Promise<object> {
  const opened = await Promise.all(Array.from({ length: connections }, () => open(port, depth)))
  await pause(1500)
  // The one who measures reads the proxy's CPU time at these two moments.
  console.log('begin')
  latencies = []
  running = true
  await pause(seconds * 1000)
  running = false
  console.log('end')
  for (const connection of opened) connection.destroy()
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.floor(share * latencies.length)] ?? 0
  return { requests: latencies.length, seconds, p50: at(0.5), p99: at(0.99) }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await run(JSON.parse(line) as Command)))
}
process.exit(0)
