/**
 * One run of load: opens the connections, warms up, measures, checks every answer against what was asked and against
 * the backend's own count, and closes.
 */
import { bun, type BunSocket } from './bun-api.ts'
import type { Backend } from './backend.ts'
import { Channel } from './channel.ts'
import { Latencies } from './latencies.ts'
import { cpuSeconds, memoryMb } from './process-figures.ts'
import type { LoadRequest, LoadResult } from './protocol.ts'
import { wires } from './wires.ts'

/** So many connections are opened at a time. */
const openAtOnce = 64

const longestWarmUpMs = 20_000
/** After the measurement. */
const answerWithinMs = 10_000

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

class Client extends Channel {
  readonly index: number

  constructor(index: number) {
    super()
    this.index = index
  }
}

export class LoadRun {
  readonly #request: LoadRequest
  readonly #backend: Backend
  readonly #frame: Buffer
  readonly #answerLength: number
  readonly #sockets: BunSocket<Client>[] = []
  /** When the request of each slot was (or should have been) sent, in microseconds; 0: none is in flight. */
  readonly #sentAt: Float64Array
  readonly #latencies = new Latencies()
  #answered = 0
  #counted = 0
  #wrong = 0
  #closed = 0
  #inFlight = 0
  #sending = true
  #counting = false
  /** Open loop: slots without a request, oldest first, as a ring. */
  readonly #idle: Int32Array
  #idleFrom = 0
  #idleCount = 0
  #nextAt = 0

  constructor(request: LoadRequest, backend: Backend) {
    this.#request = request
    this.#backend = backend
    const wire = wires[request.wire]
    this.#frame = wire.request(request.method, request.payload)
    this.#answerLength = wire.response(request.method, request.payload).length
    this.#sentAt = new Float64Array(request.connections * request.depth)
    this.#idle = new Int32Array(request.connections * request.depth)
  }

  async result(): Promise<LoadResult> {
    const { connections, measureMs, rate, pids } = this.#request
    for (let from = 0; from < connections; from += openAtOnce) {
      const count = Math.min(openAtOnce, connections - from)
      this.#sockets.push(...(await Promise.all(Array.from({ length: count }, (_, index) => this.#open(from + index)))))
    }
    const servedBefore = this.#backend.served
    const wrongBefore = this.#backend.wrong
    if (rate === 0) this.#fill()
    else this.#keepRate()
    await this.#warmUp()
    const proxyBefore = cpuSeconds(pids)
    const loadBefore = process.cpuUsage()
    const start = performance.now()
    this.#counting = true
    await pause(measureMs)
    this.#counting = false
    const seconds = (performance.now() - start) / 1000
    const proxyCpuSeconds = cpuSeconds(pids) - proxyBefore
    const load = process.cpuUsage(loadBefore)
    const proxyMemoryMb = memoryMb(pids)
    this.#sending = false
    for (let waited = 0; this.#inFlight > 0 && waited < answerWithinMs; waited += 10) await pause(10)
    this.#check(this.#backend.served - servedBefore, this.#backend.wrong - wrongBefore)
    for (const socket of this.#sockets) socket.end()
    return {
      requests: this.#counted,
      seconds,
      proxyCpuSeconds,
      loadCpuSeconds: (load.user + load.system) / 1e6,
      p50Us: this.#latencies.quantile(0.5),
      p99Us: this.#latencies.quantile(0.99),
      p999Us: this.#latencies.quantile(0.999),
      proxyMemoryMb,
    }
  }

  async #warmUp(): Promise<void> {
    const { warmUpMs, warmUpRequests } = this.#request
    await pause(warmUpMs)
    const latest = performance.now() + longestWarmUpMs
    while (this.#answered < warmUpRequests && performance.now() < latest) await pause(10)
  }

  #open(index: number): Promise<BunSocket<Client>> {
    const { wire, port } = this.#request
    const onFrame = (bytes: Buffer, at: number, length: number): void =>
      this.#received(index, bytes.readUInt32BE(at + wires[wire].idAt), length)
    return bun.connect<Client>({
      hostname: '127.0.0.1',
      port,
      data: new Client(index),
      socket: {
        open: (socket) => socket.setNoDelay(true),
        data: (socket, chunk) => {
          this.#now = performance.now() * 1000
          socket.data.frames(wires[wire], chunk, onFrame)
          socket.data.flush(socket)
        },
        drain: (socket) => socket.data.drain(socket),
        close: () => {
          if (this.#sending) this.#closed += 1
        },
        error: () => undefined,
      },
    })
  }

  /** Microseconds, as of the chunk that is being read. */
  #now = 0

  /** Appends the slot's next request to its connection's output. */
  #send(slot: number, at: number): void {
    const { depth, wire } = this.#request
    const socket = this.#sockets[Math.floor(slot / depth)] as BunSocket<Client>
    this.#sentAt[slot] = at
    this.#inFlight += 1
    // The id 0 is no request's: some protocols take it for none.
    socket.data.append(this.#frame, wires[wire].idAt, (slot % depth) + 1)
  }

  #received(index: number, id: number, length: number): void {
    const { depth, rate } = this.#request
    const slot = index * depth + id - 1
    const sentAt = id >= 1 && id <= depth ? (this.#sentAt[slot] as number) : 0
    if (sentAt === 0 || length !== this.#answerLength) {
      this.#wrong += 1
      return
    }
    this.#sentAt[slot] = 0
    this.#inFlight -= 1
    this.#answered += 1
    if (this.#counting) {
      this.#counted += 1
      this.#latencies.record(this.#now - sentAt)
    }
    if (!this.#sending) return
    if (rate === 0) this.#send(slot, this.#now)
    else this.#giveBack(slot)
  }

  /** Closed loop: every slot has a request in flight from now on. */
  #fill(): void {
    const { connections, depth } = this.#request
    const now = performance.now() * 1000
    for (let index = 0; index < connections; index += 1) {
      for (let slot = index * depth; slot < (index + 1) * depth; slot += 1) this.#send(slot, now)
      const socket = this.#sockets[index] as BunSocket<Client>
      socket.data.flush(socket)
    }
  }

  /** Open loop: requests have their times; one that finds no free slot is sent late and counts from its time. */
  #keepRate(): void {
    for (let slot = 0; slot < this.#idle.length; slot += 1) this.#giveBack(slot)
    const intervalUs = 1e6 / this.#request.rate
    this.#nextAt = performance.now() * 1000
    const turn = (): void => {
      if (!this.#sending) return
      const now = performance.now() * 1000
      while (this.#nextAt <= now && this.#idleCount > 0) {
        const slot = this.#takeIdle()
        this.#send(slot, this.#nextAt)
        this.#nextAt += intervalUs
        const socket = this.#sockets[Math.floor(slot / this.#request.depth)] as BunSocket<Client>
        socket.data.flush(socket)
      }
      // Not a timer: those are a millisecond late.
      setImmediate(turn)
    }
    turn()
  }

  #giveBack(slot: number): void {
    this.#idle[(this.#idleFrom + this.#idleCount) % this.#idle.length] = slot
    this.#idleCount += 1
  }

  #takeIdle(): number {
    const slot = this.#idle[this.#idleFrom] as number
    this.#idleFrom = (this.#idleFrom + 1) % this.#idle.length
    this.#idleCount -= 1
    return slot
  }

  #check(served: number, wrongAtBackend: number): void {
    const trouble = [
      this.#wrong > 0 && `${this.#wrong} answers were none to any request in flight, or of a wrong length`,
      wrongAtBackend > 0 && `${wrongAtBackend} requests reached the backend with another length`,
      this.#closed > 0 && `${this.#closed} connections were closed on the load`,
      this.#inFlight > 0 && `${this.#inFlight} requests had no answer within ${answerWithinMs / 1000} seconds`,
      served !== this.#answered && `${this.#answered} requests were answered, the backend served ${served}`,
      this.#answered === 0 && 'no request was answered',
    ].filter((text) => text !== false)
    if (trouble.length > 0) throw new Error(trouble.join('; '))
  }
}
