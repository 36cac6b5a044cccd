/**
 * The benchmark: our proxy beside its competitors, in one run on one machine. docs/performance.md says how.
 *
 *   npm run bench                      everything, under 20 minutes; writes bench/RESULTS.md and bench/chart.svg
 *   npm run bench -- --quick           less of everything, 3 minutes; writes to bench/quick/
 *   npm run bench -- --compare REV     this tree against another revision
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aerakiBun, aerakiNode } from './contenders/aeraki.ts'
import { direct } from './contenders/direct.ts'
import { envoyDubbo, envoyGeneric, envoyTcp, envoyThrift } from './contenders/envoy.ts'
import { haproxyTcp } from './contenders/haproxy.ts'
import { compare } from './compare.ts'
import { Load } from './load/load.ts'
import { installPeers } from '../scripts/peers.ts'
import { checkMachine, describeMachine, pinThisProcess, root } from './machine.ts'
import { parseOptions, type Options } from './options.ts'
import { cleanUp } from './processes.ts'
import { chart } from './report/chart.ts'
import { markdown } from './report/markdown.ts'
import type { Results } from './report/results.ts'
import { runChanges } from './suites/changes.ts'
import { runControlPlane } from './suites/control-plane.ts'
import { runCrowd } from './suites/crowd.ts'
import { runFootprint } from './suites/footprint.ts'
import { runLatency } from './suites/latency.ts'
import { runRequests } from './suites/requests.ts'
import { runScaling } from './suites/scaling.ts'
import type { Context } from './suites/suite.ts'
import { runWorkers } from './suites/workers.ts'

const contenders = [direct, haproxyTcp, envoyTcp, envoyDubbo, envoyGeneric, envoyThrift, aerakiBun, aerakiNode]
const ours = [aerakiBun, aerakiNode]
const startedAt = new Date()

process.on('exit', cleanUp)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

try {
  const options = parseOptions(process.argv.slice(2))
  for (const { what, why } of installPeers({ benchmark: true })) say(`could not install ${what}: ${why}`)
  checkMachine()
  pinThisProcess()
  const load = await Load.start()
  const context: Context = { load, plan: options.plan, say }
  if (options.compare === undefined) write(options, await everything(context, options))
  else console.log(await compare(context, options.compare))
  process.exit(0)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}

async function everything(context: Context, options: Options): Promise<Results> {
  const machine = describeMachine()
  const failures: string[] = []
  /** A part that fails takes nothing else with it. */
  const part = async <T>(suite: string, otherwise: T, run: () => Promise<T>): Promise<T> => {
    if (options.suites.length > 0 && !options.suites.includes(suite)) return otherwise
    try {
      return await run()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      say(`${suite} FAILED: ${reason}`)
      failures.push(`${suite}: ${reason}`)
      return otherwise
    }
  }
  const requests = await part('requests', [], () => runRequests(context, contenders, ['dubbo', 'thrift']))
  const few = contenders.filter((contender) => contender !== envoyGeneric)
  const crowd = await part('crowd', [], () => runCrowd(context, few))
  const sideBySide = [haproxyTcp, envoyDubbo, envoyThrift, ...ours]
  const workers = await part('workers', [], () => runWorkers(context, sideBySide))
  const latency = [
    ...(await part('latency', [], async () => [await runLatency(context, contenders, 'dubbo', envoyDubbo)])),
    ...(await part('latency', [], async () => [await runLatency(context, contenders, 'thrift', envoyThrift)])),
  ]
  const footprint = {
    dubbo: await part('footprint', [], () => runFootprint(context, contenders, 'dubbo')),
    thrift: await part('footprint', [], () => runFootprint(context, contenders, 'thrift')),
  }
  const scaling = await part('scaling', [], () => runScaling(context, [...ours, envoyDubbo]))
  const changes = await part('changes', [], () => runChanges(context))
  const controlPlane = await part('control-plane', undefined, () => runControlPlane(context))
  const minutes = (Date.now() - startedAt.getTime()) / 60_000
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ')
  const { plan } = context
  return {
    machine,
    plan,
    command,
    startedAt,
    minutes,
    requests,
    crowd,
    workers,
    latency,
    footprint,
    scaling,
    changes,
    controlPlane,
    failures,
  }
}

/** Only a whole, full run replaces the published results. */
function write(options: Options, results: Results): void {
  const whole = options.plan.name === 'full' && options.suites.length === 0
  const folder = join(root, whole ? 'bench' : 'bench/quick')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'RESULTS.md'), markdown(results))
  const picture = chart(results.requests)
  if (picture !== undefined) writeFileSync(join(folder, 'chart.svg'), picture)
  say(`written to ${folder}`)
  if (results.failures.length > 0) process.exitCode = 1
}

function say(text: string): void {
  const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000)
  console.error(`${String(seconds).padStart(5)} s  ${text}`)
}
