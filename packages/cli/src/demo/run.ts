/** One run of the demo, from the first process to the last. */
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'
import { getLogger } from '@logtape/logtape'
import { wantsColor } from '../logging.ts'
import type { ConsumerPlan, ConsumerReport, FromApp } from './apps/messages.ts'
import { ConsumerWatch } from './consumer-watch.ts'
import { mistakesIn } from './control-plane-admin.ts'
import { startMesh, type Mesh } from './mesh.ts'
import { claimPort } from './ports.ts'
import { Processes } from './processes.ts'
import { resultOf, type Result } from './result.ts'
import type { Scenario } from './scenario.ts'
import { Script } from './script.ts'
import { Terminal } from './terminal.ts'
import { describePicture, drawPicture, type Picture } from './view.ts'
import { EXAMPLE_PORT, openWorkspace, type Workspace } from './workspace.ts'

const CONSUMER = join(import.meta.dirname, 'apps/consumer.ts')
const DRAW_EVERY_MS = 500
const DESCRIBE_EVERY_MS = 2000
const PORT_ATTEMPTS = 5
/** For the last answers. */
const FINISH_WITHIN_MS = 30_000

export interface RunOptions {
  readonly scenario: Scenario
  /** Undefined: until the user ends it. */
  readonly durationMs: number | undefined
  /** Where the view goes. Pictures are drawn when it is a terminal, else lines are written. */
  readonly view: NodeJS.WriteStream
  /** Ends the run early. */
  readonly interrupted: AbortSignal
  readonly runtime: string | undefined
  /** Calls per second. */
  readonly rate: number
  readonly connections: number
}

const log = getLogger(['aeraki', 'demo'])

/** Resolves with what was measured, when every process is gone and every file removed. Rejects with `AerakiError`. */
export async function runDemo(options: RunOptions): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await runOnce(options, EXAMPLE_PORT + attempt)
    } catch (error) {
      // Somebody took the port between our looking and our listening.
      const again = error instanceof AerakiError && error.code === 'DEMO_PORT_TAKEN' && attempt < PORT_ATTEMPTS
      if (!again) throw error
      log.warn('Starting again on another port: {reason}', { reason: error.message })
    }
  }
}

async function runOnce(options: RunOptions, wantedPort: number): Promise<Result> {
  const { scenario, durationMs } = options
  const port = await claimPort(wantedPort)
  const workspace = openWorkspace(scenario, port.port, durationMs === undefined)
  const processes = new Processes((name, line) => log.debug('{name}: {line}', { name, line }))
  const lastResort = () => {
    processes.killAll()
    workspace.close()
  }
  process.once('exit', lastResort)
  const over = new AbortController()
  try {
    const result = runIn(workspace, port.port, processes, options, over)
    // Whatever still fails after the race is a consequence of how it ended.
    result.catch((error: unknown) => log.debug('The run ended: {error}', { error }))
    return await Promise.race([result, processes.crashed])
  } finally {
    over.abort()
    await processes.stopAll()
    workspace.close()
    port.release()
    process.removeListener('exit', lastResort)
  }
}

/** Aborts `over` when the acting part has ended; stops acting when somebody else aborts it. */
async function runIn(
  workspace: Workspace,
  port: number,
  processes: Processes,
  options: RunOptions,
  over: AbortController,
): Promise<Result> {
  const { scenario, durationMs, interrupted } = options
  log.info('Starting {scenario}: {summary}.', { scenario: scenario.name, summary: scenario.summary })
  const starting = startMesh({ scenario, workspace, port, processes, runtime: options.runtime })
  const mesh = await Promise.race([starting, aborted(interrupted)])
  if (mesh === undefined) throw new AerakiError('DEMO_INTERRUPTED', 'interrupted before the first call')
  const rule = workspace.read(scenario.rule)
  const updatesBefore = await mesh.consumerProxy.updates()
  const watch = startConsumer(processes, mesh, options)
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const script = new Script(scenario, workspace, mesh, watch, over.signal)
  const showing = show({ options, workspace, mesh, watch, script, updatesBefore, seconds, over: over.signal })
  const acting = durationMs === undefined ? script.runForever() : script.runFor(durationMs)
  // It ends with `over` too, whoever is listening then.
  acting.catch((error: unknown) => log.debug('The script ended: {error}', { error }))
  try {
    await Promise.race([acting, aborted(interrupted)])
  } finally {
    over.abort()
    await showing
  }
  const measuredSeconds = seconds()
  const report = await finish(watch)
  return resultOf({
    scenario,
    seconds: measuredSeconds,
    report,
    reloads: (await mesh.consumerProxy.updates()) - updatesBefore,
    phases: script.phases,
    proxyRuntime: mesh.runtime,
    rule,
    complete: durationMs !== undefined && !interrupted.aborted,
  })
}

function startConsumer(processes: Processes, mesh: Mesh, options: RunOptions): ConsumerWatch {
  const plan: ConsumerPlan = {
    address: mesh.serviceAddress,
    connections: options.connections,
    rate: options.rate,
    concurrency: options.connections * 16,
    kinds: options.scenario.kinds,
  }
  const child = processes.fork('consumer', CONSUMER, [JSON.stringify(plan)])
  child.process.on('message', (message: FromApp) => {
    if (message.type === 'failed') log.error('{message}', { message: message.message })
  })
  return new ConsumerWatch(child)
}

async function finish(watch: ConsumerWatch): Promise<ConsumerReport> {
  const newest = watch.newest
  const report = await Promise.race([watch.finish(), sleep(FINISH_WITHIN_MS, undefined, { ref: false })])
  if (report !== undefined) return report
  if (newest === undefined) throw new Error('the consumer never reported')
  return newest
}

interface Showing {
  readonly options: RunOptions
  readonly workspace: Workspace
  readonly mesh: Mesh
  readonly watch: ConsumerWatch
  readonly script: Script
  readonly updatesBefore: number
  seconds(): number
  readonly over: AbortSignal
}

/** Draws or writes what happens, until it is over. */
async function show(showing: Showing): Promise<void> {
  const { options, workspace, over } = showing
  const { view, scenario } = options
  const live = view.isTTY
  const terminal = new Terminal(view)
  if (!live && options.durationMs === undefined) {
    view.write(`Edit ${workspace.shown(scenario.rule)}: ${scenario.hint}; the split changes when you save.\n`)
  }
  while (!over.aborted) {
    await sleep(live ? DRAW_EVERY_MS : DESCRIBE_EVERY_MS, undefined, { signal: over }).catch(() => {})
    const picture = await take(showing)
    if (picture === undefined) continue
    if (live) terminal.draw(drawPicture(picture, { color: wantsColor(view), width: terminal.width }))
    else view.write(`${describePicture(picture)}\n`)
  }
  terminal.close()
}

async function take(showing: Showing): Promise<Picture | undefined> {
  const { options, workspace, mesh, watch, script } = showing
  const { scenario } = options
  const report = watch.newest
  if (report === undefined) return undefined
  try {
    return {
      scenario: scenario.name,
      summary: scenario.summary,
      seconds: showing.seconds(),
      groups: scenario.groups.map(({ name }) => ({ name, state: script.away.includes(name) ? 'away' : 'up' })),
      address: mesh.serviceAddress,
      runtime: mesh.runtime,
      report,
      rates: watch.rates(),
      reloads: (await mesh.consumerProxy.updates()) - showing.updatesBefore,
      ruleFile: workspace.shown(scenario.rule),
      rule: await mesh.consumerProxy.rulesInForce(),
      mistakes: await mistakesIn(mesh.adminAddress, workspace.folder),
      event: script.event,
      hint: scenario.hint,
    }
  } catch (error) {
    // The admin pages are busy or going away: the next picture will tell.
    log.debug('No picture: {error}', { error })
    return undefined
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
