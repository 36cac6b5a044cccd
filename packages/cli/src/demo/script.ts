/**
 * What happens to the mesh during a run: rules are rewritten and put back, groups go away and come back, all under live
 * connections. Each step waits until the consumer's proxy has taken it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AerakiError } from '@aeraki/api/errors'
import type { ConsumerWatch } from './consumer-watch.ts'
import type { Mesh } from './mesh.ts'
import { REWRITES } from './result.ts'
import { sumBy, type Phase, type Scenario } from './scenario.ts'
import type { Workspace } from './workspace.ts'

/** A rule is taken in milliseconds; on a machine that is busy with other things, in seconds. */
const TAKEN_WITHIN_MS = 15_000
const TAKEN_POLL_MS = 25
/** Between the steps of a timed run. */
const LEAST_PAUSE_MS = 400
/** Pause between the steps of a demo without an end. */
const LIVE_PAUSE_MS = 8000

interface Step {
  readonly what: string
  run(): Promise<void>
}

export class Script {
  readonly #scenario: Scenario
  readonly #workspace: Workspace
  readonly #mesh: Mesh
  readonly #watch: ConsumerWatch
  readonly #away: string[] = []
  readonly #phases: Phase[] = []
  readonly #over: AbortSignal
  #phaseBegan: Record<string, number> | undefined
  /** What is being done, for the view; empty when nothing is. */
  event = ''

  /** Once `over`, what is under way rejects with its reason. */
  constructor(scenario: Scenario, workspace: Workspace, mesh: Mesh, watch: ConsumerWatch, over: AbortSignal) {
    this.#scenario = scenario
    this.#workspace = workspace
    this.#mesh = mesh
    this.#watch = watch
    this.#over = over
  }

  /** Groups that are away. */
  get away(): readonly string[] {
    return this.#away
  }

  /** All that a timed run does, spread over its time; longer when the proxy takes longer. */
  async runFor(durationMs: number): Promise<void> {
    const end = performance.now() + durationMs
    const steps = this.#timedSteps()
    await this.#beginPhase()
    for (const [at, step] of steps.entries()) {
      await this.#pause(end, steps.length - at)
      this.event = step.what
      await step.run()
      this.event = ''
    }
    await this.#pause(end, 0)
    this.#endPhase()
  }

  /** In a demo without an end, groups go and come for ever; rules are the user's to edit. */
  async runForever(): Promise<never> {
    const steps = this.#outageSteps()
    for (let at = 0; ; at++) {
      await this.#sleep(LIVE_PAUSE_MS)
      const step = steps[at % Math.max(1, steps.length)]
      if (step === undefined) continue
      this.event = step.what
      await step.run()
      this.event = ''
    }
  }

  /** The phases of a timed run, once it is over. */
  get phases(): readonly Phase[] {
    return this.#phases
  }

  /** Rewrites and outages take turns; the original rule comes back last. */
  #timedSteps(): Step[] {
    const { rule } = this.#scenario
    const original = this.#workspace.read(rule)
    const write = (what: string, text: string): Step => ({
      what,
      run: () => this.#taken(() => this.#workspace.write(rule, text)),
    })
    const outages = this.#outageSteps()
    const steps: Step[] = []
    for (let revision = 1; revision <= REWRITES; revision++) {
      steps.push(write(`rewriting ${rule}, revision ${revision}`, this.#scenario.rewrite(original, revision)))
      const outage = outages.shift()
      if (outage !== undefined) steps.push(outage)
    }
    return [...steps, ...outages, write(`putting ${rule} back`, original)]
  }

  #outageSteps(): Step[] {
    const { outages } = this.#scenario
    if (outages.length === 0) return []
    return [
      ...outages.map((group) => ({ what: `stopping ${group}`, run: () => this.#leave(group) })),
      // The farthest first: each of them is then the nearest that is there.
      ...outages.toReversed().map((group) => ({ what: `starting ${group} again`, run: () => this.#comeBack(group) })),
    ]
  }

  /** As with a registry: the entry goes first, and the instance when nobody calls it any more. */
  async #leave(name: string): Promise<void> {
    this.#endPhase()
    const group = this.#group(name)
    await this.#taken(() => this.#workspace.remove(group.workload))
    this.#away.push(name)
    await this.#beginPhase()
    await this.#mesh.stopGroup(group)
  }

  /** The instance starts first; its entry brings it its configuration, and the calls. */
  async #comeBack(name: string): Promise<void> {
    this.#endPhase()
    const group = this.#group(name)
    await this.#mesh.startGroup(group)
    const before = this.#answeredBy(name)
    await this.#taken(() => this.#workspace.restore(group.workload))
    this.#away.splice(this.#away.indexOf(name), 1)
    // Proxies learn of the entry before the instance's own proxy has opened its listener, or after.
    await this.#until(() => this.#answeredBy(name) > before, `no call was answered by ${name} after it had come back`)
    await this.#beginPhase()
  }

  /** Makes a change, and resolves when the consumer's proxy has taken a configuration that it had not before. */
  async #taken(change: () => void): Promise<void> {
    const before = await this.#mesh.consumerProxy.updates()
    change()
    const taken = async () => (await this.#mesh.consumerProxy.updates()) > before
    await this.#until(taken, "the consumer's proxy did not take the change")
  }

  async #until(condition: () => boolean | Promise<boolean>, otherwise: string): Promise<void> {
    const deadline = performance.now() + TAKEN_WITHIN_MS
    while (!(await condition())) {
      if (performance.now() > deadline) {
        throw new AerakiError('DEMO_NOT_TAKEN', `${otherwise}, within ${TAKEN_WITHIN_MS / 1000} s (${this.event})`)
      }
      await this.#sleep(TAKEN_POLL_MS)
    }
  }

  #answeredBy(group: string): number {
    return sumBy(this.#watch.newest?.calls ?? [], (call) => call.group)[group] ?? 0
  }

  async #beginPhase(): Promise<void> {
    this.#phaseBegan = sumBy((await this.#watch.settled()).calls, (call) => call.group)
  }

  #endPhase(): void {
    const began = this.#phaseBegan
    const newest = this.#watch.newest
    if (began === undefined || newest === undefined) return
    const now = sumBy(newest.calls, (call) => call.group)
    const byGroup = Object.fromEntries(
      this.#scenario.groups.map(({ name }) => [name, (now[name] ?? 0) - (began[name] ?? 0)]),
    )
    this.#phases.push({ away: [...this.#away], byGroup })
    this.#phaseBegan = undefined
  }

  #group(name: string) {
    const group = this.#scenario.groups.find((candidate) => candidate.name === name)
    if (group === undefined) throw new Error(`${this.#scenario.name} has no group ${name}`)
    return group
  }

  /** What is left of the time, shared among the steps to come; long enough to see what the last one did. */
  async #pause(end: number, stepsToCome: number): Promise<void> {
    await this.#sleep(Math.max(LEAST_PAUSE_MS, (end - performance.now()) / (stepsToCome + 1)))
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#over })
  }
}
