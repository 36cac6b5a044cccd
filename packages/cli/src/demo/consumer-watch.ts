/** The consumer's reports, as they come in: the newest one, and what a second brings. */
import type { Child } from './processes.ts'
import type { ConsumerReport, FromApp, StopCalling } from './apps/messages.ts'
import { sumBy } from './scenario.ts'

/** Calls a second are measured over so many reports (ten a second). */
const RATE_REPORTS = 10

export class ConsumerWatch {
  readonly #child: Child
  readonly #history: { readonly at: number; readonly report: ConsumerReport }[] = []
  #waiting: (() => void)[] = []
  #done: ((report: ConsumerReport) => void) | undefined

  constructor(child: Child) {
    this.#child = child
    child.process.on('message', (message: FromApp) => {
      if (message.type === 'report') this.#take(message)
      if (message.type === 'done') {
        this.#take(message.report)
        this.#done?.(message.report)
      }
    })
  }

  /** Undefined until the first one. */
  get newest(): ConsumerReport | undefined {
    return this.#history.at(-1)?.report
  }

  /** Resolves with the first report of something that begins after now. */
  async settled(): Promise<ConsumerReport> {
    // Calls on their way now end before the one after next.
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    const report = this.newest
    if (report === undefined) throw new Error('a report that was waited for is not there')
    return report
  }

  /** Calls answered a second, by group. */
  rates(): Record<string, number> {
    const first = this.#history[0]
    const last = this.#history.at(-1)
    if (first === undefined || last === undefined || last.at === first.at) return {}
    const before = sumBy(first.report.calls, (call) => call.group)
    const now = sumBy(last.report.calls, (call) => call.group)
    const seconds = (last.at - first.at) / 1000
    return Object.fromEntries(
      Object.entries(now).map(([group, count]) => [group, (count - (before[group] ?? 0)) / seconds]),
    )
  }

  /** Makes the consumer call no more. Resolves with all it measured, once every call has ended. */
  finish(): Promise<ConsumerReport> {
    return new Promise((resolve) => {
      this.#done = resolve
      // It ends when it has reported, which may be before anybody stops it.
      this.#child.dismiss()
      this.#child.process.send({ type: 'stop' } satisfies StopCalling)
    })
  }

  #take(report: ConsumerReport): void {
    this.#history.push({ at: performance.now(), report })
    if (this.#history.length > RATE_REPORTS) this.#history.shift()
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}
