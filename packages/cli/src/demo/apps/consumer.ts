/**
 * A Dubbo consumer that knows nothing of a mesh but the address to call: it calls `DemoService.sayHello` without end and
 * measures what comes back.
 *
 *   node consumer.ts '{"address":"127.0.0.1:20880", ...}'        (a ConsumerPlan)
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { createHistogram, performance } from 'node:perf_hooks'
import {
  DEMO_SERVICE,
  DEMO_VERSION,
  dubboProtocol,
  quietLogger,
  RpcClient,
  type Attachments,
  type DubboConsumer,
} from './dubbo-npm.ts'
import type { CallKind, ConsumerPlan, ConsumerReport, FromApp, Greeting, Latency, StopCalling } from './messages.ts'

const REPORT_EVERY_MS = 100
const RECENT_MS = 2000
/** Calls are started in small bursts: timers are no finer than a millisecond. */
const TICK_MS = 1
const RESPONSE_TIMEOUT_MS = 20_000

const plan = JSON.parse(process.argv[2] ?? '{}') as ConsumerPlan
const tell = (message: FromApp) => process.send?.(message)

let closing = false
let connectionsOpened = 0
let connectionsDropped = 0

// Seen from the sockets themselves, whatever the Dubbo stack makes of them.
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket }
  socket.once('connect', () => {
    connectionsOpened++
    socket.once('close', () => {
      if (!closing) connectionsDropped++
    })
  })
})

/** Latency over the last two intervals: two histograms that take turns. */
class RecentLatency {
  #now = createHistogram()
  #before = createHistogram()

  record(micros: number): void {
    this.#now.record(micros)
  }
  turn(): void {
    const spare = this.#before
    this.#before = this.#now
    this.#now = spare
    spare.reset()
  }
  read(): Latency {
    const both = createHistogram()
    both.add(this.#before)
    both.add(this.#now)
    return latencyOf(both)
  }
}

interface MutableCount {
  kind: string
  group: string
  tracing: string
  revision: string
  count: number
}

const overall = createHistogram()
const recentOverall = new RecentLatency()
const recent = new Map<string, RecentLatency>()
const counts = new Map<string, MutableCount>()
const failures: string[] = []
let requests = 0
let failed = 0
let waiting = 0

function latencyOf(histogram: ReturnType<typeof createHistogram>): Latency {
  const millis = (p: number) => (histogram.count === 0 ? 0 : histogram.percentile(p) / 1000)
  return { p50: millis(50), p99: millis(99) }
}

function succeeded(kind: CallKind, greeting: Greeting, micros: number): void {
  const { group, tracing, revision } = greeting
  const key = `${kind.name}\n${group}\n${tracing}\n${revision}`
  let count = counts.get(key)
  if (count === undefined) counts.set(key, (count = { kind: kind.name, group, tracing, revision, count: 0 }))
  count.count++
  overall.record(micros)
  recentOverall.record(micros)
  let latency = recent.get(group)
  if (latency === undefined) recent.set(group, (latency = new RecentLatency()))
  latency.record(micros)
}

async function call(consumer: DubboConsumer, kind: CallKind, attachments: Attachments): Promise<void> {
  waiting++
  const started = performance.now()
  try {
    const answer = await consumer.invoke('sayHello', ['Aeraki'], { requestProps: attachments })
    succeeded(kind, answer as Greeting, Math.max(1, Math.round((performance.now() - started) * 1000)))
  } catch (error) {
    failed++
    failures.push(error instanceof Error ? error.message : String(error))
    if (failures.length > 5) failures.shift()
  } finally {
    requests++
    waiting--
  }
}

function report(): ConsumerReport {
  return {
    type: 'report',
    requests,
    failed,
    failures,
    calls: [...counts.values()],
    latency: latencyOf(overall),
    recentLatency: recentOverall.read(),
    recent: Object.fromEntries([...recent].map(([group, latency]) => [group, latency.read()])),
    connectionsOpened,
    connectionsDropped,
  }
}

/** One client a connection: Sofa's clients keep one connection to an address. */
async function connect(): Promise<DubboConsumer[]> {
  const consumers = Array.from({ length: plan.connections }, () =>
    new RpcClient({ logger: quietLogger, protocol: dubboProtocol }).createConsumer({
      interfaceName: DEMO_SERVICE,
      version: DEMO_VERSION,
      serverHost: plan.address,
      responseTimeout: RESPONSE_TIMEOUT_MS,
    }),
  )
  await Promise.all(consumers.map((consumer) => consumer.ready()))
  return consumers
}

/** The kinds of a turn, spread out: [a, a, a, b] rather than all of one kind first when shares are 3 and 1. */
function turnOf(kinds: readonly CallKind[]): CallKind[] {
  const places = kinds.flatMap((kind) =>
    Array.from({ length: kind.share }, (_, i) => ({ kind, at: (i + 0.5) / kind.share })),
  )
  return places.toSorted((a, b) => a.at - b.at).map((place) => place.kind)
}

function finish(): never {
  closing = true
  tell({ type: 'done', report: report() })
  // The channel is written before the process ends because it is emptied first.
  process.disconnect()
  process.exit(0)
}

async function run(): Promise<void> {
  const consumers = await connect()
  const turn = turnOf(plan.kinds)
  const started = performance.now()
  let made = 0
  let stopping = false

  const tick = setInterval(() => {
    if (stopping) {
      if (waiting === 0) finish()
      return
    }
    const due = Math.floor(((performance.now() - started) * plan.rate) / 1000)
    while (made < due && waiting < plan.concurrency) {
      const kind = turn[made % turn.length]
      const consumer = consumers[made % consumers.length]
      if (kind === undefined || consumer === undefined) return
      void call(consumer, kind, kind.attachments)
      made++
    }
    // Late calls are not made up for in a burst.
    if (made < due) made = due
  }, TICK_MS)
  process.on('message', (message: Partial<StopCalling>) => {
    if (message.type === 'stop') stopping = true
  })
  setInterval(() => tell(report()), REPORT_EVERY_MS)
  setInterval(() => {
    recentOverall.turn()
    for (const latency of recent.values()) latency.turn()
  }, RECENT_MS / 2)
  process.once('disconnect', () => {
    clearInterval(tick)
    process.exit(0)
  })
}

try {
  await run()
} catch (error) {
  tell({ type: 'failed', message: `consumer: ${error instanceof Error ? error.message : String(error)}` })
  process.exitCode = 1
  process.disconnect?.()
}
